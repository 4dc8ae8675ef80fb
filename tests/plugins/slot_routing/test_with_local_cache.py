"""Both plugins on one client: what is cached of every node's keys is kept right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.integration.awaiting import settle

from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Cluster

KEYS = [f"config:{number}" for number in range(30)]
RULES: dict[str, Any] = {"rules": [{"keys": "config:*", "ttl": 600}]}
BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@asynccontextmanager
async def cached(
    servers: Cluster, *, is_async: bool, cache: dict[str, Any], **routing: Any
) -> AsyncIterator[Any]:
    """A plain client with both plugins."""
    module: Any = redis.asyncio if is_async else redis
    client = wrap(
        module.Redis(port=servers.nodes[0].port, decode_responses=True),
        {
            "plugins": ["local_cache", "slot_routing"],
            "local_cache": cache,
            "slot_routing": routing,
        },
    )
    try:
        yield client
    finally:
        await settle(client.aclose() if is_async else client.close())


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


@BOTH
async def test_writes_on_every_node_are_heard(clean_cluster: Cluster, *, is_async: bool) -> None:
    """Keys of all nodes are answered from memory, and another client's writes end that."""
    other = redis.RedisCluster.from_url(clean_cluster.url)
    async with cached(clean_cluster, is_async=is_async, cache=RULES) as client:
        cache = middleware_of(client).plugins["local_cache"]
        for key in KEYS:
            other.set(key, 0)

        async def values() -> set[str]:
            return {await settle(client.get(key)) for key in KEYS}

        async def are_all_cached() -> bool:
            before = cache.statistics().hits
            assert await values() == {str(number)}
            return bool(cache.statistics().hits - before == len(KEYS))

        async def is_seen() -> bool:
            return await values() == {str(number)}

        number = 0
        await until(are_all_cached, "nothing is cached")
        for number in range(1, 4):
            for key in KEYS:
                other.set(key, number)
            await until(is_seen, f"write {number} is not seen")
            await until(are_all_cached, "nothing is cached any more")
        assert cache.state == "on"
    other.close()


@BOTH
async def test_a_slot_that_moved(clean_cluster: Cluster, *, is_async: bool) -> None:
    """Writes to a key on its new node are heard there."""
    key = KEYS[0]
    other = redis.RedisCluster.from_url(clean_cluster.url)
    slot = other.keyslot(key)
    source = clean_cluster.primary_of(slot)
    target = next(node for node in clean_cluster.primaries if node is not source)
    async with cached(
        clean_cluster, is_async=is_async, cache={**RULES, "check_every": "50 ms"}
    ) as client:
        cache = middleware_of(client).plugins["local_cache"]

        async def is_cached() -> bool:
            before = cache.statistics().hits
            await settle(client.get(key))
            return bool(cache.statistics().hits > before)

        async def is_new() -> bool:
            return bool(await settle(client.get(key)) == "new")

        other.set(key, "old")
        await until(is_cached, "nothing is cached")
        try:
            clean_cluster.migrate([slot], to=target)
            await until(is_cached, "nothing is cached after the move")
            other.set(key, "new")
            await until(is_new, "the write on the new node is not seen")
        finally:
            clean_cluster.migrate([slot], to=source)
    other.close()


@BOTH
async def test_what_cannot_be_heard_is_not_cached(
    clean_cluster: Cluster, *, is_async: bool
) -> None:
    """Tracking by the server, and keys of other deployments: the cache says that it is off."""
    url = clean_cluster.url
    elsewhere = {
        "routes": [{"keys": "sessions:*", "to": "sessions"}],
        "deployments": {"sessions": {"url": url}},
    }
    for cache, routing, reason in (
        ({**RULES, "invalidation": "tracking"}, {}, "tracking"),
        (RULES, elsewhere, "deployments"),
    ):
        async with cached(clean_cluster, is_async=is_async, cache=cache, **routing) as client:
            plugin = middleware_of(client).plugins["local_cache"]

            async def is_refused(client: Any = client, plugin: Any = plugin) -> bool:
                await settle(client.get(KEYS[0]))
                return bool(plugin.state == "refused")

            await until(is_refused, "it is not refused")
            assert reason in plugin.statistics().reason
            assert plugin.statistics().hits == 0
