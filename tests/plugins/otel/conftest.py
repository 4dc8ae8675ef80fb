"""Providers that keep in memory what the plugin records, and clients of all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from redis_middleware import wrap
from redis_middleware.embedded import Server
from redis_middleware_plugins.otel import Otel, OtelSettings


@dataclass
class Recorded:
    """A tracer and a meter provider, and what was recorded with them."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])

    def plugin(self, settings: OtelSettings | None = None, **arguments: Any) -> Otel:
        """The plugin, recording here."""
        return Otel(settings, tracer_provider=self.tracers, meter_provider=self.meters, **arguments)

    def wrapped(self, client: Any, *plugins: object, **settings: Any) -> Any:
        """The client, wrapped with the plugin and the others within it."""
        return wrap(client, {}, plugins=[self.plugin(OtelSettings(**settings)), *plugins])

    def spans(self, *names: str) -> list[Any]:
        """The spans that ended so far, those of connections left out unless they are named."""
        return [
            span
            for span in self.exporter.get_finished_spans()
            if (span.name in names if names else not span.name.startswith("CONNECT"))
        ]

    def span(self, name: str) -> Any:
        """The only span of that name."""
        (found,) = self.spans(name)
        return found

    def points(self, name: str) -> list[Any]:
        """The data points of a metric; none where it has not been recorded."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def metric_names(self) -> set[str]:
        """The names of the metrics that have been recorded."""
        data = self.reader.get_metrics_data()
        return {
            metric.name
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Return providers that keep what is recorded."""
    providers = Recorded()
    yield providers
    providers.tracers.shutdown()
    providers.meters.shutdown()


# A client whose methods mypy does not know: redis-py gives a pipeline's the types of a client's.
MakeClient = Callable[..., Any]


@pytest.fixture
def client_with(clean_standalone: Server) -> Iterator[MakeClient]:
    """Return a function that makes a client with these plugins."""
    made: list[redis.Redis] = []

    def make(*plugins: object, **arguments: Any) -> redis.Redis:
        client = redis.Redis(port=clean_standalone.port, **arguments)
        made.append(wrap(client, {}, plugins=plugins))
        return client

    yield make
    for client in made:
        client.close()
