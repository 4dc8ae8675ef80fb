"""A cluster: formed, whole, and able to come together again."""

from __future__ import annotations

import pytest
import redis

from redis_middleware.embedded import Cluster, ServerStartError, cluster

pytestmark = pytest.mark.server


def test_every_node_finds_the_cluster_whole(cluster_servers: Cluster) -> None:
    """Three primaries and three replicas: each node is ok and knows a server for every slot."""
    assert len(cluster_servers.primaries) == len(cluster_servers.replicas) == 3
    for node in cluster_servers.nodes:
        information = node.command("CLUSTER INFO")
        assert information["cluster_state"] == "ok"
        assert information["cluster_slots_ok"] == "16384"
        assert information["cluster_known_nodes"] == "6"


def test_roles_are_as_named(cluster_servers: Cluster) -> None:
    """Primaries are primaries, and each has a replica that is in step."""
    for primary in cluster_servers.primaries:
        role, _, replicas = primary.command("ROLE")
        assert (role, len(replicas)) == ("master", 1)
    for replica in cluster_servers.replicas:
        role, _, _, state, _ = replica.command("ROLE")
        assert (role, state) == ("slave", "connected")


def test_redis_py_reaches_every_slot(clean_cluster: Cluster) -> None:
    """A cluster client writes and reads on all primaries; a flush removes everything."""
    with redis.RedisCluster.from_url(clean_cluster.url) as client:
        assert {(node.host, node.port) for node in client.get_nodes()} == set(
            clean_cluster.addresses
        )
        for number in range(100):
            client.set(f"key:{number}", number)
        assert client.get("key:99") == b"99"
        assert all(node.command("DBSIZE") > 0 for node in clean_cluster.nodes)
        clean_cluster.flush()
        assert all(node.command("DBSIZE") == 0 for node in clean_cluster.nodes)


def test_small_cluster_loses_its_replica_and_becomes_whole_again() -> None:
    """Directives hold; what is missing is said while a node is down; a restart brings it back."""
    config = {"cluster-node-timeout": "1234"}
    with cluster(primaries=1, replicas=1, config=config) as servers:
        (replica,) = servers.replicas
        for node in servers.nodes:
            assert node.command("CONFIG GET", "cluster-node-timeout") == config
        replica.kill()
        with pytest.raises(ServerStartError, match=rf"(?s)Connection refused.*{replica.port}"):
            servers.wait_until_ok(timeout=0.1)
        replica.restart()
        servers.wait_until_ok()
        assert replica.command("ROLE")[0] == "slave"


def test_single_primary_is_a_cluster_too() -> None:
    """A cluster of one node, which nobody tells its address, serves every slot."""
    with (
        cluster(primaries=1, replicas=0) as servers,
        redis.RedisCluster.from_url(servers.url) as client,
    ):
        client.set("key", "value")
        assert [(node.host, node.port) for node in client.get_nodes()] == servers.addresses


def test_ports_can_be_chosen() -> None:
    """The servers take the given port and those that follow it."""
    with cluster(primaries=2, replicas=0) as servers:
        ports = [node.port for node in servers.nodes]
    first = max(ports) + 1
    with cluster(primaries=2, replicas=0, port=first) as servers:
        assert [node.port for node in servers.nodes] == [first, first + 1]
