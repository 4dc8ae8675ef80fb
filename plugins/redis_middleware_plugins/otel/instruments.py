"""The metrics: those of the semantic conventions, and those that plugins tell of."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from redis_middleware import Middleware, notes
from redis_middleware.readings import Kind, Metric
from redis_middleware.redispy.pools import pool_counts
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.light_histogram import recorder_of
from redis_middleware_plugins.otel.noted import Notes
from redis_middleware_plugins.otel.rivals import native_groups
from redis_middleware_plugins.otel.templates import NameCap, pool_name

__all__ = ["DURATION_BUCKETS", "Instruments", "instruments_of"]

DURATION_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""The advised boundaries of ``db.client.operation.duration``, in seconds."""


class Instruments:
    """The instruments of one meter provider, shared by all wrapped clients that use it.

    Attributes:
        duration: how long commands took.
        record_duration: records in it, the quickest way.
        create_time: how long it took to make connections.
        wait_time: how long it took to get one from a pool.
        record_wait_time: records in it, the quickest way.
        use_time: how long one was used until it was given back.
        record_use_time: likewise.
        timeouts: how often that failed.
        error_types: lets values of ``error.type`` through while there are few: scripts make up
            prefixes of their own.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._middlewares: weakref.WeakSet[Middleware] = weakref.WeakSet()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self.error_types = NameCap()
        self.duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.record_duration = recorder_of(self.duration)
        self.create_time = meter.create_histogram(
            "db.client.connection.create_time",
            unit="s",
            description="The time it took to create a new connection.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.wait_time = meter.create_histogram(
            "db.client.connection.wait_time",
            unit="s",
            description="The time it took to obtain an open connection from the pool.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.record_wait_time = recorder_of(self.wait_time)
        self.use_time = meter.create_histogram(
            "db.client.connection.use_time",
            unit="s",
            description="The time between borrowing a connection and returning it to the pool.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.record_use_time = recorder_of(self.use_time)
        self.timeouts = meter.create_counter(
            "db.client.connection.timeouts",
            unit="{timeout}",
            description="The number of connection timeouts that have occurred trying to obtain a "
            "connection from the pool.",
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.count",
            [self._count_connections],
            unit="{connection}",
            description="The number of connections that are currently in state described by the "
            "`state` attribute.",
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.max",
            [self._count_maxima],
            unit="{connection}",
            description="The maximum number of open connections allowed.",
        )
        self._answers = meter.create_counter(
            "redis_middleware.answers",
            unit="{command}",
            description="Commands that a plugin answered without the server.",
        )
        self._refusals = meter.create_counter(
            "redis_middleware.refusals",
            unit="{command}",
            description="Commands that a plugin refused.",
        )
        self._redirections = meter.create_counter(
            "redis_middleware.redirections",
            unit="{redirection}",
            description="Redirections to another node of a cluster.",
        )
        self._lookups = meter.create_counter(
            "redis_middleware.cache.lookups",
            unit="{command}",
            description="Commands that a cache was asked for, by outcome.",
        )
        self._retries = meter.create_counter(
            "redis_middleware.retries", unit="{retry}", description="Commands sent once more."
        )

    def follow(self, middleware: Middleware) -> None:
        """Observe a client's pool, and what its plugins tell of, until the client is gone."""
        with self._lock:
            self._middlewares.add(middleware)
            for metric in _told_by(middleware):
                if metric.name not in self._told:
                    self._told.add(metric.name)
                    self._create(metric)

    def count_notes(self, noted: Notes) -> None:
        """Count what plugins noted on one command."""
        for name, instrument, labels in (
            (notes.ANSWERED_BY, self._answers, (notes.ANSWERED_BY,)),
            (notes.REFUSED_BY, self._refusals, (notes.REFUSED_BY, notes.REFUSAL)),
            (notes.CACHE, self._lookups, (notes.CACHE,)),
        ):
            if name in noted:
                instrument.add(1, {label: noted[label] for label in labels if label in noted})
        for name, kind in ((notes.MOVED, "MOVED"), (notes.ASK, "ASK")):
            if name in noted:
                self._redirections.add(int(noted[name]), {names.REDIRECTION: kind})
        if notes.RETRIES in noted:
            self._retries.add(int(noted[notes.RETRIES]))

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
        # Two observations with the same attributes would take each other's place.
        totals: dict[frozenset[Any], tuple[float, Mapping[str, Any]]] = {}
        for middleware in list(self._middlewares):
            for metric in _told_by(middleware):
                if metric.name != name:
                    continue
                for value, labels in metric.readings:
                    key = frozenset(labels.items())
                    known = totals.get(key)
                    if known is not None:
                        is_gauge = metric.kind is Kind.GAUGE
                        value = max(value, known[0]) if is_gauge else value + known[0]
                    totals[key] = (value, labels)
        return [Observation(value, labels) for value, labels in totals.values()]

    def _count_connections(self, options: CallbackOptions) -> Iterable[Observation]:
        if "CONNECTION_BASIC" in native_groups():
            return []
        totals: dict[tuple[str, str], int] = {}
        for pool, idle, used, _ in self._pools():
            for state, count in (("idle", idle), ("used", used)):
                totals[pool, state] = totals.get((pool, state), 0) + count
        return [
            Observation(count, {names.POOL_NAME: pool, names.POOL_STATE: state})
            for (pool, state), count in totals.items()
        ]

    def _count_maxima(self, options: CallbackOptions) -> Iterable[Observation]:
        totals: dict[str, int] = {}
        for pool, _, _, maximum in self._pools():
            if maximum is not None:
                totals[pool] = totals.get(pool, 0) + maximum
        return [Observation(count, {names.POOL_NAME: pool}) for pool, count in totals.items()]

    def _pools(self) -> Iterable[tuple[str, int, int, int | None]]:
        seen: set[int] = set()
        for middleware in list(self._middlewares):
            view = middleware.client
            if id(view.pool) in seen:
                continue
            seen.add(id(view.pool))
            for address, idle, used, maximum in pool_counts(view):
                yield pool_name(address, view.db), idle, used, maximum


def _told_by(middleware: Middleware) -> Iterable[Metric]:
    for plugin in list(middleware.plugins.values()):
        tell = getattr(plugin, "metrics", None)
        if callable(tell):
            for metric in tell():
                if isinstance(metric, Metric):
                    yield metric


_known: weakref.WeakKeyDictionary[MeterProvider, Instruments] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def instruments_of(provider: MeterProvider, version: str, schema_url: str) -> Instruments:
    """The instruments of a provider, made on first use."""
    with _lock:
        known = _known.get(provider)
        if known is None:
            meter = provider.get_meter("redis_middleware", version, schema_url)
            known = _known[provider] = Instruments(meter)
        return known
