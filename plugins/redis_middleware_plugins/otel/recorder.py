"""Where spans and metrics go, and by which rules: swapped whole when any of it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from redis_middleware import Batch, Command, __version__
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.filters import Sampling
from redis_middleware_plugins.otel.hooks import Hook
from redis_middleware_plugins.otel.instruments import Instruments, instruments_of
from redis_middleware_plugins.otel.light_histogram import Record, Series
from redis_middleware_plugins.otel.outcomes import Failure, failure_attributes
from redis_middleware_plugins.otel.starting import StartSpan, span_starter

__all__ = ["Recorder"]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.36.0"


class Recorder:
    """What a command is recorded with.

    Attributes:
        tracer: makes spans; ``None`` for none.
        start_span: starts those of commands, the quickest way; ``None`` likewise.
        instruments: the metrics; ``None`` for none.
        record_duration: records how long a command took; ``None`` where nobody wants that.
        sampling: which commands get a span.
        samples_late: whether spans are made when their command has ended.
        is_plain: whether there is no more to do than to begin and end spans.
        is_idle: whether there is nobody to tell anything.
        clock: seconds from any fixed point.
        query_with_keys: makes the query text of a command or batch; ``None`` where that of all
            calls of a kind is the same.
        request_hook: the application's.
        reply_hook: the application's.
        error_messages: whether exceptions are recorded whole.
        failures_shown: how many failed commands of a batch are shown.
    """

    __slots__ = (
        "clock",
        "error_messages",
        "failures_shown",
        "instruments",
        "is_idle",
        "is_plain",
        "query_with_keys",
        "record_duration",
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
        measures_durations: bool,
        sampling: Sampling,
        query_with_keys: Callable[[Command | Batch], str] | None,
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
        self.record_duration: Record | None = None
        if meter_provider is not None:
            self.instruments = instruments_of(meter_provider, __version__, SCHEMA_URL)
            if measures_durations:
                self.record_duration = self.instruments.record_duration
        self.is_idle = self.tracer is None and self.instruments is None
        self.sampling = sampling
        self.query_with_keys = query_with_keys
        self.request_hook = request_hook
        self.reply_hook = reply_hook
        self.samples_late = self.tracer is not None and sampling.is_on
        self.is_plain = not (self.samples_late or query_with_keys or request_hook or reply_hook)
        self.clock = clock
        self.error_messages = error_messages
        self.failures_shown = failures_shown

    def record_failure(
        self, duration: float, series: Series, failure: Failure, context: Context
    ) -> None:
        """Record how long a command took that failed."""
        if self.instruments is None or self.record_duration is None:
            return
        labels = failure_attributes(failure)
        kind = self.instruments.error_types(failure.type)
        if kind != failure.type:
            labels = {names.ERROR_TYPE: kind}
        self.instruments.duration.record(duration, {**series.attributes, **labels}, context)

    def start_attributes(self, subject: Command | Batch, attributes: Any) -> Any:
        """The attributes of a span at its start."""
        if self.query_with_keys is None:
            return attributes
        return {**attributes, names.DB_QUERY_TEXT: self.query_with_keys(subject)}
