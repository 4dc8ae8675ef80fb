"""Recording in the SDK's histograms, without what the SDK does for attributes it knows nothing of.

``Histogram.record`` copies and checks the attributes, copies them once more, and sorts them to find
the data point that they belong to: three quarters of what measuring a command costs. Here the
attributes come from templates that never change, so each of them remembers its data points. Views,
readers and exemplars are the SDK's own; wherever a histogram is not, or this cannot tell where the
SDK adds up, ``Histogram.record`` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram

__all__ = ["Record", "Series", "recorder_of"]


class Series:
    """The attributes of measurements, and where they are added up.

    Args:
        attributes: must not change any more.

    Attributes:
        attributes: the attributes.
        place: the SDK's readers, and what adds the measurements up for them: one for each reader
            and view, or ``None`` where that has to be looked up each time. Not set at first.
    """

    __slots__ = ("attributes", "place")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self.place: tuple[object, tuple[Any, ...] | None] = (None, None)


Record = Callable[[float, Series, Context], None]
"""Records a value: called with the value, the series, and the context for the exemplar.

All of a series' values must be recorded in the same instrument of a provider's.
"""


class _Measurement:
    """One value, with what the SDK's own class for it has; its attributes are checked already."""

    __slots__ = ("attributes", "context", "instrument", "time_unix_nano", "value")

    def __init__(
        self, value: float, time: int, instrument: Histogram, context: Context, attributes: Any
    ) -> None:
        self.value = value
        self.time_unix_nano = time
        self.instrument = instrument
        self.context = context
        self.attributes = attributes


def recorder_of(histogram: Histogram) -> Record:
    """The quickest way to record that makes no difference to what is exported.

    Args:
        histogram: the instrument; usually the SDK's.
    """
    return _light_recorder(histogram) if _is_plain(histogram) else _plain_recorder(histogram)


def _plain_recorder(histogram: Histogram) -> Record:
    def record(value: float, series: Series, context: Context) -> None:
        histogram.record(value, series.attributes, context)

    return record


def _is_plain(histogram: Any) -> bool:
    """Whether it is the SDK's own, with what this module has to know of it."""
    if not type(histogram).__module__.startswith("opentelemetry.sdk.metrics."):
        return False
    consumer = getattr(histogram, "_measurement_consumer", None)
    config = getattr(consumer, "_sdk_config", None)
    return (
        hasattr(histogram, "_is_enabled")
        and hasattr(consumer, "_reader_storages")
        and hasattr(config, "exemplar_filter")
    )


def _light_recorder(histogram: Any) -> Record:
    consumer = histogram._measurement_consumer
    config, is_enabled = consumer._sdk_config, histogram._is_enabled

    def record(value: float, series: Series, context: Context) -> None:
        known, points = series.place
        storages = consumer._reader_storages
        if known is not storages or points is None or not is_enabled():
            histogram.record(value, series.attributes, context)
            if known is not storages:
                series.place = (storages, _points_of(histogram, storages, series.attributes))
            return
        attributes, now = series.attributes, time_ns()
        measurement = _Measurement(value, now, histogram, context, attributes)
        is_exemplar = config.exemplar_filter.should_sample(value, now, attributes, context)
        for point in points:
            point.aggregate(measurement, is_exemplar)

    return record


def _points_of(
    histogram: Any, storages: Mapping[Any, Any], attributes: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """What adds up the measurements with these attributes, after one of them was recorded."""
    points = []
    for storage in storages.values():
        for match in storage._instrument_view_instrument_matches.get(histogram, ()):
            # Data points of differences are made anew after each collection.
            if getattr(match, "_reset_on_collect", True):
                return None
            shown = match._view._attribute_keys
            expected = {
                key: value for key, value in attributes.items() if shown is None or key in shown
            }
            found = [
                point
                for point in list(match._attributes_aggregation.values())
                if getattr(point, "_attributes", None) == expected
            ]
            if len(found) != 1:
                return None
            points += found
    return tuple(points)
