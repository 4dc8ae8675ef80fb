"""What tracing and measuring cost, beside opentelemetry-instrumentation-redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import redis
import redis.asyncio
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from benchmarks.measuring import Timing, compare, compare_async
from benchmarks.rows import Row
from redis_middleware import wrap
from redis_middleware.embedded import standalone
from redis_middleware_plugins.otel import Otel, OtelSettings, SamplingSettings

GROUP = "otel"

_BARE = "bare"
_WRAPPED = "wrapped without plugins"
_RIVAL = "opentelemetry-instrumentation-redis"
_CONTRIB = f"{_RIVAL}, sampled"
_CONTRIB_OFF = f"{_RIVAL}, head-sampled out"
_SPAN = "span"
_BOTH = "span and duration metric"
_METRIC = "duration metric alone"
_OFF = "head-sampled out"
_RULES = "one in 100 by rule"
_ABSENT = "providers absent"

# The largest share of what opentelemetry-instrumentation-redis adds, and the most µs added to a
# command of a sync client. What wrapping itself adds to an async one is in the group "engine".
_SHARES = {_SPAN: 0.5, _BOTH: 0.7}
_MOST = {_OFF: 10.0, _ABSENT: 3.0}


class _Discarding(SpanExporter):
    """Throws spans away: what exporting costs is the same for all."""

    def export(self, spans: Any) -> SpanExportResult:
        """Throw them away."""
        return SpanExportResult.SUCCESS


def _tracers(**arguments: Any) -> TracerProvider:
    provider = TracerProvider(**arguments)
    provider.add_span_processor(BatchSpanProcessor(_Discarding(), max_queue_size=100_000))
    return provider


def _plugins() -> dict[str, Otel]:
    sampled, off = _tracers(), _tracers(sampler=ParentBased(ALWAYS_OFF))
    meters = MeterProvider([InMemoryMetricReader()])
    spans, only_metrics = OtelSettings(metrics=False), OtelSettings(traces=False)
    rules = OtelSettings(metrics=False, sampling=SamplingSettings(one_in=100))
    return {
        _SPAN: Otel(spans, tracer_provider=sampled),
        _BOTH: Otel(tracer_provider=sampled, meter_provider=meters),
        _METRIC: Otel(only_metrics, meter_provider=meters),
        _OFF: Otel(spans, tracer_provider=off),
        _RULES: Otel(rules, tracer_provider=sampled),
        _ABSENT: Otel(),
    }


def _clients(make: Callable[[], Any]) -> dict[str, Any]:
    """A client for each rival, of the same server."""
    clients = {_BARE: make()}
    for name, sampler in ((_CONTRIB, None), (_CONTRIB_OFF, ParentBased(ALWAYS_OFF))):
        client = clients[name] = make()
        RedisInstrumentor.instrument_client(client, tracer_provider=_tracers(sampler=sampler))
    clients[_WRAPPED] = wrap(make(), {}, plugins=[])
    for name, plugin in _plugins().items():
        clients[name] = wrap(make(), {}, plugins=[plugin])
    return clients


def _rows(prefix: str, timings: Mapping[str, Timing], *, batch: bool = False) -> list[Row]:
    bare, wrapped = timings[_BARE], timings[_WRAPPED]
    rows = [
        Row(GROUP, f"{prefix}: {name}", timings[name].value, "µs", timings[name].spread)
        for name in (_BARE, _WRAPPED)
    ]
    # A wrapped pipeline takes less time than a bare one: that is not what the plugin adds.
    base = wrapped if batch else bare
    for name, timing in timings.items():
        if name in (_BARE, _WRAPPED):
            continue
        added = Timing(_differences(timing, bare if name.startswith(_RIVAL) else base))
        target = _MOST.get(name) if prefix.startswith("sync") else None
        if batch:
            target = 60.0 if name in (_SPAN, _BOTH) else None
        rows.append(Row(GROUP, f"{prefix}: {name}: adds", added.value, "µs", added.spread, target))
    contrib = Timing(_differences(timings[_CONTRIB], bare)).value
    for name, share in _SHARES.items():
        ratio = Timing(tuple(each / contrib for each in _differences(timings[name], base)))
        target = None if batch else share
        title = f"{prefix}: {name}: added / added by opentelemetry-instrumentation-redis"
        rows.append(Row(GROUP, title, ratio.value, "ratio", ratio.spread, target))
    return rows


def _differences(timing: Timing, base: Timing) -> tuple[float, ...]:
    return tuple(one - other for one, other in zip(timing.rounds, base.rounds, strict=True))


def _sync_rows(port: int) -> list[Row]:
    clients = _clients(lambda: redis.Redis(port=port))
    clients[_BARE].set("key", b"x" * 100)

    def single(client: Any) -> Callable[[], object]:
        return lambda: client.get("key")

    def batch(client: Any) -> Callable[[], object]:
        def execute() -> object:
            pipe = client.pipeline(transaction=False)
            for _ in range(100):
                pipe.get("key")
            return pipe.execute()

        return execute

    singles = {name: single(client) for name, client in clients.items()}
    rows = _rows("sync GET", compare(singles, calls=100, rounds=150))
    batches = {name: batch(client) for name, client in clients.items()}
    rows += _rows("pipeline of 100 GETs", compare(batches, calls=5, rounds=100), batch=True)
    for client in clients.values():
        client.close()
    return rows


async def _async_rows(port: int) -> list[Row]:
    clients = _clients(lambda: redis.asyncio.Redis(port=port))

    def single(client: Any) -> Callable[[], Any]:
        return lambda: client.get("key")

    singles = {name: single(client) for name, client in clients.items()}
    rows = _rows("async GET", await compare_async(singles, calls=50, rounds=120))
    for client in clients.values():
        await client.aclose()
    return rows


def rows() -> list[Row]:
    """Run the group."""
    with standalone() as server:
        return [*_sync_rows(server.port), *asyncio.run(_async_rows(server.port))]
