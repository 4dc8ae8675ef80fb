"""What plugins tell by ``metrics()``, as observable instruments."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from redis_middleware import Middleware
from redis_middleware.readings import Kind, Metric
from redis_middleware_plugins.otel.observables import make_observables

__all__ = ["PluginMetrics"]

logger = logging.getLogger("redis_middleware.otel")

_Totals = dict[frozenset[Any], tuple[float, Mapping[str, Any]]]


class _Told(NamedTuple):
    """A metric as it was told first.

    Attributes:
        plugin: the name of the plugin that told it.
        metric: the metric.
        bugs: the plugin's bugs by type of exception.
    """

    plugin: str
    metric: Metric
    bugs: Counter[str]


class _Left(threading.local):
    """What the collection that runs in a thread has not shown yet, by the metric's name."""

    def __init__(self) -> None:
        self.observations: dict[str, list[Observation]] = {}


class PluginMetrics:
    """Asks each plugin once a collection, though each of its metrics has a callback of its own.

    A collection calls the callbacks one after the other in one thread, each of them once, and
    always in the same order: the first asks all plugins, and each takes its own part of what they
    told. One that finds its part taken, or none, is the first of the next collection. What one
    left over that was given up half way is dropped with that. See
    https://opentelemetry.io/docs/specs/otel/metrics/sdk/#observations-inside-asynchronous-callbacks.

    A plugin that raises shows nothing in that collection, of no client: a sum without one of them
    would be a fall that there was not. All others show theirs.

    There is no lock here: a collection would wait for it while an instrument that is made within
    it waits for the SDK's lock, which the collection holds.

    Args:
        meter: makes the instruments.
        clients: gives the handles of the clients whose plugins are asked.
    """

    def __init__(self, meter: Meter, clients: Callable[[], Iterable[Middleware]]) -> None:
        self._meter = meter
        self._clients = clients
        self._told: dict[str, _Told] = {}
        self._news: dict[str, _Told] = {}
        self._left = _Left()
        self._logged: set[tuple[str, str]] = set()

    def learn(self, middleware: Middleware) -> None:
        """Ask a client's plugins which metrics they have, and make the instruments."""
        for name, plugin in middleware.plugins.items():
            bugs = middleware.bugs.setdefault(name, Counter())
            try:
                for metric in _metrics_of(plugin):
                    self._note(_Told(name, metric, bugs))
            except Exception as error:
                self._report(name, bugs, error)
        self.create_instruments()

    def create_instruments(self) -> None:
        """Make the instruments of metrics that are new."""
        if self._news:
            make_observables(self._meter, self._create_all)

    def _create_all(self) -> None:
        for name in list(self._news):
            told = self._news.pop(name, None)
            if told is not None and self._told.setdefault(name, told) is told:
                try:
                    self._create(told.metric)
                except Exception as error:
                    self._report(told.plugin, told.bugs, error)

    def _note(self, told: _Told) -> None:
        if told.metric.name not in self._told:
            self._news[told.metric.name] = told

    def _create(self, metric: Metric) -> None:
        create: Callable[..., Any] = {
            Kind.COUNTER: self._meter.create_observable_counter,
            Kind.UP_DOWN_COUNTER: self._meter.create_observable_up_down_counter,
            Kind.GAUGE: self._meter.create_observable_gauge,
        }[metric.kind]
        name = metric.name

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            return self._observe(name)

        create(name, [observe], unit=metric.unit, description=metric.description)

    def _observe(self, name: str) -> Iterable[Observation]:
        if name not in self._left.observations:
            self._left.observations = self._ask()
        return self._left.observations.pop(name)

    def _ask(self) -> dict[str, list[Observation]]:
        totals: dict[str, _Totals] = {}
        failed: set[str] = set()
        for name, plugin, bugs in self._plugins():
            try:
                for metric in _metrics_of(plugin):
                    self._note(_Told(name, metric, bugs))
                    _add(metric, totals.setdefault(metric.name, {}))
            except Exception as error:
                failed.add(name)
                self._report(name, bugs, error)
        return {
            name: [
                Observation(value, labels)
                for value, labels in totals.get(name, {}).values()
                if told.plugin not in failed
            ]
            for name, told in list(self._told.items())
        }

    def _plugins(self) -> Iterator[tuple[str, object, Counter[str]]]:
        """Each plugin once, also where several clients have it."""
        asked: dict[int, object] = {}
        for middleware in self._clients():
            for name, plugin in middleware.plugins.items():
                if id(plugin) not in asked:
                    asked[id(plugin)] = plugin
                    yield name, plugin, middleware.bugs.setdefault(name, Counter())

    def _report(self, plugin: str, bugs: Counter[str], error: Exception) -> None:
        kind = type(error).__name__
        bugs[kind] += 1
        if (plugin, kind) not in self._logged:
            self._logged.add((plugin, kind))
            logger.error(
                "plugin %r, metrics(): %s: %s; its metrics are missing while it does so, and all "
                "others are exported (logged once, counted in middleware.bugs)",
                plugin,
                kind,
                error,
                exc_info=error,
            )


def _metrics_of(plugin: object) -> Iterator[Metric]:
    tell = getattr(plugin, "metrics", None)
    if callable(tell):
        for metric in tell():
            if isinstance(metric, Metric):
                yield metric


def _add(metric: Metric, totals: _Totals) -> None:
    # Two observations with the same attributes would take each other's place.
    for value, labels in metric.readings:
        key = frozenset(labels.items())
        known = totals.get(key)
        if not math.isfinite(value):
            continue
        if known is not None:
            value = max(value, known[0]) if metric.kind is Kind.GAUGE else value + known[0]
        totals[key] = (value, labels)
