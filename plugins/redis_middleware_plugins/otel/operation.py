"""One command or batch on its way: its span, its duration, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from redis.exceptions import MaxConnectionsError

from redis_middleware import Batch, Command
from redis_middleware.lockstep import has_exceptions
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import Template
from redis_middleware_plugins.otel.noted import combined, notes_of
from redis_middleware_plugins.otel.outcomes import Failure, failure_of
from redis_middleware_plugins.otel.recorder import Recorder
from redis_middleware_plugins.otel.scope import Scope

__all__ = ["Operation", "mark_failed"]

FAILED_COMMAND = "redis_middleware.command.failed"
"""The name of the event for a failed command of a batch."""


_CLIENT = SpanKind.CLIENT


class Operation:
    """A command or batch that is being recorded.

    Args:
        recorder: where to.
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
        template: Template,
        subject: Command | Batch,
        context: Context,
        span: Span | None,
        scope: Scope | None,
        start: float,
        start_time: int = 0,
    ) -> None:
        self._recorder = recorder
        self._template = template
        self._subject = subject
        self._context = context
        self._span = span
        self._scope = scope
        self._start = start
        self._start_time = start_time
        self._is_queued = isinstance(subject, Command) and subject.position is not None

    @classmethod
    def begin(
        cls,
        recorder: Recorder,
        template: Template,
        subject: Command | Batch,
        context: Context,
        *,
        suppresses: bool,
    ) -> Operation:
        """Begin the span, which is the current one until the operation ends.

        A command of a batch runs side by side with others: its span is never the current one, and
        its duration is not recorded.

        Args:
            recorder: where to.
            template: what all calls of its kind share.
            subject: the command or batch.
            context: the context it was called in.
            suppresses: whether other instrumentation is kept from tracing it too.
        """
        span: Span | None = None
        scope = None
        if recorder.start_span is not None and not recorder.samples_late:
            attributes = recorder.start_attributes(subject, template.attributes)
            span = recorder.start_span(template.span_name, context, attributes)
            if not span.is_recording():
                span = None
            elif recorder.request_hook is not None:
                recorder.request_hook(span, subject)
        is_queued = isinstance(subject, Command) and subject.position is not None
        if (suppresses or span is not None) and not is_queued:
            scope = Scope(span, context, suppresses)
        start_time = time_ns() if recorder.samples_late else 0
        return cls(recorder, template, subject, context, span, scope, recorder.clock(), start_time)

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
        recorder, scope = self._recorder, self._scope
        span = self._span
        context = self._context if scope is None else scope.context
        if recorder.samples_late and recorder.sampling.keeps(duration, failed=failure is not None):
            span = self._late_span()
            context = set_span_in_context(span, self._context)
        if recorder.duration is not None and not self._is_queued:
            labels = self._template.labels
            if failure is not None and failure.is_error:
                recorder.duration.record(
                    duration, {**labels, **self._failure_labels(failure)}, context
                )
            else:
                recorder.record_duration(self._start + duration, self._start, labels, context)
        subject = self._subject
        noted = notes_of(subject)
        if span is not None:
            if noted:
                span.set_attributes(combined(noted))
            if failure is not None:
                mark_failed(span, failure, outcome if recorder.error_messages else None)
            if failures:
                self._show_failures(span, failures)
            if recorder.reply_hook is not None:
                recorder.reply_hook(span, subject, outcome)
            span.end()
        if scope is not None:
            scope.end()
        if recorder.instruments is not None and not self._is_queued:
            for notes in noted:
                recorder.instruments.count_notes(notes)
            if isinstance(outcome, MaxConnectionsError):
                recorder.instruments.timeouts.add(1, self._template.pool)

    def _failure_labels(self, failure: Failure) -> dict[str, str]:
        instruments = self._recorder.instruments
        assert instruments is not None
        kind = instruments.error_type(failure.type)
        if kind != failure.type or failure.status_code is None:
            return {names.ERROR_TYPE: kind}
        return _failure_attributes(failure)

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
                FAILED_COMMAND,
                {
                    "redis_middleware.command.index": index,
                    names.DB_OPERATION_NAME: commands[index].name,
                    **_failure_attributes(failure_of(error)),
                },
            )


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
    span.set_attributes(_failure_attributes(failure))
    span.set_status(StatusCode.ERROR, failure.type)
    if isinstance(error, BaseException):
        span.record_exception(error)


def _failure_attributes(failure: Failure) -> dict[str, str]:
    found = {names.ERROR_TYPE: failure.type}
    if failure.status_code is not None:
        found[names.DB_RESPONSE_STATUS_CODE] = failure.status_code
    return found
