"""From which node of a shard commands read."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.plugins.slot_routing.shards import FAR, NEAR, PRIMARY, SHARD, Chooser, node

from redis_middleware.command import Place
from redis_middleware.commands import spec_of
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import command
from redis_middleware_plugins.slot_routing.reading import may_read_replica
from redis_middleware_plugins.slot_routing.reading_settings import ReadingSettings
from redis_middleware_plugins.slot_routing.topology import Node, Shard

GET = command("GET", "k")


def _chosen(chooser: Chooser, *args: Any, shard: Shard = SHARD, **facts: Any) -> str:
    found = chooser.reading.choose(command(*args, **facts), shard)
    assert found is not None
    return found.address.host


def _chosen_often(chooser: Chooser, times: int = 300) -> Counter[str]:
    return Counter(_chosen(chooser, "GET", "k") for _ in range(times))


def test_primaries_are_read_unless_told_otherwise() -> None:
    """The default asks nothing and remembers nothing."""
    chooser = Chooser()
    assert not chooser.reading.leaves_primaries
    assert _chosen(chooser, "GET", "k") == "primary"


@pytest.mark.parametrize(
    ("policy", "nodes"),
    [
        ("primary", {"primary"}),
        ("prefer_replica", {"near", "far"}),
        ("any", {"primary", "near", "far"}),
    ],
)
def test_policies_choose_among_their_nodes_alike(policy: str, nodes: set[str]) -> None:
    """Each of a policy's nodes gets its share of the reads."""
    found = _chosen_often(Chooser(policy=policy, random=Random(5).random), 600)
    assert set(found) == nodes
    assert min(found.values()) > 0.7 * 600 / len(nodes)


def test_the_zone_decides() -> None:
    """A replica of the zone; else the primary, if it is in it; else any replica."""
    shard = Shard(
        node("primary", is_primary=True, zone="a"), (node("near", zone="b"), node("far", zone="c"))
    )
    for zone, host in (("b", "near"), ("c", "far"), ("a", "primary")):
        chooser = Chooser(policy="same_zone", zone=zone)
        assert _chosen(chooser, "GET", "k", shard=shard) == host
    nowhere = Chooser(policy="same_zone", zone="d", random=Random(5).random)
    found = {_chosen(nowhere, "GET", "k", shard=shard) for _ in range(50)}
    assert found == {"near", "far"}


def test_zones_can_be_configured_by_address() -> None:
    """By patterns of host, or of host and port; what the server tells counts where none matches."""
    shard = Shard(PRIMARY, (node("10.0.1.5", zone="x"), node("10.0.2.5"), node("10.0.3.5")))
    zones = {"10.0.1.*": "a", "10.0.2.5:6379": "b"}
    assert _chosen(Chooser(policy="same_zone", zone="a", zones=zones), "GET", "k", shard=shard) == (
        "10.0.1.5"
    )
    chooser = Chooser(policy="same_zone", zone="b", zones=zones)
    assert _chosen(chooser, "GET", "k", shard=shard) == "10.0.2.5"
    assert chooser.reading.zone_of(node("10.0.9.9", zone="told")) == "told"


def test_the_first_rule_that_matches_a_key_counts() -> None:
    """Keys of no rule have the general policy."""
    chooser = Chooser(
        policy="primary",
        rules=[
            {"keys": "config:live", "policy": "primary"},
            {"keys": "config:*", "policy": "prefer_replica"},
        ],
    )
    assert chooser.reading.leaves_primaries
    assert _chosen(chooser, "GET", "config:a") == "near"
    assert _chosen(chooser, "GET", "config:live") == "primary"
    assert _chosen(chooser, "GET", "user:1") == "primary"


def test_keys_of_different_rules_are_read_together_at_the_primary() -> None:
    """No other node is right for both."""
    chooser = Chooser(
        policy="prefer_replica", rules=[{"keys": "{t}a*", "policy": "any"}], random=lambda: 0.5
    )
    assert _chosen(chooser, "MGET", "{t}b", "{t}c") == "far"
    assert _chosen(chooser, "MGET", "{t}a1", "{t}a2") == "near"
    assert _chosen(chooser, "MGET", "{t}a1", "{t}b") == "primary"


@pytest.mark.parametrize("place", [Place.TRANSACTION, Place.WATCH])
def test_nothing_in_a_transaction_is_read_elsewhere(place: Place) -> None:
    """Also not what is read while keys are watched."""
    assert _chosen(Chooser(policy="prefer_replica"), "GET", "k", place=place) == "primary"


@pytest.mark.parametrize(
    "args",
    [
        ("SET", "k", "v"),
        ("GETEX", "k"),
        ("EVAL", "return 1", 1, "k"),
        ("HSCAN", "k", 0),
        ("OBJECT FREQ", "k"),
        ("TOUCH", "k"),
        ("WATCH", "k"),
        ("SOMETHING.NEW", "k"),
    ],
)
def test_only_what_reads_is_read_elsewhere(args: tuple[Any, ...]) -> None:
    """Writes, scripts that may write, cursors, what is about one server, what is not known."""
    assert _chosen(Chooser(policy="prefer_replica"), *args) == "primary"


@pytest.mark.parametrize(
    "args", [("GET", "k"), ("EVAL_RO", "return 1", 1, "k"), ("HGETALL", "k"), ("MGET", "k", "k")]
)
def test_what_only_reads_is_read_elsewhere(args: tuple[Any, ...]) -> None:
    """Scripts among it that cannot write."""
    assert _chosen(Chooser(policy="prefer_replica"), *args) == "near"


def test_commands_without_keys_are_not_for_replicas() -> None:
    """DBSIZE and the like are about servers, not about keys."""
    assert not may_read_replica(spec_of("DBSIZE"))
    assert not may_read_replica(spec_of("KEYS"))


def test_a_key_just_written_is_read_from_the_primary() -> None:
    """For the configured time after the write; other keys are not affected."""
    chooser = Chooser(policy="prefer_replica", after_write="2 s")
    chooser.reading.wrote(command("SET", "k", "v"))
    assert _chosen(chooser, "GET", "k") == "primary"
    assert _chosen(chooser, "GET", "other") == "near"
    chooser.clock.advance(1.9)
    assert _chosen(chooser, "GET", "k") == "primary"
    chooser.clock.advance(0.2)
    assert _chosen(chooser, "GET", "k") == "near"


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (("MSET", "a", 1, "k", 2), ("GET", "k")),
        (("EVAL", "x", 1, "k"), ("GET", "k")),
        (("SOMETHING.NEW", "k"), ("GET", "other")),
        (("RENAME", "a", "k"), ("MGET", "other", "k")),
        (("FLUSHALL",), ("GET", "k")),
    ],
)
def test_whatever_may_write_counts_as_a_write(
    write: tuple[Any, ...], read: tuple[Any, ...]
) -> None:
    """Commands of several keys, scripts, and those that name no keys at all."""
    chooser = Chooser(policy="prefer_replica")
    chooser.reading.wrote(command(*write))
    expected = "near" if write[0] == "SOMETHING.NEW" else "primary"
    assert _chosen(chooser, *read) == expected


def test_reading_is_no_writing() -> None:
    """A key that was read may be read from a replica the next time."""
    chooser = Chooser(policy="prefer_replica")
    chooser.reading.wrote(GET)
    assert _chosen(chooser, "GET", "k") == "near"


def test_nodes_that_are_not_online_are_skipped() -> None:
    """Failed and loading ones; without any other replica, the primary."""
    shard = Shard(PRIMARY, (node("near", health="loading"), FAR))
    chooser = Chooser(policy="prefer_replica")
    assert _chosen(chooser, "GET", "k", shard=shard) == "far"
    none = Shard(PRIMARY, (node("near", health="loading"), node("far", health="failed")))
    assert _chosen(chooser, "GET", "k", shard=none) == "primary"


def test_a_replica_that_did_not_answer_is_skipped() -> None:
    """By the command itself, and by all others from then on."""
    chooser = Chooser(policy="prefer_replica")
    tried = chooser.reading.choose(GET, SHARD, tried=[NEAR.address])
    assert tried is FAR
    chooser.states.lost(NEAR.address)
    assert _chosen(chooser, "GET", "k") == "far"
    chooser.states.lost(FAR.address)
    assert _chosen(chooser, "GET", "k") == "primary"


def test_replicas_serve_while_the_primary_is_gone() -> None:
    """A shard without a primary can be read, not written."""
    shard = Shard(None, (NEAR,))
    chooser = Chooser(policy="any")
    assert _chosen(chooser, "GET", "k", shard=shard) == "near"
    assert chooser.reading.choose(command("SET", "k", "v"), shard) is None
    failed = Shard(node("primary", is_primary=True, health="failed"), (NEAR,))
    assert _chosen(chooser, "GET", "k", shard=failed) == "near"


class _Latencies:
    """Reads by ``lowest_latency``, where each node takes the time that the test says."""

    def __init__(self, **seconds: float) -> None:
        self.chooser = Chooser(policy="lowest_latency", explore_every="1 s")
        self.seconds = seconds

    def read(self, times: int, every: float) -> Counter[str]:
        found: Counter[str] = Counter()
        for _ in range(times):
            host = _chosen(self.chooser, "GET", "k")
            found[host] += 1
            self.chooser.clock.advance(every)
            now = self.chooser.clock()
            counts = self.chooser.counters.node(ServerAddress(host, 6379))
            counts.latency.add(self.seconds[host], now)
        return found


def test_the_fastest_node_gets_nearly_all_reads() -> None:
    """The others get one a second each, to learn whether they have become faster."""
    found = _Latencies(primary=0.003, near=0.001, far=0.050).read(10_000, every=0.001)
    assert found["near"] > 9950
    assert 5 <= found["far"] <= 25
    assert 5 <= found["primary"] <= 25


def test_a_node_that_becomes_fast_is_found_and_used() -> None:
    """One that was slow for long takes over within some seconds of being the fastest."""
    reads = _Latencies(primary=0.003, near=0.001, far=0.1)
    reads.read(5000, every=0.001)
    reads.seconds["far"] = 0.0001
    reads.read(20_000, every=0.001)
    assert reads.read(1000, every=0.001)["far"] > 990


def test_a_node_that_becomes_slow_is_left() -> None:
    """Also one that was the fastest."""
    reads = _Latencies(primary=0.003, near=0.001, far=0.1)
    reads.read(5000, every=0.001)
    reads.seconds["near"] = 0.02
    reads.read(2000, every=0.001)
    assert reads.read(1000, every=0.001)["primary"] > 990


def test_only_one_read_explores_while_it_is_under_way() -> None:
    """A node that hangs holds up one read a second, not all of them."""
    chooser = Chooser(policy="lowest_latency")
    assert _chosen_often(chooser, 30)["near"] in (1, 28)
    assert sorted(_chosen_often(Chooser(policy="lowest_latency"), 3)) == ["far", "near", "primary"]


NODES = st.lists(
    st.builds(
        Node,
        address=st.builds(ServerAddress, st.sampled_from("bcdef"), st.just(1)),
        is_primary=st.just(False),
        health=st.sampled_from(["online", "loading", "failed"]),
        zone=st.sampled_from([None, "z", "y"]),
    ),
    max_size=4,
    unique_by=lambda each: each.address,
)


@given(
    policy=st.sampled_from(["primary", "prefer_replica", "any", "lowest_latency", "same_zone"]),
    replicas=NODES,
    lost=st.sets(st.sampled_from("bcdef")),
    written=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_policy_chooses_a_node_that_can_be_read(
    policy: str, replicas: list[Node], lost: set[str], written: bool, seed: int
) -> None:
    """It is of the shard; a replica only if online, not lost, and the key was not just written."""
    chooser = Chooser(policy=policy, zone="z", random=Random(seed).random)
    for host in lost:
        chooser.states.lost(ServerAddress(host, 1))
    if written:
        chooser.reading.wrote(command("SET", "k", "v"))
    shard = Shard(PRIMARY, tuple(replicas))
    for _ in range(5):
        found = chooser.reading.choose(GET, shard)
        assert found is PRIMARY or (
            found in replicas
            and found.health == "online"
            and found.address.host not in lost
            and not written
            and policy != "primary"
        )


def test_same_zone_needs_a_zone() -> None:
    """The message says where it can be set."""
    with pytest.raises(ValidationError, match="REDIS_MIDDLEWARE__SLOT_ROUTING__READING__ZONE"):
        ReadingSettings.model_validate({"policy": "same_zone"})
    with pytest.raises(ValidationError, match="same_zone needs zone"):
        ReadingSettings.model_validate({"rules": [{"keys": "*", "policy": "same_zone"}]})


def test_bounds_that_no_replica_could_keep_are_refused() -> None:
    """A staleness shorter than two checks would send every read to the primary."""
    with pytest.raises(ValidationError, match="check_every"):
        ReadingSettings.model_validate({"policy": "any", "max_lag_seconds": 1, "check_every": 1})
    ReadingSettings.model_validate({"policy": "any", "max_lag_seconds": 1, "check_every": 0.2})


@pytest.mark.parametrize(
    "settings", [{"policy": "nearest"}, {"zones": {"[": "a"}}, {"polcy": "any"}]
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    """Unknown policies and keys, and patterns that are none."""
    with pytest.raises(ValidationError):
        ReadingSettings.model_validate(settings)
