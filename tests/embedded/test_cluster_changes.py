"""A cluster that changes: slots move, nodes come and go, replicas take over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, ServerStartError, cluster

pytestmark = pytest.mark.server

_SLOT = key_slot(b"{tag}")


@pytest.fixture(scope="module")
def changing_cluster() -> Iterator[Cluster]:
    """Run a cluster of its own: these tests leave it whole, not as it was."""
    with cluster(primaries=3, replicas=1) as servers:
        yield servers


@pytest.fixture
def servers(changing_cluster: Cluster) -> Cluster:
    """Return the cluster, without keys."""
    changing_cluster.flush()
    return changing_cluster


def _write_keys(servers: Cluster) -> None:
    with redis.RedisCluster.from_url(servers.url) as client:
        for number in range(20):
            client.set(f"{{tag}}:{number}", number)
        client.set(b"{tag}:\xff", "not text")


def _other_primary(servers: Cluster, primary: Server) -> Server:
    return next(
        node
        for node in servers.nodes
        if node is not primary and node.command("ROLE")[0] == "master"
    )


def test_slot_migrates_in_steps(servers: Cluster) -> None:
    """While keys are on their way the source asks for the target; afterwards it has moved."""
    _write_keys(servers)
    source = servers.primary_of(_SLOT)
    target = _other_primary(servers, source)
    migration = servers.migration(_SLOT, target)
    migration.start()
    assert migration.move_keys(5) == 5
    assert source.command("CLUSTER COUNTKEYSINSLOT", _SLOT) == 16
    with pytest.raises(redis.exceptions.AskError, match=str(target.port)):
        source.command("GET", "{tag}:none")
    assert servers.primary_of(_SLOT) is source
    migration.finish()
    assert servers.primary_of(_SLOT) is target
    assert target.command("CLUSTER COUNTKEYSINSLOT", _SLOT) == 21
    with pytest.raises(redis.exceptions.MovedError, match=str(target.port)):
        source.command("GET", "{tag}:1")
    servers.wait_until_ok()


def test_slots_migrate_at_once(servers: Cluster) -> None:
    """Several slots move with their keys, and where they already are nothing is done."""
    _write_keys(servers)
    source = servers.primary_of(_SLOT)
    target = _other_primary(servers, source)
    for there in (target, source, source):
        servers.migrate([_SLOT, key_slot(b"empty")], there)
        assert there.command("CLUSTER COUNTKEYSINSLOT", _SLOT) == 21
    servers.wait_until_ok()


def test_replica_takes_over_by_command(servers: Cluster) -> None:
    """The two change places, and everybody agrees on it."""
    primary = servers.primary_of(_SLOT)
    (replica,) = servers.replicas_of(primary)
    servers.fail_over(replica)
    servers.wait_until_ok()
    assert servers.primary_of(_SLOT) is replica
    assert servers.replicas_of(replica) == [primary]


def test_node_joins_serves_and_leaves(servers: Cluster) -> None:
    """A new node is known to all, serves the slots it is given, and is forgotten after it left."""
    _write_keys(servers)
    source = servers.primary_of(_SLOT)
    new = servers.add_node()
    assert new in servers.nodes
    servers.migrate([_SLOT], new)
    servers.wait_until_ok()
    with pytest.raises(ValueError, match=f"{new.port} serves 1 slots.*migrate"):
        servers.remove_node(new)
    servers.migrate([_SLOT], source)
    servers.remove_node(new)
    assert new not in servers.nodes
    assert not new.running
    servers.wait_until_ok()
    assert all(node.command("CLUSTER INFO")["cluster_known_nodes"] == "6" for node in servers.nodes)


def test_replica_joins_and_leaves(servers: Cluster) -> None:
    """A new replica follows the primary that was named, in step with it."""
    primary = servers.primary_of(_SLOT)
    new = servers.add_node(replica_of=primary)
    assert new in servers.replicas_of(primary)
    assert servers.replicas_of(new) == []
    with pytest.raises(ValueError, match=f"{primary.port} .* has 2 replicas.*take over"):
        servers.remove_node(primary)
    servers.remove_node(new)
    servers.wait_until_ok()
    assert new not in servers.replicas_of(primary)


def test_killed_primary_is_replaced(servers: Cluster) -> None:
    """Without the killed node the cluster is not whole; it comes back as a replica."""
    primary = servers.primary_of(_SLOT)
    (replica,) = servers.replicas_of(primary)
    primary.kill()
    servers.fail_over(replica, even_without_primary=True)
    assert servers.primary_of(_SLOT) is replica
    with pytest.raises(ServerStartError, match=str(primary.port)):
        servers.wait_until_ok(timeout=0.1)
    primary.restart()
    servers.wait_until_ok()
    assert servers.replicas_of(replica) == [primary]
