"""What plugins tell by ``metrics()``: asked once for each collection, each for itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from tests.plugins.otel.conftest import MakeClient, Recorded
from tests.plugins.otel.counting import METRICS, Counting, Tell, all_metrics

from redis_middleware import middleware_of
from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.otel import Otel, OtelSettings


def _breaks(plugin: Counting) -> Iterable[Metric]:
    yield from list(all_metrics(plugin))[: METRICS // 2]
    raise KeyError("no such thing")


def _labelled_by_a_list(plugin: Counting) -> Iterable[Metric]:
    labels: Any = {"nodes": ["a", "b"]}
    yield Metric(f"{plugin.name}.nodes", Kind.GAUGE, "1", "Nodes.", [Reading(1, labels)])


def _told_in_words(plugin: Counting) -> Iterable[Metric]:
    value: Any = "many"
    yield Metric(f"{plugin.name}.nodes", Kind.GAUGE, "1", "Nodes.", [Reading(value)])


def _refused_by_the_sdk(plugin: Counting) -> Iterable[Metric]:
    yield Metric("not a name", Kind.GAUGE, "1", "A name with spaces.", [Reading(1)])
    yield from all_metrics(plugin)


def metrics_in(data: MetricsData | None) -> list[Any]:
    """All metrics that were collected."""
    return [
        metric
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


def names_of(data: MetricsData | None) -> set[str]:
    """Their names."""
    return {metric.name for metric in metrics_in(data)}


def values(data: MetricsData | None, plugin: str) -> set[float]:
    """The values of all metrics of a plugin, of which there must be all or none."""
    points = [
        point.value
        for metric in metrics_in(data)
        if metric.name.startswith(f"{plugin}.")
        for point in metric.data.data_points
    ]
    assert len(points) in (0, METRICS)
    return set(points)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("breaks", [_breaks, _labelled_by_a_list, _told_in_words])
def test_a_plugin_that_breaks_takes_only_its_own(
    breaks: Tell,
    is_first: bool,
    recorded: Recorded,
    client_with: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its bug is counted and logged once under its name; all others' metrics are there."""
    broken, whole = Counting("broken", breaks), Counting("whole")
    client = client_with(recorded.plugin(), *[broken, whole][:: 1 if is_first else -1])
    bugs = middleware_of(client).bugs
    with caplog.at_level(logging.WARNING):
        client.get("key")
        before = bugs["broken"].total()
        for _ in range(3):
            names = recorded.metric_names()

    assert {name for name in names if name.startswith("whole.")} == {
        f"whole.metric{number}" for number in range(METRICS)
    }
    assert not {name for name in names if name.startswith("broken.")}
    assert bugs["broken"].total() == before + 3
    assert not bugs["otel"]
    assert not bugs["whole"]
    (record,) = caplog.records
    assert "'broken'" in record.getMessage()


def test_a_name_that_the_sdk_refuses(
    recorded: Recorded, client_with: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a bug of the plugin that gave it, whose other metrics are there."""
    client = client_with(recorded.plugin(), Counting("odd", _refused_by_the_sdk), Counting())
    client.get("key")

    data = recorded.reader.get_metrics_data()
    assert values(data, "odd") == {1}
    assert values(data, "counting") == {1}
    assert middleware_of(client).bugs["odd"].total() == 1
    assert not middleware_of(client).bugs["otel"]
    assert ["'odd'" in record.getMessage() for record in caplog.records] == [True]


def test_a_plugin_that_begins_to_work(recorded: Recorded, client_with: MakeClient) -> None:
    """What broke when the client was first used is there once it works and a command was sent."""
    now = [0.0]
    late = Counting("late", _breaks)
    client = client_with(recorded.plugin(clock=lambda: now[0]), late)
    client.get("key")
    recorded.reader.get_metrics_data()
    late.tell = all_metrics
    recorded.reader.get_metrics_data()
    now[0] += 1
    client.get("key")

    assert values(recorded.reader.get_metrics_data(), "late") == {1}


def test_one_client_of_several_breaks(recorded: Recorded, client_with: MakeClient) -> None:
    """Rather than a sum that leaves a client out, which would be a fall, there is none."""
    plugins = [Counting(value=3), Counting(value=4)]
    clients = [client_with(recorded.plugin(), plugin) for plugin in plugins]
    for client in clients:
        client.get("key")

    assert values(recorded.reader.get_metrics_data(), "counting") == {7}
    plugins[1].tell = _breaks
    assert values(recorded.reader.get_metrics_data(), "counting") == set()
    plugins[1].tell = all_metrics
    assert values(recorded.reader.get_metrics_data(), "counting") == {7}
    assert not middleware_of(clients[0]).bugs["counting"]
    assert middleware_of(clients[1]).bugs["counting"] == {"KeyError": 1}


def test_a_value_that_is_none(
    recorded: Recorded, client_with: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A ratio of nothing to nothing is left out, and does not spoil that of another client."""
    for value in (float("nan"), 4):
        client_with(recorded.plugin(), Counting(value=value)).get("key")

    assert values(recorded.reader.get_metrics_data(), "counting") == {4}
    assert not caplog.records


def test_a_plugin_of_several_clients(recorded: Recorded, client_with: MakeClient) -> None:
    """One object in the pipelines of two clients is asked once, and counts once."""
    shared = Counting(value=5)
    for _ in range(2):
        client_with(recorded.plugin(), shared).get("key")
    before = shared.asked

    assert values(recorded.reader.get_metrics_data(), "counting") == {5}
    assert shared.asked == before + 1


def test_each_collection_asks_once(client_with: MakeClient) -> None:
    """Each of a provider's readers gets new readings, by one call each."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    counting = Counting()
    otel = Otel(OtelSettings(traces=False), meter_provider=MeterProvider(readers))
    client_with(otel, counting).get("key")

    for reader in (readers[0], *readers, readers[1]):
        counting.value += 1
        before = counting.asked
        assert values(reader.get_metrics_data(), "counting") == {counting.value}
        assert counting.asked == before + 1


def test_collections_at_once(client_with: MakeClient) -> None:
    """Collections of several readers in several threads, of clients that come and go meanwhile."""
    readers = [InMemoryMetricReader() for _ in range(4)]
    meters = MeterProvider(readers)
    settings = OtelSettings(traces=False)
    counting = Counting()
    client_with(Otel(settings, meter_provider=meters), counting).get("key")
    counting.asked = 0
    found: list[set[float]] = []
    rounds = 25

    def collect(reader: InMemoryMetricReader) -> None:
        for _ in range(rounds):
            found.append(values(reader.get_metrics_data(), "counting"))

    threads = [threading.Thread(target=collect, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    others = 0
    while any(thread.is_alive() for thread in threads):
        client_with(Otel(settings, meter_provider=meters), Counting(f"other{others}")).get("key")
        others += 1
    for thread in threads:
        thread.join()

    assert found == [{1}] * rounds * len(readers)
    assert counting.asked == rounds * len(readers)
    assert others


def test_a_collection_that_is_given_up(recorded: Recorded, client_with: MakeClient) -> None:
    """What a collection that took too long did not use is not shown in the next one."""
    counting = Counting()
    slow = Counting("slow", lambda plugin: time.sleep(0.02) or all_metrics(plugin))  # type: ignore[func-returns-value]
    client_with(recorded.plugin(), slow, counting).get("key")
    for _ in range(2):
        with pytest.raises(Exception, match="Timed out"):
            recorded.reader.collect(timeout_millis=5)
        counting.value += 1
        before = counting.asked

        assert values(recorded.reader.get_metrics_data(), "counting") == {counting.value}
        assert counting.asked == before + 1


class _Exporter(MetricExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[MetricsData] = []

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **more: Any
    ) -> MetricExportResult:
        """Keep it."""
        self.given.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **more: Any) -> None:
        """Do nothing."""


def test_a_provider_that_is_shut_down(client_with: MakeClient) -> None:
    """Its last collection, while a plugin is slow, has all there is; commands go on without it."""
    exporter, counting = _Exporter(), Counting()
    slow = Counting("slow", lambda plugin: time.sleep(0.02) or all_metrics(plugin))  # type: ignore[func-returns-value]
    meters = MeterProvider([PeriodicExportingMetricReader(exporter, 60_000)])
    otel = Otel(OtelSettings(traces=False), meter_provider=meters)
    client = client_with(otel, slow, counting)
    client.get("key")
    counting.value += 1
    before = counting.asked
    meters.shutdown()

    assert values(exporter.given[-1], "counting") == {2}
    assert counting.asked == before + 1
    client.get("key")
    assert not middleware_of(client).bugs["otel"]


def test_a_gauge_that_sends_commands(client_with: MakeClient) -> None:
    """An application's callback may use the client, as its first user and with new plugins."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])
    settings = OtelSettings(traces=False)
    made: list[Any] = []

    def queue_length(options: CallbackOptions) -> Iterable[Observation]:
        if len(made) < 2:
            plugin = Counting(f"counting{len(made)}")
            made.append(client_with(Otel(settings, meter_provider=meters), plugin))
        return [Observation(made[-1].llen("queue"))]

    meters.get_meter("application").create_observable_gauge("queue", [queue_length])
    for _ in range(2):
        thread = threading.Thread(target=reader.get_metrics_data, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    expected = {
        f"counting{place}.metric{number}" for place in range(2) for number in range(METRICS)
    }
    expected |= {"queue", "db.client.connection.count", "db.client.operation.duration"}
    deadline = time.monotonic() + 10
    while not names_of(reader.get_metrics_data()) >= expected:
        assert time.monotonic() < deadline
    assert not any(middleware_of(client).bugs["otel"] for client in made)
