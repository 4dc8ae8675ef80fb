"""A sentinel deployment: what the sentinel knows, and that it fails over."""

from __future__ import annotations

import time

import pytest
import redis
from redis.sentinel import Sentinel

from redis_middleware.embedded import SentinelDeployment, sentinel

pytestmark = pytest.mark.server


def test_sentinel_knows_primary_and_replica(sentinel_servers: SentinelDeployment) -> None:
    """Redis-py finds both through the sentinel."""
    finder = Sentinel(sentinel_servers.addresses)
    primary = sentinel_servers.primary
    (replica,) = sentinel_servers.replicas
    name = sentinel_servers.service_name
    assert finder.discover_master(name) == (primary.host, primary.port)
    assert finder.discover_slaves(name) == [(replica.host, replica.port)]


def test_replica_follows_and_flush_reaches_it(clean_sentinel: SentinelDeployment) -> None:
    """What the primary gets the replica has, until a flush."""
    finder = Sentinel(clean_sentinel.addresses)
    name = clean_sentinel.service_name
    with finder.master_for(name) as primary, finder.slave_for(name) as replica:
        primary.set("key", "value")
        primary.wait(1, 5000)
        assert replica.get("key") == b"value"
        clean_sentinel.flush()
        assert replica.get("key") is None


def test_sentinel_fails_over() -> None:
    """When the primary is killed, the sentinel makes the replica the primary."""
    with sentinel(service_name="orders", down_after=0.2) as servers:
        (replica,) = servers.replicas
        finder = Sentinel(servers.addresses)
        servers.primary.kill()
        deadline = time.monotonic() + 30
        while _primary(finder) != (replica.host, replica.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert replica.command("ROLE")[0] == "master"


def _primary(finder: Sentinel) -> tuple[str, int] | None:
    try:
        host, port = finder.discover_master("orders")
    except redis.sentinel.MasterNotFoundError:
        return None
    return host, port
