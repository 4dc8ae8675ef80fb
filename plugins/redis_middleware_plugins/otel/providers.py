"""The application's global providers."""

from __future__ import annotations

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

__all__ = ["present_meter_provider", "present_tracer_provider"]

_STAND_INS = ("opentelemetry.trace", "opentelemetry.metrics")


def present_tracer_provider() -> TracerProvider | None:
    """The application's global provider; ``None`` where there is only the API's stand-in."""
    provider = trace.get_tracer_provider()
    return None if type(provider).__module__.startswith(_STAND_INS) else provider


def present_meter_provider() -> MeterProvider | None:
    """The same for metrics."""
    provider = metrics.get_meter_provider()
    return None if type(provider).__module__.startswith(_STAND_INS) else provider
