"""The cache on each kind of client, with a real server: hits, own writes, writes of others."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import (
    WITHIN,
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware.embedded import Cluster, SentinelDeployment, Server

MODES = ("broadcast", "tracking")


def _check(client: Any, other: Any) -> None:
    wait_until(is_on(client), "on")
    counts = cache_of(client).statistics().rules["*"]
    other.set("{k}1", "first")
    wait_until(lambda: client.get("{k}1") == b"first" and counts.hits, "a hit")
    client.set("{k}1", "mine")
    assert client.get("{k}1") == b"mine"
    other.set("{k}1", "theirs")
    wait_until(lambda: client.get("{k}1") == b"theirs", "the write of another client is seen")
    other.rpush("{k}list", 1, 2)
    wait_until(lambda: client.lrange("{k}list", 0, -1) == [b"1", b"2"], "the list is there")
    client.mget("{k}1", "{k}2")
    pipe = client.pipeline(transaction=False)
    pipe.get("{k}1")
    pipe.set("{k}1", "in a pipeline")
    pipe.get("{k}1")
    replies = pipe.execute()
    assert [replies[0], replies[2]] == [b"theirs", b"in a pipeline"]
    assert client.eval("return redis.call('SET', KEYS[1], 'scripted')", 1, "{k}1") == b"OK"
    assert client.get("{k}1") == b"scripted"


async def _check_async(client: Any, other: Any) -> None:
    await client.ping()
    await wait_until_async(is_on(client), "on")
    counts = cache_of(client).statistics().rules["*"]
    await other.set("{k}1", "first")
    await _read_until(client, b"first")
    while not counts.hits:
        assert await client.get("{k}1") == b"first"
    await client.set("{k}1", "mine")
    assert await client.get("{k}1") == b"mine"
    await other.set("{k}1", "theirs")
    await _read_until(client, b"theirs")
    pipe = client.pipeline(transaction=False)
    pipe.get("{k}1")
    pipe.set("{k}1", "in a pipeline")
    pipe.get("{k}1")
    replies = await pipe.execute()
    assert [replies[0], replies[2]] == [b"theirs", b"in a pipeline"]
    await client.eval("return redis.call('SET', KEYS[1], 'scripted')", 1, "{k}1")
    assert await client.get("{k}1") == b"scripted"


async def _read_until(client: Any, value: bytes) -> None:
    deadline = time.monotonic() + WITHIN
    while await client.get("{k}1") != value:
        assert time.monotonic() < deadline, f"{value!r} is not read"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_plain_client(clean_standalone: Server, mode: str, protocol: int) -> None:
    """A plain client hits, sees its own writes at once and those of others soon."""
    client = cached(redis.Redis(port=clean_standalone.port, protocol=protocol), invalidation=mode)
    with client, redis.Redis(port=clean_standalone.port) as other:
        _check(client, other)


@pytest.mark.parametrize("mode", MODES)
def test_cluster(clean_cluster: Cluster, mode: str) -> None:
    """So does a cluster client, with a connection to each primary."""
    client = cached(redis.RedisCluster.from_url(clean_cluster.url), invalidation=mode)
    with client, redis.RedisCluster.from_url(clean_cluster.url) as other:
        _check(client, other)


@pytest.mark.parametrize("mode", MODES)
def test_sentinel(clean_sentinel: SentinelDeployment, mode: str) -> None:
    """So does a client that Sentinel leads to its primary."""
    sentinel = Sentinel(clean_sentinel.addresses)
    client = cached(sentinel.master_for(clean_sentinel.service_name), invalidation=mode)
    with client, sentinel.master_for(clean_sentinel.service_name) as other:
        _check(client, other)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", MODES)
async def test_plain_async_client(clean_standalone: Server, mode: str, protocol: int) -> None:
    """So does an asyncio client."""
    bare = redis.asyncio.Redis(port=clean_standalone.port, protocol=protocol)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
    ):
        await _check_async(client, other)


@pytest.mark.parametrize("mode", MODES)
async def test_async_cluster(clean_cluster: Cluster, mode: str) -> None:
    """So does an asyncio cluster client."""
    bare = redis.asyncio.RedisCluster.from_url(clean_cluster.url)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.RedisCluster.from_url(clean_cluster.url) as other,
    ):
        await _check_async(client, other)


@pytest.mark.parametrize("mode", MODES)
async def test_async_sentinel(clean_sentinel: SentinelDeployment, mode: str) -> None:
    """So does an asyncio client that Sentinel leads to its primary."""
    sentinel = AsyncSentinel(clean_sentinel.addresses)
    async with (
        cached(sentinel.master_for(clean_sentinel.service_name), invalidation=mode) as client,
        sentinel.master_for(clean_sentinel.service_name) as other,
    ):
        await _check_async(client, other)
