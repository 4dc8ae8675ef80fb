"""The cache when servers are lost, and others take over."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware.embedded import Cluster, SentinelDeployment, Server, cluster, sentinel

_WITHIN = 30.0
_DOWN_AFTER = 0.3


def _eventually(holds: Callable[[], object], what: str) -> None:
    """Wait for as long as a failover may take; errors on the way are part of it."""
    deadline = time.monotonic() + _WITHIN
    while True:
        with contextlib.suppress(redis.RedisError):
            if holds():
                return
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


async def _eventually_async(holds: Callable[[], Awaitable[object]], what: str) -> None:
    deadline = time.monotonic() + _WITHIN
    while True:
        with contextlib.suppress(redis.RedisError):
            if await holds():
                return
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def _is_kept(client: Any, key: str) -> bool:
    return ("GET", key) in cache_of(client).store.entries


def _is_cached_and_reported(client: Any, other: Any, key: str = "k") -> bool:
    """Write elsewhere, and see that it is read, kept, and reported when it changes."""
    for value in (b"one", b"two"):
        other.set(key, value)
        wait_until(lambda value=value: client.get(key) == value)  # type: ignore[misc]
    wait_until(lambda: client.get(key) == b"two" and _is_kept(client, key))
    return True


async def _is_cached_and_reported_async(client: Any, other: Any, key: str = "k") -> bool:
    for value in (b"one", b"two"):
        await other.set(key, value)
        while await client.get(key) != value:
            await asyncio.sleep(0.005)
    while not _is_kept(client, key):
        await client.get(key)
        await asyncio.sleep(0.005)
    return True


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Run a cluster to be disturbed."""
    with cluster(primaries=3, replicas=1) as servers:
        yield servers


@pytest.fixture
def own_sentinel() -> Iterator[SentinelDeployment]:
    """Run a sentinel to be disturbed, which is quick to take a server for lost."""
    with sentinel(replicas=1, down_after=_DOWN_AFTER) as servers:
        yield servers


def _primaries(servers: Cluster, client: Any) -> tuple[Server, str, str]:
    """A primary to be lost, a key of it, and one of another primary."""
    keys = [f"k{number}" for number in range(100)]
    lost = servers.primary_of(client.keyslot(keys[0]))
    elsewhere = next(key for key in keys if servers.primary_of(client.keyslot(key)) is not lost)
    return lost, keys[0], elsewhere


def test_cluster_without_one_node(own_cluster: Cluster) -> None:
    """While a node is lost its keys are neither kept nor served, and those of others are; when a
    replica has taken over the cache follows it."""
    client = cached(redis.RedisCluster.from_url(own_cluster.url), check_every=0.1)
    with client, redis.RedisCluster.from_url(own_cluster.url) as other:
        wait_until(is_on(client), "on")
        lost, key, elsewhere = _primaries(own_cluster, client)
        (replica,) = own_cluster.replicas_of(lost)
        for each in (key, elsewhere):
            assert _is_cached_and_reported(client, other, each)
        plugin = cache_of(client)
        lost.kill()
        wait_until(lambda: plugin.state == "partial", "noticed")
        assert str(lost.port) in plugin.statistics().reason
        assert plugin.statistics().losses == 1
        assert not _is_kept(client, key)
        assert _is_kept(client, elsewhere)
        assert _is_cached_and_reported(client, other, elsewhere)
        own_cluster.fail_over(replica, even_without_primary=True)
        _eventually(lambda: other.set(key, "after"), "taken over")
        _eventually(lambda: client.get(key) == b"after", "followed")
        _eventually(lambda: _is_cached_and_reported(client, other, key), "cached after")
        wait_until(lambda: plugin.state == "on", "on")


async def test_async_cluster_without_one_node(own_cluster: Cluster) -> None:
    """So it is beside an asyncio client."""
    bare = redis.asyncio.RedisCluster.from_url(own_cluster.url)
    async with (
        cached(bare, check_every=0.1) as client,
        redis.asyncio.RedisCluster.from_url(own_cluster.url) as other,
    ):
        await client.ping()
        await wait_until_async(is_on(client), "on")
        lost, key, elsewhere = _primaries(own_cluster, client)
        (replica,) = own_cluster.replicas_of(lost)
        for each in (key, elsewhere):
            assert await _is_cached_and_reported_async(client, other, each)
        plugin = cache_of(client)
        lost.kill()
        await wait_until_async(lambda: plugin.state == "partial", "noticed")
        assert not _is_kept(client, key)
        assert await _is_cached_and_reported_async(client, other, elsewhere)
        await asyncio.to_thread(own_cluster.fail_over, replica, even_without_primary=True)
        await _eventually_async(lambda: other.set(key, "after"), "taken over")
        await _eventually_async(
            lambda: _is_cached_and_reported_async(client, other, key), "cached after"
        )


def test_frozen_node(own_cluster: Cluster) -> None:
    """A node that does not answer any more is lost like one that is gone, and comes back."""
    client = cached(redis.RedisCluster.from_url(own_cluster.url), check_every=0.1)
    with client:
        wait_until(is_on(client), "on")
        lost, key, elsewhere = _primaries(own_cluster, client)
        wait_until(lambda: client.get(key) is None and _is_kept(client, key))
        lost.pause()
        try:
            wait_until(lambda: cache_of(client).state == "partial", "noticed")
            assert not _is_kept(client, key)
            wait_until(lambda: client.get(elsewhere) is None and _is_kept(client, elsewhere))
        finally:
            lost.resume()
        _eventually(lambda: client.get(key) is None and _is_kept(client, key), "back")


def test_sentinel(own_sentinel: SentinelDeployment) -> None:
    """When Sentinel promotes a replica, the connection follows the new primary."""
    watcher = Sentinel(own_sentinel.addresses)
    service = own_sentinel.service_name
    with cached(watcher.master_for(service), check_every=0.1) as client:
        other = watcher.master_for(service)
        _eventually(lambda: _is_cached_and_reported(client, other), "cached before")
        own_sentinel.primary.kill()
        wait_until(lambda: cache_of(client).state == "lost", "noticed")
        assert len(cache_of(client).store) == 0
        _eventually(lambda: other.set("k", "after"), "taken over")
        _eventually(lambda: _is_cached_and_reported(client, other), "cached after")


async def test_async_sentinel(own_sentinel: SentinelDeployment) -> None:
    """So it is beside an asyncio client."""
    watcher = AsyncSentinel(own_sentinel.addresses)
    service = own_sentinel.service_name
    async with (
        cached(watcher.master_for(service), check_every=0.1) as client,
        watcher.master_for(service) as other,
    ):
        await client.ping()
        await wait_until_async(is_on(client), "on")
        assert await _is_cached_and_reported_async(client, other)
        own_sentinel.primary.kill()
        await wait_until_async(lambda: cache_of(client).state == "lost", "noticed")
        await _eventually_async(lambda: other.set("k", "after"), "taken over")
        await _eventually_async(
            lambda: _is_cached_and_reported_async(client, other), "cached after"
        )
