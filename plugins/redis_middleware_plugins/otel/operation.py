"""One command or batch on its way: its span, its duration, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from redis.exceptions import MaxConnectionsError

from redis_middleware import Batch, Command
from redis_middleware.groups import has_exceptions
from redis_middleware.notes import SLOT
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import ClientFacts
from redis_middleware_plugins.otel.noted import Notes, combined, notes_of, server_of, slot_of
from redis_middleware_plugins.otel.outcomes import Failure, failure_attributes, failure_of
from redis_middleware_plugins.otel.query_text import name_of
from redis_middleware_plugins.otel.recorder import Recorder
from redis_middleware_plugins.otel.scope import Scope
from redis_middleware_plugins.otel.templates import PLACE, Template

__all__ = ["Operation", "end_span", "mark_failed", "where_it_went"]

_CLIENT: Final = SpanKind.CLIENT


class Operation:
    """A command or batch that is being recorded.

    Args:
        recorder: where to.
        facts: facts of the client.
        template: what all calls of its kind share.
        subject: the command or batch.
        context: the context it was called in.
        span: its span; ``None`` for none.
        scope: the time in which that is the current one; ``None`` for none.
        start: the clock's reading at the start.
        start_time: the same in nanoseconds since 1970, where the span is made late.
    """

    __slots__ = (
        "_context",
        "_facts",
        "_is_queued",
        "_recorder",
        "_scope",
        "_span",
        "_start",
        "_start_time",
        "_subject",
        "_template",
    )

    def __init__(
        self,
        recorder: Recorder,
        facts: ClientFacts,
        template: Template,
        subject: Command | Batch,
        context: Context,
        span: Span | None,
        scope: Scope | None,
        start: float,
        start_time: int = 0,
    ) -> None:
        self._recorder = recorder
        self._facts = facts
        self._template = template
        self._subject = subject
        self._context = context if scope is None else scope.context
        self._span = span if span is not None and span.is_recording() else None
        self._scope = scope
        self._start = start
        self._start_time = start_time
        self._is_queued = isinstance(subject, Command) and subject.position is not None

    @classmethod
    def begin(
        cls,
        recorder: Recorder,
        facts: ClientFacts,
        template: Template,
        subject: Command | Batch,
        *,
        suppresses: bool,
    ) -> Operation:
        """Begin the span, which is the current one until the operation ends.

        A command of a batch runs side by side with others: its span is never the current one, and
        its duration is not recorded.

        Args:
            recorder: where to.
            facts: facts of the client.
            template: what all calls of its kind share.
            subject: the command or batch.
            suppresses: whether other instrumentation is kept from tracing it too.
        """
        context = get_current()
        span: Span | None = None
        scope = None
        if recorder.start_span is not None and not recorder.samples_late:
            attributes = recorder.start_attributes(subject, template.attributes)
            span = recorder.start_span(template.span_name, context, attributes)
            if recorder.request_hook is not None and span.is_recording():
                recorder.request_hook(span, subject)
        is_queued = isinstance(subject, Command) and subject.position is not None
        if (suppresses or span is not None) and not is_queued:
            scope = Scope(span, context, suppresses)
        start_time = time_ns() if recorder.samples_late else 0
        start = recorder.clock()
        return cls(recorder, facts, template, subject, context, span, scope, start, start_time)

    def end(self, reply: Any) -> None:
        """The reply is there."""
        duration = self._recorder.clock() - self._start
        if isinstance(self._subject, Batch):
            self._end_batch(duration, reply)
        else:
            self._finish(duration, None, reply)

    def _end_batch(self, duration: float, replies: Any) -> None:
        failures = []
        if isinstance(replies, list) and has_exceptions(replies):
            failures = [
                (index, reply)
                for index, reply in enumerate(replies)
                if isinstance(reply, Exception)
            ]
        failure = failure_of(failures[0][1]) if failures else None
        self._finish(duration, failure, replies, failures)

    def fail(self, error: BaseException) -> None:
        """It failed as a whole."""
        self._finish(self._recorder.clock() - self._start, failure_of(error), error)

    def _finish(
        self,
        duration: float,
        failure: Failure | None,
        outcome: Any,
        failures: Sequence[tuple[int, Exception]] = (),
    ) -> None:
        # First of all: what comes now may raise, and the span must not stay the current one.
        if self._scope is not None:
            self._scope.end()
        recorder, subject = self._recorder, self._subject
        span, context = self._span, self._context
        if recorder.samples_late and recorder.sampling.keeps(duration, failed=failure is not None):
            span = self._late_span()
            context = set_span_in_context(span, context)
        template = where_it_went(self._facts, self._template, subject, span)
        noted = notes_of(subject)
        if not self._is_queued:
            self._measure(template, duration, failure, outcome, context, noted)
        if span is not None:
            if noted:
                span.set_attributes(combined(noted))
            if failure is not None:
                mark_failed(span, failure, outcome if recorder.error_messages else None)
            if failures:
                self._show_failures(span, failures)
            if recorder.reply_hook is not None:
                recorder.reply_hook(span, subject, outcome)
            end_span(span, duration)

    def _measure(
        self,
        template: Template,
        duration: float,
        failure: Failure | None,
        outcome: Any,
        context: Context,
        noted: Sequence[Notes],
    ) -> None:
        recorder = self._recorder
        if failure is not None and failure.is_error:
            recorder.record_failure(duration, template.duration, failure, context)
        elif recorder.record_duration is not None:
            recorder.record_duration(duration, template.duration, context)
        if recorder.instruments is not None:
            for notes in noted:
                recorder.instruments.count_notes(notes)
            if isinstance(outcome, MaxConnectionsError):
                recorder.instruments.timeouts.add(1, template.pool)

    def _late_span(self) -> Span:
        assert self._recorder.tracer is not None
        span = self._recorder.tracer.start_span(
            self._template.span_name,
            self._context,
            _CLIENT,
            self._recorder.start_attributes(self._subject, self._template.attributes),
            start_time=self._start_time,
        )
        if self._recorder.request_hook is not None and span.is_recording():
            self._recorder.request_hook(span, self._subject)
        return span

    def _show_failures(self, span: Span, failures: Sequence[tuple[int, Exception]]) -> None:
        span.set_attribute(names.BATCH_FAILED, len(failures))
        commands = self._subject.commands if isinstance(self._subject, Batch) else ()
        for index, error in failures[: self._recorder.failures_shown]:
            span.add_event(
                names.FAILED_COMMAND,
                {
                    names.COMMAND_INDEX: index,
                    names.DB_OPERATION_NAME: name_of(commands[index].name),
                    **failure_attributes(failure_of(error)),
                },
            )


def where_it_went(
    facts: ClientFacts, template: Template, subject: Command | Batch, span: Span | None
) -> Template:
    """The template by the server that a plugin sent it to; the span shows that from now on.

    Args:
        facts: facts of the client.
        template: the template that the span was started with.
        subject: the command or batch.
        span: its span; ``None`` for none.
    """
    server = server_of(subject)
    if server is None:
        return template
    found = facts.at(template, server)
    if span is not None:
        slot = slot_of(subject)
        attributes = found.attributes if slot is None else {**found.attributes, SLOT: slot}
        share = getattr(span, "share", None)
        if share is None or not share(template.attributes, attributes):
            span.set_attributes({name: attributes[name] for name in PLACE if name in attributes})
    return found


def end_span(span: Span, duration: float) -> None:
    """End a span so that it lasts as long as the metric says.

    The conventions want the two to be the same:
    https://opentelemetry.io/docs/specs/semconv/db/database-metrics/. Spans that are not the SDK's
    need not tell when they started.

    Args:
        span: the span.
        duration: seconds.
    """
    start_time = getattr(span, "start_time", None)
    span.end(None if start_time is None else start_time + int(duration * 1e9))


def mark_failed(span: Span, failure: Failure, error: BaseException | None) -> None:
    """Write a failure onto a span.

    Args:
        span: the span.
        failure: the failure.
        error: the exception, if it is to be recorded with message and stack trace.
    """
    if not failure.is_error:
        span.set_attribute(names.WATCH_CHANGED, True)
        return
    span.set_attributes(failure_attributes(failure))
    span.set_status(StatusCode.ERROR, failure.type)
    if isinstance(error, BaseException):
        span.record_exception(error)
