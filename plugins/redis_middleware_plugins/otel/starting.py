"""Starting the span of a command, the quickest way that makes no difference to what is exported.

Ids, sampler, processors and resource are the tracer's own. Wherever a tracer is not the SDK's, or
was given limits or settings that this does not heed, its ``start_span`` is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
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
_FLAGS = tuple(TraceFlags(value) for value in range(4))
_SAMPLED, _RANDOM = 1, 2


def span_starter(provider: TracerProvider, name: str, version: str, schema_url: str) -> StartSpan:
    """The quickest way to start spans.

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
        and hasattr(tracer.span_processor, "_on_ending")
        and hasattr(tracer.id_generator, "is_trace_id_random")
    )


def _light_starter(tracer: Any, name: str, version: str, schema_url: str) -> StartSpan:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from redis_middleware_plugins.otel.light_span import LightSpan

    scope = InstrumentationScope(name, version, schema_url)
    sampler, ids, processor = tracer.sampler, tracer.id_generator, tracer.span_processor
    new_trace_id, new_span_id = ids.generate_trace_id, ids.generate_span_id
    started, is_enabled = LightSpan.started, tracer._is_enabled
    verdicts = _verdicts_by_parent(sampler)

    def start(name: str, context: Context, attributes: Any) -> Span:
        parent: SpanContext | None = get_current_span(context).get_span_context()
        if not is_enabled():
            return NonRecordingSpan(parent)  # type: ignore[arg-type]
        state: Any = None
        if parent is None or not parent.is_valid:
            parent = None
            trace_id = new_trace_id()
            flags = _RANDOM if ids.is_trace_id_random() else 0
            verdict = verdicts[0]
        else:
            trace_id, _, is_remote, given, state, _ = parent
            flags = given & _RANDOM
            verdict = verdicts[1 + (given & _SAMPLED) + 2 * is_remote]
        if verdict is None:
            sampled = sampler.should_sample(context, trace_id, name, _CLIENT, attributes, ())
            verdict = _verdict(sampled.decision)
            attributes, state = dict(sampled.attributes), sampled.trace_state
        is_recording, is_sampled = verdict
        own = SpanContext(trace_id, new_span_id(), False, _FLAGS[flags | is_sampled], state)
        if not is_recording:
            return NonRecordingSpan(own)
        span = started(name, own, parent, attributes, tracer, scope)
        processor.on_start(span, parent_context=context)
        return span

    return start


_Verdict = tuple[bool, int]
"""Whether a span records, and its flag for being sampled."""


def _verdict(decision: Any) -> _Verdict:
    return decision.is_recording(), _SAMPLED if decision.is_sampled() else 0


def _verdicts_by_parent(sampler: Any) -> list[_Verdict | None]:
    """What a sampler decides by looking at nothing but the parent; ``None`` where it must be asked.

    Returns:
        For no parent, then for local ones that are not sampled and that are, then for remote ones.
    """
    from opentelemetry.sdk.trace.sampling import ParentBased, StaticSampler

    def fixed(asked: Any) -> _Verdict | None:
        is_static = type(asked) is StaticSampler and hasattr(asked, "_decision")
        return _verdict(asked._decision) if is_static else None

    names = ["_root", "_local_parent_not_sampled", "_local_parent_sampled"]
    names += ["_remote_parent_not_sampled", "_remote_parent_sampled"]
    if type(sampler) is ParentBased:
        return [fixed(getattr(sampler, name, None)) for name in names]
    return [fixed(sampler)] * len(names)
