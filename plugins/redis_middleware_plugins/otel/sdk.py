"""Setting the OpenTelemetry SDK up from the settings, where the application has not.

Providers are the process's: the first client whose settings ask for them decides. They are flushed
at exit by the SDK itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from redis_middleware.discovery import require
from redis_middleware_plugins.otel.process_lock import ProcessLock
from redis_middleware_plugins.otel.providers import present_meter_provider, present_tracer_provider
from redis_middleware_plugins.otel.settings import SdkSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["Memory", "set_up"]

logger = logging.getLogger("redis_middleware.otel")

_NOISY = ("opentelemetry.exporter", "opentelemetry.sdk")
_QUIET_SECONDS = 60.0


class Memory:
    """What was exported to memory.

    Attributes:
        spans: the exporter of spans, with ``get_finished_spans()`` and ``clear()``; ``None`` where
            spans go elsewhere.
        metrics: the reader of metrics, with ``get_metrics_data()``; likewise.
    """

    def __init__(self) -> None:
        self.spans: InMemorySpanExporter | None = None
        self.metrics: InMemoryMetricReader | None = None


class _Once(logging.Filter):
    """Lets a message of an exporter through once a minute.

    The SDK logs each attempt: a receiver that is down for an hour would fill the logs.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, record.msg)
        now = self._clock()
        if now - self._last.get(key, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return False
        self._last[key] = now
        return True


_memory = Memory()
_lock = ProcessLock()
_quiet = _Once()


def set_up(settings: SdkSettings) -> Memory:
    """Set up what the settings ask for and the application has not.

    Returns:
        What goes to memory, the same object for all clients of the process.

    Raises:
        MissingExtraError: an exporter's package is not installed.
    """
    with _lock:
        if settings.traces != "none" and _is_free("traces", present_tracer_provider()):
            _set_up_traces(settings)
        if settings.metrics != "none" and _is_free("metrics", present_meter_provider()):
            _set_up_metrics(settings)
    return _memory


def _is_free(title: str, present: object) -> bool:
    if present is not None:
        logger.info("otel.sdk.%s is not used: %r is the global provider already", title, present)
    return present is None


def _set_up_traces(settings: SdkSettings) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    processor = _span_processor(settings)
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)), resource=_resource(settings)
    )
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)


def _span_processor(settings: SdkSettings) -> SpanProcessor:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor as AtOnce

    if settings.traces == "memory":
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        _memory.spans = InMemorySpanExporter()
        return AtOnce(_memory.spans)
    if settings.traces == "console":
        return AtOnce(ConsoleSpanExporter())
    exporter: SpanExporter = _otlp(settings, settings.traces, "trace_exporter", "OTLPSpanExporter")
    return BatchSpanProcessor(exporter, export_timeout_millis=settings.timeout * 1000)


def _set_up_metrics(settings: SdkSettings) -> None:
    from opentelemetry.sdk.metrics import MeterProvider

    reader = _metric_reader(settings)
    metrics.set_meter_provider(MeterProvider([reader], resource=_resource(settings)))


def _metric_reader(settings: SdkSettings) -> MetricReader:
    from opentelemetry.sdk.metrics.export import (
        ConsoleMetricExporter,
        InMemoryMetricReader,
        PeriodicExportingMetricReader,
    )

    if settings.metrics == "memory":
        _memory.metrics = InMemoryMetricReader()
        return _memory.metrics
    if settings.metrics == "prometheus":
        exporter = require(
            "opentelemetry.exporter.prometheus", extra="prometheus", setting="sdk.metrics"
        )
        client = require("prometheus_client", extra="prometheus", setting="sdk.metrics")
        client.start_http_server(settings.prometheus_port, settings.prometheus_host)
        served: MetricReader = exporter.PrometheusMetricReader()
        return served
    sink: Any = (
        ConsoleMetricExporter()
        if settings.metrics == "console"
        else _otlp(settings, settings.metrics, "metric_exporter", "OTLPMetricExporter")
    )
    return PeriodicExportingMetricReader(
        sink,
        export_interval_millis=settings.interval * 1000,
        export_timeout_millis=settings.timeout * 1000,
    )


def _otlp(settings: SdkSettings, protocol: str, module: str, name: str) -> Any:
    for noisy in _NOISY:
        _quieten(noisy)
    package = protocol.removeprefix("otlp-")
    found = require(
        f"opentelemetry.exporter.otlp.proto.{package}.{module}",
        extra=protocol,
        setting="sdk.traces" if module == "trace_exporter" else "sdk.metrics",
    )
    for known in list(logging.root.manager.loggerDict):
        if known.startswith(_NOISY):
            _quieten(known)
    arguments: dict[str, Any] = {"timeout": settings.timeout}
    if settings.headers:
        arguments["headers"] = {
            key: value.get_secret_value() for key, value in settings.headers.items()
        }
    if settings.endpoint is not None:
        endpoint = settings.endpoint.rstrip("/")
        if package == "http":
            path = "v1/traces" if module == "trace_exporter" else "v1/metrics"
            endpoint = endpoint if endpoint.endswith(path) else f"{endpoint}/{path}"
        else:
            arguments["insecure"] = endpoint.startswith("http://") or "://" not in endpoint
        arguments["endpoint"] = endpoint
    return getattr(found, name)(**arguments)


def _quieten(name: str) -> None:
    # A filter of a logger does not see the records of the loggers below it.
    noisy = logging.getLogger(name)
    if _quiet not in noisy.filters:
        noisy.addFilter(_quiet)


def _resource(settings: SdkSettings) -> Resource:
    from opentelemetry.sdk.resources import Resource

    found: dict[str, Any] = dict(settings.resource)
    if settings.service_name is not None:
        found["service.name"] = settings.service_name
    return Resource.create(found)
