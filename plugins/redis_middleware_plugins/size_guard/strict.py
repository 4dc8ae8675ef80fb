"""Growing writes done by a script that asks for the size first: nobody can write in between."""

from __future__ import annotations

import re
from typing import Any, Final

from redis.exceptions import ResponseError

from redis_middleware import Command
from redis_middleware_plugins.size_guard.growth import GROWTH, Growth

__all__ = ["can_be_strict", "refused_size", "strict_command", "strict_reply"]

_MOST_ARGUMENTS: Final = 4000
"""A script's call takes at most 8,000 arguments (LUAI_MAXCSTACK)."""

_NOT_STRICT: Final = frozenset({"SETRANGE", "LMOVE", "RPOPLPUSH", "SMOVE", "HSETEX"})
_FLOATS: Final = frozenset({"HINCRBYFLOAT", "ZINCRBY"})
_REFUSED: Final = re.compile(r"SIZEGUARD ([0-9]+)")

_SCRIPT: Final = """\
local size = redis.pcall(ARGV[1], KEYS[1])
if type(size) == 'table' then return size end
local allowed, added = tonumber(ARGV[2]), tonumber(ARGV[3])
if size + added > allowed and ARGV[4] ~= '' then
  added = 0
  for index = tonumber(ARGV[5]), #ARGV, tonumber(ARGV[6]) do
    local there = redis.call(ARGV[4], KEYS[1], ARGV[index])
    if not there or there == 0 then added = added + 1 end
  end
end
if added > 0 and size + added > allowed then
  return redis.error_reply('SIZEGUARD ' .. string.format('%.0f', size + added))
end
return redis.pcall(unpack(ARGV, 7))
"""
_BEFORE_THE_COMMAND: Final = 6


def can_be_strict(command: Command) -> bool:
    """Whether a command can be done by the script."""
    name = command.spec.name
    return name in GROWTH and name not in _NOT_STRICT and len(command.wire) <= _MOST_ARGUMENTS


def strict_command(command: Command, growth: Growth, allowed: int, added: int) -> Command:
    """The script in place of a growing write.

    Args:
        command: the write.
        growth: how it makes its key grow.
        allowed: the largest size that the key may have afterwards.
        added: by how much it grows at most.
    """
    wire = command.wire
    elements = growth.elements(wire)
    return command.replace(
        (
            "EVAL",
            _SCRIPT,
            1,
            wire[1],
            growth.length,
            allowed,
            added,
            growth.exists,
            _BEFORE_THE_COMMAND + 1 + elements.start,
            elements.step,
            *wire,
        )
    )


def refused_size(error: ResponseError) -> int | None:
    """The size that the script refused; ``None`` where the error is another one."""
    found = _REFUSED.match(str(error))
    return int(found[1]) if found else None


def strict_reply(command: Command, reply: Any) -> Any:
    """The script's reply as redis-py gives the write's own."""
    name = command.spec.name
    if name == "HMSET":
        return bool(reply)
    as_score = name == "ZADD" and command.options.get("as_score")
    if (name in _FLOATS or as_score) and reply is not None:
        return float(reply)
    return reply
