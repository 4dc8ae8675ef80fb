"""Many readers and writers at once: nobody is ever given an older value than was seen before.

The values are counters, so that "older" is "less". What a reader may not fall below is noted before
it starts to read: the highest value that any reader has seen, or that a write of this process has
returned.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware.embedded import Cluster, Server

_SECONDS = 1.5
_KEYS = [f"counter:{number}" for number in range(4)]


class _Floors:
    """The least that a read may return that starts now, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._floors = dict.fromkeys(_KEYS, 0)
        self.violations: list[str] = []
        self.reads = 0

    def __getitem__(self, key: str) -> int:
        return self._floors[key]

    def raise_to(self, key: str, value: int) -> None:
        with self._lock:
            self._floors[key] = max(self._floors[key], value)

    def check(self, key: str, floor: int, reply: Any) -> None:
        value = int(reply or 0)
        self.reads += 1
        if value < floor:
            self.violations.append(f"{key}: {value} after {floor} had been seen")
        self.raise_to(key, value)


def _read(client: Any, floors: _Floors, dice: random.Random) -> None:
    key = dice.choice(_KEYS)
    floor = floors[key]
    kind = dice.random()
    if kind < 0.8:
        floors.check(key, floor, client.get(key))
        return
    pipe = client.pipeline(transaction=False)
    pipe.get(key)
    pipe.incr(key)
    pipe.get(key)
    before, written, after = pipe.execute()
    floors.check(key, floor, before)
    floors.check(key, written, after)


def _stress(client: Any, other: Any) -> _Floors:
    floors = _Floors()
    wait_until(is_on(client), "on")
    end = time.monotonic() + _SECONDS

    def read(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            _read(client, floors, dice)

    def write_mine(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            key = dice.choice(_KEYS)
            floors.raise_to(key, client.incr(key))
            floors.check(key, floors[key], client.get(key))
            time.sleep(dice.random() * 0.002)

    def write_others(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            other.incr(dice.choice(_KEYS))
            time.sleep(dice.random() * 0.002)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(5)]
    threads += [threading.Thread(target=write_mine, args=(seed,)) for seed in (10, 11)]
    threads.append(threading.Thread(target=write_others, args=(20,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return floors


def _assert_right(floors: _Floors, client: Any) -> None:
    assert not floors.violations, floors.violations[:5]
    statistics = cache_of(client).statistics()
    assert statistics.hits > 100, statistics
    assert statistics.rules["*"].overtaken > 0, statistics


@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
def test_threads(clean_standalone: Server, mode: str) -> None:
    """Threads on one client never fall back, and replies that were overtaken are not kept."""
    client = cached(redis.Redis(port=clean_standalone.port), invalidation=mode)
    with client, redis.Redis(port=clean_standalone.port) as other:
        _assert_right(_stress(client, other), client)


def test_threads_on_a_cluster(clean_cluster: Cluster) -> None:
    """So it is on a cluster."""
    client = cached(redis.RedisCluster.from_url(clean_cluster.url))
    with client, redis.RedisCluster.from_url(clean_cluster.url) as other:
        _assert_right(_stress(client, other), client)


def test_own_writes_without_reports(clean_standalone: Server) -> None:
    """By TTL alone a process sees its own writes at once, in threads and pipelines too."""
    client = cached(redis.Redis(port=clean_standalone.port), invalidation="ttl")
    with client:
        _assert_right(_stress(client, client), client)


async def _stress_tasks(client: Any, other: Any) -> _Floors:
    floors = _Floors()
    await client.ping()
    await wait_until_async(is_on(client), "on")
    end = time.monotonic() + _SECONDS

    async def read(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            key = dice.choice(_KEYS)
            floor = floors[key]
            floors.check(key, floor, await client.get(key))
            if dice.random() < 0.1:
                await asyncio.sleep(0)

    async def write_mine(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            key = dice.choice(_KEYS)
            floors.raise_to(key, await client.incr(key))
            floors.check(key, floors[key], await client.get(key))
            await asyncio.sleep(dice.random() * 0.002)

    async def write_others(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            await other.incr(dice.choice(_KEYS))
            await asyncio.sleep(dice.random() * 0.002)

    await asyncio.gather(*map(read, range(10)), write_mine(20), write_mine(21), write_others(3))
    return floors


@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
async def test_tasks(clean_standalone: Server, mode: str) -> None:
    """Tasks on one asyncio client never fall back."""
    bare = redis.asyncio.Redis(port=clean_standalone.port)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
    ):
        _assert_right(await _stress_tasks(client, other), client)


@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
async def test_tasks_on_a_cluster(clean_cluster: Cluster, mode: str) -> None:
    """So it is on a cluster."""
    bare = redis.asyncio.RedisCluster.from_url(clean_cluster.url)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.RedisCluster.from_url(clean_cluster.url) as other,
    ):
        _assert_right(await _stress_tasks(client, other), client)
