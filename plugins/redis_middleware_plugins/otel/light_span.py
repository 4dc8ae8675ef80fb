"""Spans for the SDK's tracer, without what the SDK does for spans it knows nothing about.

``Tracer.start_span`` copies and checks every attribute, makes locks and bounded lists, and copies
all of it again at the end: four fifths of what tracing a command costs. The attributes here come
from templates that are checked once. Sampler, ids, processors and resource are the tracer's own, so
that what is exported is the same; ``span_starter`` falls back on ``start_span`` wherever a tracer
is not the SDK's own, or was given limits or settings that this does not heed.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from time import time_ns
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
    get_current_span,
)

__all__ = ["StartSpan", "span_starter"]

StartSpan = Callable[[str, Context, Any], Span]
"""Starts a span of kind CLIENT: called with name, context and attributes."""

_MOST_ATTRIBUTES = 128
_INTERNAL_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
_CLIENT = SpanKind.CLIENT
_UNSET = Status(StatusCode.UNSET)
_FLAGS = {value: TraceFlags(value) for value in range(4)}
_SAMPLED, _RANDOM = 1, 2


def span_starter(provider: TracerProvider, name: str, version: str, schema_url: str) -> StartSpan:
    """The quickest way to start spans that makes no difference to what is exported.

    Args:
        provider: the application's; usually the SDK's.
        name: the name of the instrumentation scope.
        version: its version.
        schema_url: the conventions it follows.
    """
    tracer = provider.get_tracer(name, version, schema_url=schema_url)
    if not _is_plain(tracer):
        return _plain_starter(tracer)
    return _light_starter(tracer, name, version, schema_url)


def _plain_starter(tracer: Tracer) -> StartSpan:
    def start(name: str, context: Context, attributes: Any) -> Span:
        return tracer.start_span(name, context, _CLIENT, attributes)

    return start


def _is_plain(tracer: Any) -> bool:
    """Whether it is the SDK's own tracer, as far as this module heeds what it can be told."""
    kind = type(tracer)
    if (kind.__module__, kind.__qualname__) != ("opentelemetry.sdk.trace", "Tracer"):
        return False
    if os.environ.get(_INTERNAL_METRICS, "").lower() == "true":
        return False
    limits = getattr(tracer, "_span_limits", None)
    return (
        getattr(limits, "max_span_attributes", None) == _MOST_ATTRIBUTES
        and getattr(limits, "max_span_attribute_length", 0) is None
        and getattr(limits, "max_attribute_length", 0) is None
        and hasattr(tracer, "_is_enabled")
        and hasattr(tracer.id_generator, "is_trace_id_random")
    )


def _light_starter(tracer: Any, name: str, version: str, schema_url: str) -> StartSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    scope = InstrumentationScope(name, version, schema_url)
    sampler, ids, processor = tracer.sampler, tracer.id_generator, tracer.span_processor

    def start(name: str, context: Context, attributes: Any) -> Span:
        parent: SpanContext | None = get_current_span(context).get_span_context()
        if not tracer._is_enabled():
            return NonRecordingSpan(parent)  # type: ignore[arg-type]
        if parent is None or not parent.is_valid:
            parent = None
            trace_id = ids.generate_trace_id()
            flags = _RANDOM if ids.is_trace_id_random() else 0
        else:
            trace_id = parent.trace_id
            flags = parent.trace_flags & _RANDOM
        sampled = sampler.should_sample(context, trace_id, name, _CLIENT, attributes, ())
        decision = sampled.decision
        if decision.is_sampled():
            flags |= _SAMPLED
        own = SpanContext(
            trace_id, ids.generate_span_id(), False, _FLAGS[flags], sampled.trace_state
        )
        if not decision.is_recording():
            return NonRecordingSpan(own)
        span = _LightSpan(name, own, parent, dict(sampled.attributes), tracer, scope, ReadableSpan)
        processor.on_start(span, parent_context=context)
        return span

    return start


class _LightSpan(Span):
    """A span that is being recorded.

    Its attributes have the names that a span of the SDK's shows to processors.
    """

    __slots__ = (
        "_exported",
        "_tracer",
        "attributes",
        "context",
        "end_time",
        "events",
        "instrumentation_scope",
        "name",
        "parent",
        "start_time",
        "status",
    )

    kind = _CLIENT
    links = ()

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Any,
        tracer: Any,
        scope: Any,
        exported: Callable[..., Any],
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.attributes = attributes
        self.instrumentation_scope = scope
        self.events: tuple[Any, ...] = ()
        self.status = _UNSET
        self.end_time: int | None = None
        self._tracer = tracer
        self._exported = exported
        self.start_time = time_ns()

    @property
    def resource(self) -> Any:
        """The resource of its provider."""
        return self._tracer.resource

    @property
    def instrumentation_info(self) -> Any:
        """What the SDK had before scopes."""
        return self._tracer.instrumentation_info

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        return self.context

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute, checked as the SDK does."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Any) -> None:
        """Set attributes, checked as the SDK does."""
        if self.end_time is not None:
            return
        if self.attributes.__class__ is dict:
            self.attributes = BoundedAttributes(_MOST_ATTRIBUTES, self.attributes, immutable=False)
        for key, value in attributes.items():
            self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event."""
        from opentelemetry.sdk.trace import Event

        if self.end_time is None:
            checked = BoundedAttributes(_MOST_ATTRIBUTES, attributes)
            self.events = (*self.events, Event(name, checked, timestamp))

    def update_name(self, name: str) -> None:
        """Give it another name."""
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, and UNSET is ignored."""
        given = Status(status, description) if isinstance(status, StatusCode) else status
        is_final = self.status.status_code is StatusCode.OK
        if self.end_time is None and not given.is_unset and not is_final:
            self.status = given

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an exception as an event, as the SDK does."""
        kind = type(exception)
        module = kind.__module__
        name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
        told = {
            "exception.type": name,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**told, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it: it is exported."""
        if self.end_time is not None:
            return
        self.end_time = time_ns() if end_time is None else end_time
        tracer = self._tracer
        tracer.span_processor.on_end(
            self._exported(
                self.name,
                self.context,
                self.parent,
                tracer.resource,
                self.attributes,
                self.events,
                self.links,
                _CLIENT,
                tracer.instrumentation_info,
                self.status,
                self.start_time,
                self.end_time,
                self.instrumentation_scope,
            )
        )
