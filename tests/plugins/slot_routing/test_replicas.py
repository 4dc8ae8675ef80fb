"""Which replicas are in step, by what servers tell."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import BusyLoadingError, ConnectionError, NoPermissionError
from tests.plugins.slot_routing.shards import FAR, NEAR, PRIMARY, SHARD, TOPOLOGY, node

from redis_middleware.testing import FakeClock, command
from redis_middleware_plugins.slot_routing.replicas import (
    Bounds,
    ReplicaStates,
)
from redis_middleware_plugins.slot_routing.topology import Shard, Topology

NO_BOUNDS = Bounds()


def _replica(offset: int, stream: str = "s1", link: str = "up", syncing: int = 0) -> dict[str, Any]:
    return {
        "role": "slave",
        "master_link_status": link,
        "master_sync_in_progress": syncing,
        "slave_repl_offset": offset,
        "master_replid": stream,
    }


def _primary(offset: int, stream: str = "s1") -> dict[str, Any]:
    return {"role": "master", "master_replid": stream, "master_repl_offset": offset}


class Measuring:
    """Replica states, and servers that tell what the test says."""

    def __init__(self, topology: Topology = TOPOLOGY) -> None:
        self.clock = FakeClock(100.0)
        self.states = ReplicaStates(1.0, clock=self.clock)
        self.topology = topology

    def measure(self, primary: Any, near: Any, far: Any = None, *, takes: float = 0.0) -> None:
        """One measurement; each of its two rounds takes so many seconds."""
        told = {
            PRIMARY.address.host: primary,
            NEAR.address.host: near,
            FAR.address.host: _replica(0) if far is None else far,
        }
        flow = self.states.measure(self.topology, lambda node: node, command)
        questions = next(flow)
        while True:
            assert all(question.args == ("INFO", "replication") for question in questions)
            self.clock.advance(takes)
            try:
                questions = flow.send([told[each.target.address.host] for each in questions])
            except StopIteration:
                return

    def readable(self, lag_bytes: int | None = None, lag_seconds: float | None = None) -> list[str]:
        """The replicas that can be read now."""
        bounds = Bounds(lag_bytes, lag_seconds)
        return [
            node.address.host
            for node in SHARD.replicas
            if self.states.is_readable(node, bounds, self.clock())
        ]


def test_before_the_first_measurement_only_bounds_keep_from_replicas() -> None:
    """The cluster says that they are online; how far they are behind is not known."""
    measuring = Measuring()
    assert measuring.readable() == ["near", "far"]
    assert measuring.readable(lag_bytes=10**9) == []
    assert measuring.readable(lag_seconds=3600) == []


@pytest.mark.parametrize(
    "near",
    [
        _replica(1000, link="down"),
        _replica(1000, link="down", syncing=1),
        _primary(1000),
        ConnectionError("refused"),
        BusyLoadingError("loading"),
    ],
)
def test_replicas_that_are_down_or_synchronising_are_skipped(near: Any) -> None:
    """Without any bound, too; they are back once they are in step."""
    measuring = Measuring()
    measuring.measure(_primary(1000), near, _replica(1000))
    assert measuring.readable() == ["far"]
    measuring.measure(_primary(1000), _replica(1000), _replica(1000))
    assert measuring.readable() == ["near", "far"]


def test_bytes_are_bounded_at_the_last_measurement() -> None:
    """Exactly up to the bound."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(900), _replica(899))
    assert measuring.readable(lag_bytes=100) == ["near"]
    assert measuring.readable(lag_bytes=101) == ["near", "far"]
    assert measuring.readable(lag_bytes=0) == []


def test_a_measurement_in_bytes_counts_for_three_checks() -> None:
    """When the primary has not told for longer, nothing is known any more."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(1000), _replica(1000))
    measuring.clock.advance(3.0)
    assert measuring.readable(lag_bytes=0) == ["near", "far"]
    measuring.clock.advance(0.1)
    assert measuring.readable(lag_bytes=0) == []
    assert measuring.readable() == ["near", "far"]


def test_seconds_count_from_the_question_to_the_primary() -> None:
    """Not from the answers: what was written in between is not known to be there."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(1000), _replica(999), takes=0.5)
    assert measuring.readable(lag_seconds=1.0) == ["near"]
    measuring.clock.advance(0.1)
    assert measuring.readable(lag_seconds=1.0) == []


def test_a_replica_behind_is_as_old_as_what_it_has() -> None:
    """One that always lags by three seconds of writes can be read by who bears four."""
    measuring = Measuring()
    for second in range(10):
        measuring.measure(_primary(100 * second), _replica(100 * max(0, second - 3)))
        if second < 9:
            measuring.clock.advance(1.0)
    assert measuring.readable(lag_seconds=3.5) == ["near"]
    assert measuring.readable(lag_seconds=2.9) == []


def test_offsets_of_another_stream_are_not_compared() -> None:
    """A primary that started anew counts anew: a larger offset means nothing then."""
    measuring = Measuring()
    measuring.measure(_primary(10, "s2"), _replica(5000, "s1"), _replica(10, "s2"))
    assert measuring.readable(lag_bytes=0) == ["far"]
    assert measuring.readable(lag_seconds=5) == ["far"]


def test_without_a_primary_bounds_end_by_themselves() -> None:
    """While it does not answer, replicas grow old."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(1000), _replica(1000))
    for _ in range(3):
        measuring.clock.advance(1.0)
        measuring.measure(ConnectionError("gone"), _replica(1000, link="up"), _replica(1000))
    assert measuring.readable(lag_seconds=3.5) == ["near", "far"]
    measuring.clock.advance(1.0)
    assert measuring.readable(lag_seconds=3.5) == []


def test_a_server_that_does_not_tell_is_read_without_bounds_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A user without the right to INFO: it is said once."""
    measuring = Measuring()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            refused = NoPermissionError("this user has no permissions")
            measuring.measure(_primary(1000), refused, _replica(1000))
    assert measuring.readable() == ["near", "far"]
    assert measuring.readable(lag_bytes=100) == ["far"]
    (record,) = caplog.records
    assert "near:6379" in record.getMessage()
    assert "max_lag_bytes" in record.getMessage()


def test_a_lost_replica_is_back_when_it_answers() -> None:
    """What a command found out counts until the next measurement."""
    measuring = Measuring()
    measuring.states.lost(NEAR.address)
    assert measuring.readable() == ["far"]
    measuring.measure(_primary(1), _replica(1), _replica(1))
    assert measuring.readable() == ["near", "far"]


def test_a_replica_that_has_loaded_is_read_though_the_topology_is_old() -> None:
    """The topology says loading until somebody asks for it again; the replica itself knows."""
    loading = node("near", health="loading")
    measuring = Measuring(Topology([Shard(PRIMARY, (loading, FAR), ((0, 16_383),))]))
    assert not measuring.states.is_readable(loading, NO_BOUNDS, measuring.clock())
    measuring.measure(_primary(1), _replica(1), _replica(1))
    assert measuring.states.is_readable(loading, NO_BOUNDS, measuring.clock())


def test_replies_that_were_not_parsed_are_understood() -> None:
    """INFO as the server gave it, as text or bytes."""
    text = (
        "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\n"
        "slave_repl_offset:1000\r\nmaster_replid:s1\r\n"
    )
    measuring = Measuring()
    measuring.measure(_primary(1000), text, text.encode())
    assert measuring.readable(lag_bytes=0) == ["near", "far"]


def _nodes_of(states: ReplicaStates) -> set[Any]:
    return {reading.attributes["node"] for m in states.metrics() for reading in m.readings}


def test_nodes_that_left_are_forgotten() -> None:
    """What is known does not grow with the history of a cluster."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(1000), _replica(1000))
    names = _nodes_of(measuring.states)
    assert names == {"near:6379", "far:6379"}
    measuring.topology = Topology([Shard(PRIMARY, (FAR,), ((0, 16_383),))])
    measuring.measure(_primary(1000), _replica(1000), _replica(1000))
    names = _nodes_of(measuring.states)
    assert names == {"far:6379"}


def test_lag_and_age_are_metrics() -> None:
    """In bytes and seconds, for each replica."""
    measuring = Measuring()
    measuring.measure(_primary(1000), _replica(940), _replica(1000))
    measuring.clock.advance(2.0)
    lag, age = measuring.states.metrics()
    assert {r.attributes["node"]: r.value for r in lag.readings} == {"near:6379": 60, "far:6379": 0}
    assert {r.attributes["node"]: r.value for r in age.readings} == {"far:6379": 2.0}


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0.01, 3.0),
            st.integers(0, 50),
            st.integers(0, 100),
            st.booleans(),
            st.floats(0.0, 0.5),
        ),
        max_size=30,
    ),
    bound=st.floats(2.0, 10.0),
)
def test_a_readable_replica_has_all_that_is_older_than_the_bound(
    steps: list[tuple[float, int, int, bool, float]], bound: float
) -> None:
    """Whatever is written and replicated when: the guarantee holds at every moment."""
    measuring = Measuring()
    offset = applied = 0
    writes: list[tuple[float, int]] = []
    for wait, written, replicated, is_measured, takes in steps:
        if written:
            offset += written
            writes.append((measuring.clock(), offset))
        applied = min(offset, applied + replicated)
        if is_measured:
            measuring.measure(_primary(offset), _replica(applied), takes=takes)
        measuring.clock.advance(wait)
        if measuring.readable(lag_seconds=bound)[:1] == ["near"]:
            until = measuring.clock() - bound
            assert all(end <= applied for at, end in writes if at < until)
