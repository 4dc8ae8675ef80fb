"""Which keys a command accessed, how, and how many bytes that moved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from redis.exceptions import DataError, RedisError

from redis_middleware import Command
from redis_middleware.commands import CommandSpec
from redis_middleware.errors import MiddlewareError
from redis_middleware.sizes import arguments_size, size_of
from redis_middleware_plugins.key_access.sketches import READ, WRITE

__all__ = ["accesses_of", "may_access", "reply_size", "was_sent"]

_LARGE: Final = 64
"""Of larger replies so many elements are measured, and the rest is taken to be like them."""


def may_access(spec: CommandSpec) -> bool:
    """Whether some invocation of a command accesses keys, as far as is known."""
    return bool(spec.key_specs) or not spec.known


def was_sent(error: BaseException) -> bool:
    """Whether a command that failed had been on its way to the server.

    Arguments that redis-py refuses and what plugins refuse never were, nor is a command that its
    pipeline dropped. Whatever else went wrong, the application has accessed its keys.
    """
    return not isinstance(error, DataError | MiddlewareError | GeneratorExit | UnicodeError)


def accesses_of(command: Command, reply: Any) -> list[tuple[bytes, int, int]]:
    """The keys that a command accessed, each once.

    The bytes of the command, those of its name left out, are shared out evenly among its keys, but
    MGET's values go to theirs.

    Args:
        command: the command.
        reply: its reply; ``None`` where there was none.

    Returns:
        For each key, as on the wire: the key, ``READ`` or ``WRITE``, and its bytes.
    """
    kinds: dict[bytes, int] = {}
    try:
        for key, use in zip(command.keys, command.key_uses, strict=True):
            kinds[key] = kinds.get(key, READ) or (WRITE if use.writes else READ)
        if not kinds and not command.spec.known:
            # What redis-py itself takes for the command's keys.
            for key in command.options.get("keys") or ():
                kinds[bytes(command.client.encode(key))] = WRITE
    except (RedisError, UnicodeError):
        # An argument that cannot be sent; redis-py has refused the command for it.
        return []
    if not kinds:
        return []
    size = arguments_size(command.args[1:])
    if command.name == "MGET" and isinstance(reply, list) and len(reply) == len(command.keys):
        sizes = dict.fromkeys(kinds, size // len(kinds))
        for key, value in zip(command.keys, reply, strict=True):
            sizes[key] += reply_size(value)
        return [(key, kind, sizes[key]) for key, kind in kinds.items()]
    share, rest = divmod(size + reply_size(reply), len(kinds))
    return [(key, kind, share + (index < rest)) for index, (key, kind) in enumerate(kinds.items())]


def reply_size(reply: Any) -> int:
    """The bytes of a reply: exact for up to 64 elements, else by 64 of them.

    Args:
        reply: the reply as redis-py gives it.
    """
    if isinstance(reply, list | tuple | set | frozenset | dict) and len(reply) > _LARGE:
        return size_of(_some(reply)) * len(reply) // _LARGE
    return size_of(reply)


def _some(reply: Any) -> Any:
    if isinstance(reply, dict):
        return dict(islice(reply.items(), _LARGE))
    if isinstance(reply, Sequence):
        return reply[:: len(reply) // _LARGE][:_LARGE]
    return list(islice(reply, _LARGE))
