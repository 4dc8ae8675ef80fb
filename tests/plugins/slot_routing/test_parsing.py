"""What CLUSTER SLOTS and CLUSTER SHARDS tell, as every server and protocol writes it."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from redis_middleware.embedded import Cluster
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.parsing import (
    details_of_shards,
    parse_address,
    topology_of_shards,
    topology_of_slots,
)
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings
from redis_middleware_plugins.slot_routing.topology import Topology

ASKED = ServerAddress("asked.test", 7000)


def _same(address: ServerAddress) -> ServerAddress:
    return address


def _facts(topology: Topology) -> Any:
    return sorted(
        (
            shard.primary and (str(shard.primary.address), shard.primary.id),
            sorted((str(node.address), node.id) for node in shard.replicas),
            shard.ranges,
        )
        for shard in topology.shards
    )


@pytest.mark.parametrize(
    "options",
    [{"protocol": 2}, {"protocol": 3}, {"protocol": 3, "decode_responses": True}],
    ids=str,
)
def test_a_real_cluster_is_told_alike_by_both_commands(
    cluster_servers: Cluster, options: dict[str, Any]
) -> None:
    """Both commands, with RESP2 and RESP3, bytes and text, give the nodes that there are."""
    server = cluster_servers.primaries[0]
    with redis.Redis(port=server.port, **options) as client:
        slots = topology_of_slots(client.execute_command("CLUSTER", "SLOTS"), ASKED, _same)
        reply = client.execute_command("CLUSTER", "SHARDS")
    shards = topology_of_shards(reply, ASKED, _same)
    assert _facts(slots) == _facts(shards)
    assert slots.by_slot.count(None) == 0
    assert {tuple(node.address) for node in slots.nodes} == set(cluster_servers.addresses)
    assert {node.health for node in details_of_shards(reply, ASKED).values()} == {"online"}


@pytest.mark.parametrize(
    ("host", "metadata", "expected"),
    [
        (b"10.0.0.1", [], "10.0.0.1"),
        ("node.test", {}, "node.test"),
        (b"fd00::5", [], "fd00::5"),
        (None, [b"ip", b"10.0.0.1"], "asked.test"),
        (b"", [], "asked.test"),
        (b"?", [b"ip", b"10.0.0.1"], "10.0.0.1"),
        ("?", {"ip": "10.0.0.1"}, "10.0.0.1"),
        (b"?", [], "asked.test"),
    ],
)
def test_a_host_is_what_the_server_means(host: Any, metadata: Any, expected: str) -> None:
    """Nil and empty hosts are the one that was asked; for ? the metadata may tell the address."""
    reply = [[0, 16383, [host, 7001, b"id", metadata]]]
    primary = next(topology_of_slots(reply, ASKED, _same).primaries)
    assert primary.address == ServerAddress(expected, 7001)


def test_slots_of_old_servers_have_no_ids() -> None:
    """Servers before Redis 4 give host and port only."""
    topology = topology_of_slots([[0, 1, [b"h", 1]], [3, 4, [b"h", 1]]], ASKED, _same)
    assert [shard.ranges for shard in topology.shards] == [((0, 1), (3, 4))]
    assert topology.by_slot[2] is None


def test_details_are_added_by_id() -> None:
    """Health, replication offset and zone of CLUSTER SHARDS go to the nodes of CLUSTER SLOTS."""
    shards = [
        {
            "slots": [0, 16383],
            "nodes": [
                {"id": "a", "port": 1, "ip": "h", "endpoint": "h", "role": "master",
                 "replication-offset": 20, "health": "online", "availability-zone": "z1"},
                {"id": "b", "port": 2, "ip": "h", "endpoint": "h", "role": "replica",
                 "replication-offset": 10, "health": "loading"},
            ],
        }
    ]  # fmt: skip
    details = details_of_shards(shards, ASKED)
    slots = [[0, 16383, [b"h", 1, b"a", []], [b"h", 2, b"b", []], [b"h", 3, b"new", []]]]
    topology = topology_of_slots(slots, ASKED, _same, details)
    assert [
        (node.id, node.is_primary, node.health, node.zone)
        for node in topology.nodes
    ] == [("a", True, "online", "z1"), ("b", False, "loading", None),
          ("new", False, "online", None)]  # fmt: skip


def test_of_two_primaries_of_a_shard_the_one_that_is_up_counts() -> None:
    """Right after a failover CLUSTER SHARDS lists the old primary as one too, as failed."""
    shards = [
        {
            "slots": [0, 16383],
            "nodes": [
                {"id": "a", "port": 1, "endpoint": "h", "role": "master", "health": "fail"},
                {"id": "b", "port": 2, "endpoint": "h", "role": "master", "health": "online"},
            ],
        }
    ]
    topology = topology_of_shards(shards, ASKED, _same)
    assert [node.id for node in topology.primaries] == ["b"]


def test_tls_ports_are_taken_for_tls() -> None:
    """CLUSTER SHARDS tells both ports; the one the client's connections are for is taken."""
    node = {"id": "a", "port": 1, "tls-port": 2, "endpoint": "h", "role": "master"}
    shards = [{"slots": [0, 1], "nodes": [node]}]
    for tls, port in ((False, 1), (True, 2)):
        topology = topology_of_shards(shards, ASKED, _same, tls=tls)
        assert next(topology.primaries).address.port == port


@pytest.mark.parametrize("reply", [b"OK", 3, None, [[0]], [[0, 1, []]], [["a", 1, [b"h", 1]]]])
def test_what_is_no_reply_is_an_error_that_names_the_server(reply: Any) -> None:
    """A server that answers with something else does not break anything but its own turn."""
    with pytest.raises(ValueError, match=r"asked\.test:7000"):
        topology_of_slots(reply, ASKED, _same)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h:1", ("h", 1)),
        ("[fd00::5]:6379", ("fd00::5", 6379)),
        ("fd00::5:6379", ("fd00::5", 6379)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """Names, IPv4 and IPv6 addresses, with a port."""
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "h", ":1", "h:", "h:0", "h:65536", "h:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The message says how to write one."""
    with pytest.raises(ValueError, match="write host:port"):
        parse_address(text)


def test_addresses_are_translated() -> None:
    """A pair translates a whole address, or a host with any port; all else stays."""
    remap = SlotRoutingSettings(
        remap={
            "10.0.0.1:6379": "nat.test:7001",
            "10.0.0.1": "host.test",
            "[fd00::5]:6379": "[fd00::9]:1",
        }
    ).remapped
    assert remap(ServerAddress("10.0.0.1", 6379)) == ("nat.test", 7001)
    assert remap(ServerAddress("10.0.0.1", 1)) == ("host.test", 1)
    assert remap(ServerAddress("fd00::5", 6379)) == ("fd00::9", 1)
    assert remap(ServerAddress("other", 1)) == ("other", 1)


@pytest.mark.parametrize(
    "table",
    [
        {"seeds": ["nowhere"]},
        {"remap": {"a:1": "b"}},
        {"remap": {"a": "b:1"}},
        {"deadline": 0},
        {"max_redirections": 0},
        {"split": "some"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(table: dict[str, Any]) -> None:
    """A seed without a port, a translation of unlike things, limits of nothing."""
    with pytest.raises(ValueError, match=next(iter(table))):
        SlotRoutingSettings.model_validate(table)
