"""The cache when another server takes over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import cache_of, cached, is_on, wait_until

from redis_middleware.embedded import cluster, sentinel

_FAILED_OVER_WITHIN = 40.0


def _eventually(holds: Callable[[], object], what: str) -> None:
    """Wait for as long as a failover may take; errors on the way are part of it."""
    deadline = time.monotonic() + _FAILED_OVER_WITHIN
    while True:
        with contextlib.suppress(redis.RedisError):
            if holds():
                return
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _is_cached_and_reported(client: Any, other: Any) -> bool:
    """Write elsewhere, and see that it is read, kept, and reported when it changes."""
    plugin = cache_of(client)
    if not is_on(client)():
        return False
    for value in (b"one", b"two"):
        other.set("k", value)
        wait_until(lambda value=value: client.get("k") == value)  # type: ignore[misc]
    wait_until(lambda: client.get("k") == b"two" and ("GET", "k") in plugin.store.entries)
    return True


def test_cluster() -> None:
    """When a replica takes over, everything was dropped, and the cache goes on with it."""
    with cluster(primaries=3, replicas=1) as servers:
        client = cached(redis.RedisCluster.from_url(servers.url), check_every=0.2)
        with client, redis.RedisCluster.from_url(servers.url) as other:
            _eventually(lambda: _is_cached_and_reported(client, other), "cached before")
            lost = client.nodes_manager.get_node_from_slot(client.keyslot("k"))
            next(node for node in servers.nodes if node.port == lost.port).kill()
            wait_until(lambda: cache_of(client).state == "lost", "noticed")
            assert len(cache_of(client).store) == 0
            _eventually(lambda: other.set("k", "after"), "taken over")
            _eventually(lambda: client.get("k") == b"after", "followed")
            _eventually(lambda: _is_cached_and_reported(client, other), "cached after")


def test_sentinel() -> None:
    """When Sentinel promotes a replica, the connection follows the new primary."""
    with sentinel(replicas=1) as servers:
        watcher = Sentinel(servers.addresses)
        bare = watcher.master_for(servers.service_name)
        with cached(bare, check_every=0.2) as client:
            other = watcher.master_for(servers.service_name)
            _eventually(lambda: _is_cached_and_reported(client, other), "cached before")
            servers.primary.kill()
            wait_until(lambda: cache_of(client).state == "lost", "noticed")
            _eventually(lambda: other.set("k", "after"), "taken over")
            _eventually(lambda: _is_cached_and_reported(client, other), "cached after")
