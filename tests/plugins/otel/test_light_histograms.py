"""Measurements recorded the light way are exported exactly as the SDK's own would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context, get_current
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    MeterProvider,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from redis_middleware_plugins.otel.light_histogram import Series, recorder_of

_VALUES = (0.0005, 0.002, 0.002, 0.7, 12.0)
_ATTRIBUTES = (
    {"db.operation.name": "GET", "server.port": 6379},
    {"db.operation.name": "SET", "server.port": 6379},
    {"db.operation.name": "GET", "server.port": 6380},
)
_DELTA: dict[type, AggregationTemporality] = {SdkHistogram: AggregationTemporality.DELTA}


def _traced() -> Context:
    context = SpanContext(7, 8, False, TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context))


class _Meters:
    """A provider with one histogram, and what its readers collect."""

    def __init__(self, *readers: InMemoryMetricReader, **arguments: Any) -> None:
        self.readers = list(readers) or [InMemoryMetricReader()]
        self.provider = MeterProvider(self.readers, **arguments)
        self.histogram: Histogram = self.provider.get_meter("x").create_histogram(
            "durations", unit="s", explicit_bucket_boundaries_advisory=(0.001, 0.005, 1.0)
        )

    def collected(self) -> list[Any]:
        """What each reader gives, without times."""
        found = []
        for reader in self.readers:
            data = reader.get_metrics_data()
            told = None if data is None else json.loads(data.to_json())
            found.append(_without_times(told))
        return found


def _without_times(told: Any) -> Any:
    if isinstance(told, dict):
        return {
            name: _without_times(value) for name, value in told.items() if "time_unix" not in name
        }
    return [_without_times(value) for value in told] if isinstance(told, list) else told


def _record(meters: _Meters, *, light: bool) -> list[Any]:
    """Record the same values one way or the other, with a collection in between."""
    series = [Series(attributes) for attributes in _ATTRIBUTES]
    record = recorder_of(meters.histogram)
    collected = []
    for _ in range(2):
        for value in _VALUES:
            for each in series:
                context = _traced() if value > 0.001 else get_current()
                if light:
                    record(value, each, context)
                else:
                    meters.histogram.record(value, each.attributes, context)
        collected.append(meters.collected())
    return collected


@pytest.mark.parametrize(
    "make",
    [
        _Meters,
        lambda: _Meters(exemplar_filter=AlwaysOnExemplarFilter()),
        lambda: _Meters(exemplar_filter=AlwaysOffExemplarFilter()),
        lambda: _Meters(exemplar_filter=TraceBasedExemplarFilter()),
        lambda: _Meters(InMemoryMetricReader(), InMemoryMetricReader(_DELTA)),
        lambda: _Meters(
            views=[View(instrument_name="durations", attribute_keys={"db.operation.name"})]
        ),
        lambda: _Meters(views=[View(instrument_name="durations", attribute_keys=set())]),
        lambda: _Meters(
            views=[
                View(instrument_name="durations", name="renamed"),
                View(instrument_name="durations"),
            ]
        ),
        lambda: _Meters(views=[View(instrument_name="durations", aggregation=DropAggregation())]),
        lambda: _Meters(
            views=[
                View(
                    instrument_name="durations",
                    aggregation=ExplicitBucketHistogramAggregation((0.5, 2.0)),
                )
            ]
        ),
        lambda: _Meters(
            views=[
                View(
                    instrument_name="durations", aggregation=ExponentialBucketHistogramAggregation()
                )
            ]
        ),
    ],
)
def test_exported_alike(make: Callable[[], _Meters]) -> None:
    """Whatever views, readers and exemplar filters there are, data points do not differ."""
    light = _record(make(), light=True)

    assert light == _record(make(), light=False)


def test_the_light_way_is_taken() -> None:
    """After a first measurement the SDK's histogram is not called any more."""
    meters = _Meters()
    calls: list[float] = []
    plain = meters.histogram.record
    record, series = recorder_of(meters.histogram), Series(_ATTRIBUTES[0])
    meters.histogram.record = lambda value, *rest: (calls.append(value), plain(value, *rest))  # type: ignore[method-assign,assignment,func-returns-value]
    for value in _VALUES:
        record(value, series, get_current())

    assert calls == [_VALUES[0]]


def test_a_reader_added_later_gets_all_from_then_on() -> None:
    """A provider's readers may change while it is used."""
    meters = _Meters()
    record, series = recorder_of(meters.histogram), Series(_ATTRIBUTES[0])
    for _ in range(3):
        record(1.0, series, get_current())
    late = InMemoryMetricReader()
    if not hasattr(meters.provider, "add_metric_reader"):
        pytest.skip("this SDK does not add readers")
    meters.provider.add_metric_reader(late)
    for _ in range(2):
        record(1.0, series, get_current())

    def count(reader: InMemoryMetricReader) -> int:
        data: Any = reader.get_metrics_data()
        (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
        return int(point.count)

    assert (count(meters.readers[0]), count(late)) == (5, 2)


def test_two_providers_are_kept_apart() -> None:
    """A series that was recorded with one provider is looked up anew in another."""
    first, second = _Meters(), _Meters()
    series = Series(_ATTRIBUTES[0])
    for meters in (first, second, first, second):
        recorder_of(meters.histogram)(1.0, series, get_current())

    assert first.collected() == second.collected()
    (point,) = first.collected()[0]["resource_metrics"][0]["scope_metrics"][0]["metrics"][0][
        "data"
    ]["data_points"]
    assert point["count"] == 2


def test_attributes_beyond_the_limit_are_left_to_the_sdk() -> None:
    """Where the SDK puts new attributes into one overflowing series, so does this."""
    view = View(instrument_name="durations", aggregation_cardinality_limit=2)

    assert _record(_Meters(views=[view]), light=True) == _record(_Meters(views=[view]), light=False)
