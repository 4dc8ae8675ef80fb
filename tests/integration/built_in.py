"""Clients with all the built-in plugins, by one settings file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from redis_middleware import wrap
from redis_middleware_plugins.otel import Otel

__all__ = ["SETTINGS", "own_otel", "with_built_in_plugins"]

SETTINGS = Path(__file__).with_name("built_in.toml")

_INSIDE_OF_OTEL = ["key_access", "local_cache", "size_guard", "slot_routing"]
_tracer_provider = TracerProvider()
_meter_provider = MeterProvider([InMemoryMetricReader()])


def with_built_in_plugins(client: Any) -> Any:
    """Wrap a client with all of them; its spans and metrics are made, and go nowhere."""
    return wrap(client, SETTINGS, plugins=[own_otel(), *_INSIDE_OF_OTEL])


def own_otel() -> Otel:
    """An otel with providers of the tests' own, for one client."""
    # The global providers are the process's, and other tests set them up.
    return Otel(Otel.Settings(), tracer_provider=_tracer_provider, meter_provider=_meter_provider)
