"""Where spans and metrics go, and by which rules: swapped whole when any of it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from redis_middleware import Command, __version__
from redis_middleware_plugins.otel.filters import Sampling
from redis_middleware_plugins.otel.hooks import Hook
from redis_middleware_plugins.otel.instruments import Instruments, instruments_of

__all__ = ["Recorder", "present_meter_provider", "present_tracer_provider"]

SCHEMA_URL = "https://opentelemetry.io/schemas/1.36.0"
_STAND_INS = ("opentelemetry.trace", "opentelemetry.metrics")


def present_tracer_provider() -> TracerProvider | None:
    """The application's global provider; ``None`` where there is only the API's stand-in."""
    provider = trace.get_tracer_provider()
    return None if type(provider).__module__.startswith(_STAND_INS) else provider


def present_meter_provider() -> MeterProvider | None:
    """The same for metrics."""
    provider = metrics.get_meter_provider()
    return None if type(provider).__module__.startswith(_STAND_INS) else provider


class Recorder:
    """What a command is recorded with.

    Attributes:
        tracer: makes spans; ``None`` for none.
        instruments: the metrics; ``None`` for none.
        duration: the histogram of durations; ``None`` where nobody wants it.
        sampling: which commands get a span.
        samples_late: whether spans are made when their command has ended.
        ends_specially: whether there is more to do at a command's end than to end its span.
        query_with_keys: makes the query text of a command; ``None`` where that of all calls of a
            kind is the same.
        request_hook: the application's.
        reply_hook: the application's.
        error_messages: whether exceptions are recorded whole.
        failures_shown: how many failed commands of a batch are shown.
    """

    __slots__ = (
        "duration",
        "ends_specially",
        "error_messages",
        "failures_shown",
        "instruments",
        "query_with_keys",
        "reply_hook",
        "request_hook",
        "samples_late",
        "sampling",
        "tracer",
    )

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        *,
        sampling: Sampling,
        query_with_keys: Callable[[Command], str] | None,
        request_hook: Hook | None,
        reply_hook: Hook | None,
        error_messages: bool,
        failures_shown: int,
    ) -> None:
        self.tracer: Tracer | None = None
        if tracer_provider is not None:
            self.tracer = tracer_provider.get_tracer(
                "redis_middleware", __version__, schema_url=SCHEMA_URL
            )
        self.instruments: Instruments | None = None
        if meter_provider is not None:
            self.instruments = instruments_of(meter_provider, __version__, SCHEMA_URL)
        self.duration: Histogram | None = (
            None if self.instruments is None else self.instruments.duration
        )
        self.sampling = sampling
        self.query_with_keys = query_with_keys
        self.request_hook = request_hook
        self.reply_hook = reply_hook
        self.samples_late = self.tracer is not None and sampling.is_on
        self.ends_specially = self.samples_late or reply_hook is not None
        self.error_messages = error_messages
        self.failures_shown = failures_shown

    @property
    def is_idle(self) -> bool:
        """Whether there is nobody to tell anything."""
        return self.tracer is None and self.instruments is None

    def start_attributes(self, subject: Any, attributes: Any) -> Any:
        """The attributes of a span at its start."""
        if self.query_with_keys is None or subject.__class__ is not Command:
            return attributes
        return {**attributes, "db.query.text": self.query_with_keys(subject)}
