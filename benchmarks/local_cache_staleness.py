"""How long a reader goes on with an old value after another client's write has returned."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

import redis
import redis.asyncio

from benchmarks.rows import Row
from redis_middleware import middleware_of

GROUP = "local_cache"
_TTL = 0.1
_SECONDS = 4.0

_WRITER = """
import json, random, sys, time
import redis
client = redis.Redis(port=int(sys.argv[1]))
end = time.monotonic() + float(sys.argv[2])
number, written = 0, []
while time.monotonic() < end:
    number += 1
    client.set("key", number)
    written.append(time.monotonic())
    time.sleep(random.uniform(*map(float, sys.argv[3:5])))
print(json.dumps(written))
"""


def _writer(port: int, *, pause: tuple[float, float]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(port), str(_SECONDS), *map(str, pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _staleness(written: Sequence[float], seen: Sequence[tuple[int, float]]) -> list[float]:
    """Microseconds from each write's reply to the last read that began after it and missed it.

    Args:
        written: when the reply of write 1, 2 … came.
        seen: what each read returned, and when it had, in order.
    """
    last_seen = dict(seen)
    stale = []
    for number, at in enumerate(written, start=1):
        older = [when for value, when in last_seen.items() if value == number - 1]
        stale.append(max(0.0, older[0] - at) * 1e6 if older else 0.0)
    return stale


def _rows(mode: str, stale: Sequence[float]) -> list[Row]:
    cuts = quantiles(stale, n=100)
    return [
        Row(GROUP, f"staleness, {mode}: {name}", cuts[index], "µs")
        for name, index in (("p50", 49), ("p99", 98))
    ]


def _sync_rows(port: int, mode: str, **settings: Any) -> list[Row]:
    from benchmarks.local_cache import cached, wait_until_on

    client = cached(redis.Redis(port=port), invalidation=mode, **settings)
    wait_until_on(client)
    pause = (_TTL, 2 * _TTL) if mode == "ttl" else (0.002, 0.006)
    seen: dict[int, float] = {}
    with _writer(port, pause=pause) as writer:
        while writer.poll() is None:
            for _ in range(1000):
                value = client.get("key")
                seen[int(value or 0)] = time.monotonic()
        assert writer.stdout is not None
        written = json.loads(writer.stdout.read())
    client.close()
    name = f"{mode} ({_TTL:g} s)" if mode == "ttl" else mode
    return _rows(name, _staleness(written, list(seen.items())))


async def _async_rows(port: int, mode: str) -> list[Row]:
    from benchmarks.local_cache import cached

    client = cached(redis.asyncio.Redis(port=port), invalidation=mode)
    plugin = middleware_of(client).plugins["local_cache"]
    while plugin.state != "on":
        await asyncio.sleep(0.01)
    seen: dict[int, float] = {}
    with _writer(port, pause=(0.002, 0.006)) as writer:
        while writer.poll() is None:
            for _ in range(100):
                value = await client.get("key")
                seen[int(value or 0)] = time.monotonic()
            await asyncio.sleep(0)
        assert writer.stdout is not None
        written = json.loads(writer.stdout.read())
    await client.aclose()
    return _rows(f"{mode}, async", _staleness(written, list(seen.items())))


def staleness_rows(port: int) -> list[Row]:
    """Each mode, with one reader that does nothing but read."""
    with redis.Redis(port=port) as client:
        client.flushall()
    brief = [{"keys": "key*", "ttl": _TTL}]
    rows = [
        *_sync_rows(port, "broadcast"),
        *_sync_rows(port, "tracking"),
        *_sync_rows(port, "ttl", rules=brief),
    ]
    for mode in ("broadcast", "tracking"):
        rows += asyncio.run(_async_rows(port, mode))
    return rows
