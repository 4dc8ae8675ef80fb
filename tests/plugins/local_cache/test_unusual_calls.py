"""Calls that are rare: odd arguments, options and callbacks give what redis-py alone gives."""

from __future__ import annotations

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

from redis_middleware.embedded import Server


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(
            bytearray(b"k"),
            marks=pytest.mark.skipif(
                redis.__version__ < "8", reason="redis-py 7 with hiredis refuses a bytearray"
            ),
        ),
        memoryview(b"k"),
    ],
    ids=["bytearray", "memoryview"],
)
async def test_buffers_as_keys(clean_standalone: Server, key: Any) -> None:
    """A bytearray or a memoryview names the same key as bytes do, in reads and in writes."""
    async with cached(redis.asyncio.Redis(port=clean_standalone.port)) as client:
        await client.ping()
        await wait_until_async(is_on(client), "on")
        assert await client.set(key, "1")
        assert [await client.get(name) for name in (key, b"k", key)] == [b"1"] * 3
        assert await client.append(key, "2") == 2
        assert [await client.get(b"k"), await client.get(key)] == [b"12"] * 2
        assert await client.mget([key, b"k"]) == [b"12"] * 2
        assert await client.getrange(b"k", memoryview(b"0"), memoryview(b"-1")) == b"12"


def test_options_that_cannot_be_compared(clean_standalone: Server) -> None:
    """An option that cannot be hashed, as redis-py's own NEVER_DECODE, is no hindrance."""
    with cached(
        redis.Redis(port=clean_standalone.port, decode_responses=True), invalidation="ttl"
    ) as client:
        client.set("k", "v")
        for _ in range(2):
            assert client.execute_command("GET", "k", NEVER_DECODE=[]) == b"v"
            assert client.get("k") == "v"


@pytest.mark.parametrize("of", ["GET", "MGET"])
def test_response_callback_of_get_or_mget(clean_standalone: Server, of: str) -> None:
    """What the application makes of one's replies is not given by the other."""
    with cached(redis.Redis(port=clean_standalone.port), invalidation="ttl") as client:
        client.mset({"a": "1", "b": "2"})
        client.set_response_callback(of, lambda reply: {"made": reply})
        bare = {"GET": b"1", "MGET": [b"1", b"2"]}
        expected = {**bare, of: {"made": bare[of]}}
        for _ in range(3):
            assert client.get("a") == expected["GET"]
            assert client.mget("a", "b") == expected["MGET"]


async def test_response_callback_of_async_cluster(clean_cluster: Any) -> None:
    """So it is for cluster clients."""
    port = clean_cluster.primaries[0].port
    async with cached(
        redis.asyncio.RedisCluster(host="127.0.0.1", port=port), invalidation="ttl"
    ) as client:
        client.set_response_callback("GET", lambda reply: [reply])
        await client.set("{k}1", "v")
        for _ in range(2):
            assert await client.get("{k}1") == [b"v"]
            assert await client.mget("{k}1") == [b"v"]


def test_mget_of_one_key_twice(clean_standalone: Server) -> None:
    """A key that an MGET names twice is kept like any other."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client), "on")
        client.set("k", "v")
        wait_until(lambda: client.mget("k", "k") == [b"v", b"v"] and len(cache_of(client).store))
