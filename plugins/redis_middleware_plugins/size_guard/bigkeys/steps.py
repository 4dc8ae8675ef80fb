"""One step of a scan: by a read-only script, or by a pipeline where scripts are denied."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Final

import redis
from redis.exceptions import ResponseError

from redis_middleware_plugins.size_guard.bigkeys.samples import Batch, KeysOfKind

__all__ = ["Step", "pipeline_step", "script_step"]

Step = Callable[[redis.Redis, str, int], Batch]
"""Takes a client whose replies are bytes, the cursor and about how many keys to look at."""

_LENGTHS: Final = {
    b"hash": "HLEN",
    b"list": "LLEN",
    b"set": "SCARD",
    b"zset": "ZCARD",
    b"stream": "XLEN",
}

# Numbers are packed, 8 bytes each: thousands of small replies take longer to make and to parse than
# the sizes take to find. A call takes at most 8,000 arguments, so they are packed in parts.
_SCRIPT: Final = """\
local call = redis.call
local has_os, clock = pcall(function() return os.clock end)
if not has_os then clock = nil end
local began = clock and clock()
local function packed(numbers)
  local parts = {}
  for first = 1, #numbers, 4000 do
    local last = math.min(first + 3999, #numbers)
    parts[#parts + 1] = struct.pack('<' .. string.rep('I8', last - first + 1),
      unpack(numbers, first, last))
  end
  return table.concat(parts)
end
local lengths = {hash = 'HLEN', list = 'LLEN', set = 'SCARD', zset = 'ZCARD', stream = 'XLEN'}
local found = call('SCAN', ARGV[1], 'COUNT', ARGV[2])
local all = found[2]
local kinds, out = {}, {found[1], 0}
for index = 1, #all do
  local key = all[index]
  local size = call('MEMORY', 'USAGE', key)
  if size then
    local kind = call('TYPE', key).ok
    local rows = kinds[kind]
    if not rows then
      rows = {keys = {}, sizes = {}, elements = {}, persistent = {}, length = lengths[kind], n = 0}
      kinds[kind] = rows
    end
    local at = rows.n + 1
    rows.n = at
    rows.keys[at] = key
    rows.sizes[at] = size
    local length = rows.length
    if length then rows.elements[at] = call(length, key) end
    rows.persistent[at] = call('PTTL', key) == -1 and 1 or 0
  end
end
for kind, rows in pairs(kinds) do
  out[#out + 1] = {kind, rows.keys, packed(rows.sizes), packed(rows.elements),
    packed(rows.persistent)}
end
out[2] = clock and math.floor((clock() - began) * 1000000) or -1
return out
"""


def script_step(command: str) -> Step:
    """A step that one script does.

    Args:
        command: ``"EVAL_RO"``, or ``"EVAL"`` for servers before 7.0.
    """

    def step(client: redis.Redis, cursor: str, count: int) -> Batch:
        evaluate: Any = client.execute_command
        start = perf_counter()
        reply: Any = evaluate(command, _SCRIPT, 0, cursor, count)
        took = perf_counter() - start
        following, microseconds, *kinds = reply
        found = [
            KeysOfKind(kind.decode(), keys, *map(_numbers, packed)) for kind, keys, *packed in kinds
        ]
        # Older servers give scripts no clock that goes on while they run.
        held = took if microseconds < 0 else microseconds / 1e6
        return Batch(following.decode(), found, held)

    return step


def _numbers(packed: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(packed) // 8}Q", packed))


def pipeline_step(client: redis.Redis, cursor: str, count: int) -> Batch:
    """A step of three round trips, for servers that deny scripts.

    A key that is gone by the second one is left out. Where MEMORY USAGE is denied, sizes are 0.
    """
    start = perf_counter()
    found_keys: Any = client.scan(int(cursor), count=count)
    following, keys = found_keys
    if not keys:
        return Batch(str(following), [], perf_counter() - start)
    facts = _all(client, ((word, key) for key in keys for word in ("TYPE", "PTTL")))
    sizes = _all(client, (("MEMORY USAGE", key) for key in keys))
    kinds = facts[::2]
    lengths = _all(
        client,
        (
            (_LENGTHS[kind], key) if kind in _LENGTHS else ("EXISTS", key)
            for key, kind in zip(keys, kinds, strict=True)
        ),
    )
    rows: dict[bytes, KeysOfKind] = {}
    for key, kind, ttl, size, length in zip(keys, kinds, facts[1::2], sizes, lengths, strict=True):
        if not isinstance(kind, bytes) or kind == b"none" or not isinstance(length, int):
            continue
        found = rows.setdefault(kind, KeysOfKind(kind.decode(), [], [], [], []))
        found.keys.append(key)
        found.sizes.append(size if isinstance(size, int) else 0)
        if kind in _LENGTHS:
            found.elements.append(length)
        found.persistent.append(1 if ttl == -1 else 0)
    # Between the commands of a pipeline others get their turn: the longest of them is not known.
    return Batch(str(following), list(rows.values()), (perf_counter() - start) / 3)


def _all(client: redis.Redis, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
    pipe: Any = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    return [
        None if isinstance(reply, ResponseError) else reply
        for reply in pipe.execute(raise_on_error=False)
    ]
