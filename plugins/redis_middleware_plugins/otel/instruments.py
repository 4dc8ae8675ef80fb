"""The metrics: those of the semantic conventions, and those that plugins tell of."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from redis_middleware import Middleware, notes
from redis_middleware.redispy.pools import pool_counts
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.light_histogram import recorder_of
from redis_middleware_plugins.otel.noted import Notes
from redis_middleware_plugins.otel.observables import make_observables
from redis_middleware_plugins.otel.plugin_metrics import PluginMetrics
from redis_middleware_plugins.otel.process_lock import ProcessLock
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
        # A collection looks at them while clients come and go: unlike a WeakSet, this is copied
        # in one step.
        self._clients: weakref.WeakValueDictionary[int, Middleware] = weakref.WeakValueDictionary()
        self._plugin_metrics = PluginMetrics(meter, self._followed)
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

    def observe_pools(self) -> None:
        """Have the connections of all clients' pools counted with each collection."""
        make_observables(self._meter, self._make_observables)

    def _make_observables(self) -> None:
        self._meter.create_observable_up_down_counter(
            "db.client.connection.count",
            [self._count_connections],
            unit="{connection}",
            description="The number of connections that are currently in state described by the "
            "`state` attribute.",
        )
        self._meter.create_observable_up_down_counter(
            "db.client.connection.max",
            [self._count_maxima],
            unit="{connection}",
            description="The maximum number of open connections allowed.",
        )

    def follow(self, middleware: Middleware) -> None:
        """Observe a client's pool, and what its plugins tell of, until the client is gone."""
        self._clients[id(middleware)] = middleware
        self._plugin_metrics.learn(middleware)

    def catch_up(self) -> None:
        """Export what plugins tell of since a collection that they did not tell of before."""
        self._plugin_metrics.create_instruments()

    def _followed(self) -> list[Middleware]:
        references = self._clients.valuerefs()
        return [client for reference in references if (client := reference()) is not None]

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
        for middleware in self._followed():
            view = middleware.client
            if id(view.pool) in seen:
                continue
            seen.add(id(view.pool))
            for address, idle, used, maximum in pool_counts(view):
                yield pool_name(address, view.db), idle, used, maximum


_known: weakref.WeakKeyDictionary[MeterProvider, Instruments] = weakref.WeakKeyDictionary()
_lock = ProcessLock()


def instruments_of(provider: MeterProvider, version: str, schema_url: str) -> Instruments:
    """The instruments of a provider, made on first use."""
    with _lock:
        known = _known.get(provider)
        if known is not None:
            return known
        meter = provider.get_meter("redis_middleware", version, schema_url)
        made = _known[provider] = Instruments(meter)
    # Not within the lock: a collection that is waited for here may call back what waits for it.
    made.observe_pools()
    return made
