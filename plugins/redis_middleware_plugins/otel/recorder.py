"""Where spans and metrics go, and by which rules: swapped whole when any of it changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from redis_middleware import Command, __version__
from redis_middleware_plugins.otel.filters import Sampling
from redis_middleware_plugins.otel.hooks import Hook
from redis_middleware_plugins.otel.instruments import Instruments, instruments_of
from redis_middleware_plugins.otel.starting import StartSpan, span_starter

__all__ = ["Recorder", "present_meter_provider", "present_tracer_provider"]

SCHEMA_URL = "https://opentelemetry.io/schemas/1.36.0"
_EXEMPLARS_EVERY = 0.01
_SLOW = 0.005
# An empty context would mean the current one.
_NO_SPAN = Context({"redis_middleware.no_span": True})
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
        start_span: starts those of commands, the quickest way; ``None`` likewise.
        instruments: the metrics; ``None`` for none.
        duration: the histogram of durations; ``None`` where nobody wants it.
        sampling: which commands get a span.
        samples_late: whether spans are made when their command has ended.
        is_plain: whether there is no more to do than to begin and end spans.
        clock: seconds from any fixed point.
        query_with_keys: makes the query text of a command; ``None`` where that of all calls of a
            kind is the same.
        request_hook: the application's.
        reply_hook: the application's.
        error_messages: whether exceptions are recorded whole.
        failures_shown: how many failed commands of a batch are shown.
    """

    __slots__ = (
        "_next_exemplar",
        "clock",
        "duration",
        "error_messages",
        "failures_shown",
        "instruments",
        "is_plain",
        "query_with_keys",
        "reply_hook",
        "request_hook",
        "samples_late",
        "sampling",
        "start_span",
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
        clock: Callable[[], float],
    ) -> None:
        self.tracer: Tracer | None = None
        self.start_span: StartSpan | None = None
        if tracer_provider is not None:
            scope = ("redis_middleware", __version__)
            self.tracer = tracer_provider.get_tracer(*scope, schema_url=SCHEMA_URL)
            self.start_span = span_starter(tracer_provider, *scope, SCHEMA_URL)
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
        self.is_plain = not (self.samples_late or query_with_keys or request_hook or reply_hook)
        self.clock = clock
        self._next_exemplar = -math.inf
        self.error_messages = error_messages
        self.failures_shown = failures_shown

    def record_duration(self, end: float, start: float, labels: Any, context: Context) -> None:
        """Record how long something took.

        The SDK keeps the latest exemplar of each bucket until the next export: one in ten
        milliseconds, and every one that was slow, are as good as all, and cost much less.

        Args:
            end: the clock's reading at the end.
            start: the same at the start.
            labels: the attributes.
            context: the context with its span, for the exemplar.
        """
        assert self.duration is not None
        duration = end - start
        if end >= self._next_exemplar or duration >= _SLOW:
            self._next_exemplar = end + _EXEMPLARS_EVERY
        else:
            context = _NO_SPAN
        self.duration.record(duration, labels, context)

    @property
    def is_idle(self) -> bool:
        """Whether there is nobody to tell anything."""
        return self.tracer is None and self.instruments is None

    def start_attributes(self, subject: Any, attributes: Any) -> Any:
        """The attributes of a span at its start."""
        if self.query_with_keys is None or subject.__class__ is not Command:
            return attributes
        return {**attributes, "db.query.text": self.query_with_keys(subject)}
