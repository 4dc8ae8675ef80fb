"""The light spans of commands are exported exactly as the SDK's own spans would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    use_span,
)

from redis_middleware_plugins.otel.starting import span_starter

_ATTRIBUTES: dict[str, Any] = {
    "db.system.name": "redis",
    "server.port": 6379,
    "names": ("GET", "SET"),
}
_SCOPE = ("scope", "1.0", "https://example.com/schema")


class _Provider:
    """A provider that keeps what it exports."""

    def __init__(self, **arguments: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(resource=Resource({"service.name": "x"}), **arguments)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def both(self) -> list[Span]:
        """A light span and one of the SDK's, started alike."""
        light = span_starter(self.provider, *_SCOPE)("GET", get_current(), _ATTRIBUTES)
        tracer = self.provider.get_tracer(_SCOPE[0], _SCOPE[1], schema_url=_SCOPE[2])
        return [light, tracer.start_span("GET", kind=SpanKind.CLIENT, attributes=_ATTRIBUTES)]

    def exported(self) -> list[dict[str, Any]]:
        """What was exported, without ids of its own and times."""
        found = []
        for span in self.exporter.get_finished_spans():
            told = json.loads(span.to_json())
            assert told["end_time"] >= told["start_time"]
            for name in ("start_time", "end_time"):
                del told[name]
            for event in told["events"]:
                del event["timestamp"]
            del told["context"]["span_id"]
            if told["parent_id"] is None:
                del told["context"]["trace_id"]
            scope = span.instrumentation_scope
            assert span.context is not None
            found.append(
                {
                    **told,
                    "flags": int(span.context.trace_flags),
                    "scope": None if scope is None else scope.to_json(),
                    "dropped": (
                        span.dropped_attributes,
                        span.dropped_events,
                        span.dropped_links,
                    ),
                }
            )
        return found


def _fail(span: Span) -> None:
    attributes: dict[str, Any] = {"error.type": "WRONGTYPE", "bad": object(), "": "no name"}
    span.set_attributes(attributes)
    span.set_status(StatusCode.ERROR, "WRONGTYPE")
    span.add_event("failed", {"index": 1})
    try:
        raise ValueError("a message")
    except ValueError as error:
        span.record_exception(error)


def _settle(span: Span) -> None:
    span.update_name("SET")
    span.set_status(Status(StatusCode.OK))
    span.set_status(StatusCode.ERROR, "too late")
    span.set_status(StatusCode.UNSET)


def _change_after_the_end(span: Span) -> None:
    span.end()
    span.set_attribute("late", True)
    span.add_event("late")
    span.update_name("late")
    span.set_status(StatusCode.ERROR)
    assert not span.is_recording()


def _link(span: Span) -> None:
    span.add_link(SpanContext(1, 2, True), {"why": "seen before"})


def _too_much(span: Span) -> None:
    for number in range(200):
        span.set_attribute(f"number {number}", number)
        span.add_event(f"event {number}")


def _use_as_a_context_manager(span: Span) -> None:
    with pytest.raises(ValueError, match="a message"), span:
        raise ValueError("a message")


@pytest.mark.parametrize(
    "change",
    [
        lambda span: None,
        _fail,
        _settle,
        _change_after_the_end,
        _link,
        _too_much,
        _use_as_a_context_manager,
    ],
)
def test_exported_alike(change: Callable[[Span], None]) -> None:
    """Whatever is done to the spans, both are exported once and alike."""
    provider = _Provider()
    for span in provider.both():
        change(span)
        span.end()
        span.end()

    light, own = provider.exported()
    for told in (light, own):
        for event in told["events"]:
            event["attributes"].pop("exception.stacktrace", None)
        told["attributes"].pop("bad", None)
    assert light == own


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("flags", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "sampler",
    [
        None,
        ALWAYS_ON,
        ParentBased(ALWAYS_OFF),
        ParentBased(TraceIdRatioBased(0.0)),
        ParentBased(ALWAYS_ON, remote_parent_sampled=ALWAYS_OFF),
        ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON),
        ParentBased(ALWAYS_ON, local_parent_sampled=TraceIdRatioBased(0.0)),
        ParentBased(ALWAYS_ON, local_parent_not_sampled=ALWAYS_ON),
    ],
)
def test_parents_alike(sampler: Sampler | None, flags: int, is_remote: bool) -> None:
    """A parent's trace, its sampling and its trace state are taken over, as samplers say."""
    state = TraceState([("vendor", "value")])
    parent = SpanContext(7, 8, is_remote, TraceFlags(flags), state)
    provider = _Provider(sampler=sampler)
    with use_span(NonRecordingSpan(parent)):
        spans = provider.both()
    for span in spans:
        span.end()

    contexts = [span.get_span_context() for span in spans]
    assert contexts[0].trace_id == contexts[1].trace_id == 7
    assert contexts[0].trace_flags == contexts[1].trace_flags
    assert contexts[0].trace_state == contexts[1].trace_state
    assert len({span.is_recording() for span in spans}) == 1
    told = provider.exported()
    assert told[:1] == told[1:]


class _Adding(Sampler):
    """Adds an attribute, and records without sampling."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        """Decide."""
        return SamplingResult(Decision.RECORD_ONLY, {"rule": "seven"})

    def get_description(self) -> str:
        """Name it."""
        return "adding"


@pytest.mark.parametrize(
    "sampler", [ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_OFF), TraceIdRatioBased(1), _Adding()]
)
def test_samplers_alike(sampler: Sampler) -> None:
    """What the sampler decides and adds holds."""
    provider = _Provider(sampler=sampler)
    light, own = provider.both()

    assert light.is_recording() == own.is_recording()
    assert light.get_span_context().trace_flags == own.get_span_context().trace_flags
    assert getattr(light, "attributes", {}) == getattr(own, "attributes", {})


def test_attributes_are_shared_until_they_change() -> None:
    """What one span gets, another one of the same template does not have; nor can it be written."""
    provider = _Provider()
    start = span_starter(provider.provider, *_SCOPE)
    one, other = (start("GET", get_current(), _ATTRIBUTES) for _ in range(2))
    one.set_attribute("server.port", 1)
    assert isinstance(other, ReadableSpan)
    assert other.attributes is not None
    assert other.attributes["server.port"] == 6379
    with pytest.raises(TypeError):
        other.attributes["server.port"] = 2  # type: ignore[index]

    assert _ATTRIBUTES["server.port"] == 6379


def test_processors_see_the_end_coming() -> None:
    """A processor that adds to a span when it is about to end finds it as the SDK's own are."""

    class Ending(SpanProcessor):
        def _on_ending(self, span: Any) -> None:
            ending.append(span.end_time is not None)

    ending: list[bool] = []
    provider = _Provider()
    provider.provider.add_span_processor(Ending())
    for span in provider.both():
        span.end()

    assert ending == [True, True]


def test_processors_may_add_attributes() -> None:
    """A processor that reads and changes a span at its start does so with either."""

    class Marking(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            port = span.attributes["server.port"]
            span.set_attribute("mark", f"{span.name} {span.kind.name} {port} {span.parent}")
            span.set_attribute("service", span.resource.attributes["service.name"])

    provider = _Provider()
    provider.provider.add_span_processor(Marking())
    for span in provider.both():
        span.end()

    light, own = provider.exported()
    assert light == own
    assert light["attributes"]["mark"] == "GET CLIENT 6379 None"


def test_limits_are_left_to_the_sdk() -> None:
    """With limits of the application's own, spans are the SDK's, which heeds them."""
    provider = _Provider(span_limits=SpanLimits(max_span_attribute_length=3))
    for span in provider.both():
        span.end()

    light, own = provider.exported()
    assert light == own
    assert light["attributes"]["db.system.name"] == "red"
