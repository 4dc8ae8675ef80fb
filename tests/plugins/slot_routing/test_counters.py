"""Counts of nodes and routes, moving averages and percentiles."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, TimeoutError

from redis_middleware.readings import Kind, Metric, Metrics
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import FakeClock
from redis_middleware_plugins.slot_routing.counters import OVERFLOW, Counters
from redis_middleware_plugins.slot_routing.durations import Average, Durations

A = ServerAddress("10.0.0.1", 6379)


def _by_name(counters: Counters) -> dict[str, Metric]:
    return {metric.name.removeprefix("slot_routing."): metric for metric in counters.metrics()}


@given(st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=1))
def test_quantiles_are_never_too_low_and_at_most_13_percent_too_high(values: list[float]) -> None:
    """Whatever the durations are."""
    durations = Durations()
    for value in values:
        durations.add(value, 0.0)
    ordered = sorted(values)
    for share in (0.5, 0.95, 1.0):
        (found,) = durations.quantiles((share,), 0.0)
        at = next(v for n, v in enumerate(ordered, 1) if n >= len(ordered) * share)
        assert at <= found <= at * 1.1251


def test_old_durations_are_forgotten() -> None:
    """Quantiles are of the last one to two minutes."""
    durations = Durations(window=60.0)
    durations.add(5.0, 0.0)
    durations.add(0.001, 65.0)
    assert durations.quantiles((1.0,), 70.0)[0] >= 5.0
    assert durations.quantiles((1.0,), 130.0)[0] == pytest.approx(0.001, rel=0.13)
    assert durations.quantiles((0.5, 1.0), 300.0) == (0.0, 0.0)


def test_an_average_follows_by_time() -> None:
    """A thousand old values are outweighed by three new ones of the following seconds."""
    average = Average(memory=1.0)
    for number in range(1000):
        average.add(0.5, number / 1000)
    assert average.value == pytest.approx(0.5)
    for second in (2.0, 3.0, 4.0):
        average.add(0.001, second)
    assert average.value is not None
    assert average.value < 0.08


def test_one_outlier_among_many_hardly_counts() -> None:
    """Where a node answers a thousand times a second, one slow answer moves the average by 1%."""
    average = Average(memory=1.0)
    generate = random.Random(7)
    for number in range(1000):
        average.add(0.001 * generate.uniform(0.8, 1.2), number / 1000)
    before = average.value
    average.add(0.011, 1.0)
    assert before is not None
    assert average.value is not None
    assert average.value - before < 0.000_02


def test_nodes_are_counted_one_by_one() -> None:
    """Commands, errors by class, redirections by kind, time."""
    counters = Counters(FakeClock())
    node = counters.node(A)
    node.sent(0.25)
    node.sent(0.5)
    node.failed(TimeoutError("too late"))
    node.redirected("moved")
    metrics = _by_name(counters)
    labels = {"node": "10.0.0.1:6379"}
    assert metrics["node.commands"].readings == [(2, labels)]
    assert metrics["node.duration"].readings == [(0.75, labels)]
    assert metrics["node.errors"].readings == [(1, {**labels, "error.type": "TimeoutError"})]
    assert metrics["node.redirections"].readings == [(1, {**labels, "kind": "moved"})]
    assert metrics["node.latency"].readings == []
    assert metrics["node.commands"].kind is Kind.COUNTER
    assert metrics["node.latency"].kind is Kind.GAUGE


def test_the_sides_of_a_rollout_are_measured_separately() -> None:
    """Commands, errors, time and quantiles by route."""
    clock = FakeClock()
    counters = Counters(clock)
    for _ in range(99):
        counters.route("proxy").sent(0.002, clock())
    counters.route("proxy").sent(1.0, clock(), ConnectionError("lost"))
    counters.route("cluster").sent(0.001, clock())
    metrics = _by_name(counters)
    assert metrics["route.commands"].readings == [
        (100, {"route": "proxy"}),
        (1, {"route": "cluster"}),
    ]
    assert metrics["route.errors"].readings == [
        (1, {"route": "proxy", "error.type": "ConnectionError"})
    ]
    found = {
        (reading.attributes["route"], reading.attributes["quantile"]): reading.value
        for reading in metrics["route.latency"].readings
    }
    assert found["proxy", 0.5] == pytest.approx(0.002, rel=0.13)
    assert found["cluster", 0.99] == pytest.approx(0.001, rel=0.13)


def test_the_number_of_nodes_and_errors_is_bounded() -> None:
    """What there is no room for is counted as overflow, and nothing is lost."""
    counters = Counters(FakeClock())
    for number in range(600):
        counters.node(ServerAddress("host", number)).sent(0.1)
    node = counters.node(A)
    for number in range(100):
        node.failed(type(f"Error{number}", (Exception,), {})())
    metrics = _by_name(counters)
    readings = metrics["node.commands"].readings
    assert len(readings) == 513
    assert sum(reading.value for reading in readings) == 600
    assert readings[-1].attributes == {"node": OVERFLOW}
    assert len(node.errors) == 33
    assert sum(node.errors.values()) == 100


def test_it_is_what_exporters_look_for() -> None:
    """A ``metrics()`` method, with names below the plugin's."""
    counters = Counters()
    assert isinstance(counters, Metrics)
    assert all(metric.name.startswith("slot_routing.") for metric in counters.metrics())
