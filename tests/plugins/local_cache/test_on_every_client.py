"""The cache on each kind of client, with a real server: hits, own writes, writes of others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    check,
    check_async,
    is_on,
    wait_until_async,
)

from redis_middleware import Command, Flow, Place, Sleep, hookimpl
from redis_middleware.embedded import Certificates, Cluster, SentinelDeployment, Server
from redis_middleware_plugins.local_cache import LocalCache

MODES = ("broadcast", "tracking")


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_plain_client(clean_standalone: Server, mode: str, protocol: int) -> None:
    """A plain client hits, sees its own writes at once and those of others soon."""
    client = cached(redis.Redis(port=clean_standalone.port, protocol=protocol), invalidation=mode)
    with client, redis.Redis(port=clean_standalone.port) as other:
        check(client, other)


@pytest.mark.parametrize("mode", MODES)
def test_cluster(clean_cluster: Cluster, mode: str) -> None:
    """So does a cluster client, with a connection to each primary."""
    client = cached(redis.RedisCluster.from_url(clean_cluster.url), invalidation=mode)
    with client, redis.RedisCluster.from_url(clean_cluster.url) as other:
        check(client, other)


@pytest.mark.parametrize("mode", MODES)
def test_sentinel(clean_sentinel: SentinelDeployment, mode: str) -> None:
    """So does a client that Sentinel leads to its primary."""
    sentinel = Sentinel(clean_sentinel.addresses)
    client = cached(sentinel.master_for(clean_sentinel.service_name), invalidation=mode)
    with client, sentinel.master_for(clean_sentinel.service_name) as other:
        check(client, other)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", MODES)
async def test_plain_async_client(clean_standalone: Server, mode: str, protocol: int) -> None:
    """So does an asyncio client."""
    bare = redis.asyncio.Redis(port=clean_standalone.port, protocol=protocol)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
    ):
        await check_async(client, other)


@pytest.mark.parametrize("mode", MODES)
async def test_async_cluster(clean_cluster: Cluster, mode: str) -> None:
    """So does an asyncio cluster client."""
    bare = redis.asyncio.RedisCluster.from_url(clean_cluster.url)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.RedisCluster.from_url(clean_cluster.url) as other,
    ):
        await check_async(client, other)


@pytest.mark.parametrize("mode", MODES)
async def test_async_sentinel(clean_sentinel: SentinelDeployment, mode: str) -> None:
    """So does an asyncio client that Sentinel leads to its primary."""
    sentinel = AsyncSentinel(clean_sentinel.addresses)
    async with (
        cached(sentinel.master_for(clean_sentinel.service_name), invalidation=mode) as client,
        sentinel.master_for(clean_sentinel.service_name) as other,
    ):
        await check_async(client, other)


@pytest.mark.parametrize("mode", MODES)
def test_tls(clean_standalone: Server, mode: str, certificates: Certificates) -> None:
    """By TLS the connection for invalidations is made as the client's other ones are."""
    bare = redis.Redis.from_url(
        clean_standalone.tls_url, ssl_ca_certs=str(certificates.ca_certificate)
    )
    with (
        cached(bare, invalidation=mode) as client,
        redis.Redis(port=clean_standalone.port) as other,
    ):
        check(client, other)


@pytest.mark.parametrize("mode", MODES)
async def test_async_tls(clean_standalone: Server, mode: str, certificates: Certificates) -> None:
    """So it is beside an asyncio client."""
    bare = redis.asyncio.Redis.from_url(
        clean_standalone.tls_url, ssl_ca_certs=str(certificates.ca_certificate)
    )
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
    ):
        await check_async(client, other)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_other_encodings(clean_standalone: Server, encoding: str) -> None:
    """Keys of text are what goes over the wire of them, whatever that is."""
    key = "key" if encoding == "ascii" else "ék"
    wire = key.encode(encoding)
    bare = redis.asyncio.Redis(port=clean_standalone.port, encoding=encoding)
    async with (
        cached(bare) as client,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
    ):
        await client.ping()
        await wait_until_async(is_on(client), "on")
        await other.set(wire, b"first")
        while await client.get(key) != b"first" or not len(cache_of(client).store):
            await asyncio.sleep(0.001)
        await other.set(wire, b"second")
        while await client.get(key) != b"second":
            await asyncio.sleep(0.001)


def test_unix_socket(clean_standalone: Server) -> None:
    """By a unix socket too."""
    bare = redis.Redis.from_url(clean_standalone.unix_url)
    with cached(bare) as client, redis.Redis(port=clean_standalone.port) as other:
        check(client, other)


class _SlowReads:
    """Reads by themselves are held up on their way to the server."""

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Wait before it goes out."""
        if command.place is Place.SINGLE and command.spec.is_read:
            yield Sleep(0.3)
        return (yield command)


@pytest.mark.parametrize("is_cluster", [False, True])
async def test_reads_of_a_pipeline_keep_their_place(
    clean_standalone: Server, clean_cluster: Cluster, is_cluster: bool
) -> None:
    """A read in a pipeline is not answered by another caller's, which the server may carry out
    after what the pipeline writes behind it: it would be lost what GET and DEL were to fetch."""
    bare: Any = (
        redis.asyncio.RedisCluster.from_url(clean_cluster.url)
        if is_cluster
        else redis.asyncio.Redis(port=clean_standalone.port)
    )
    async with cached(bare, invalidation="ttl", plugins=[LocalCache, _SlowReads]) as client:
        for round_trip in range(3):
            key = f"{{k}}{round_trip}"
            await client.set(key, "value")
            other = asyncio.create_task(client.get(key))
            await asyncio.sleep(0.05)
            pipe = client.pipeline(transaction=False)
            pipe.get(key).delete(key)
            assert await pipe.execute() == [b"value", 1]
            assert await other is None
            assert await client.get(key) is None
