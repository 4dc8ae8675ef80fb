"""Making a span the current one while a flow waits for its reply."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
)
from opentelemetry.trace import Span, set_span_in_context

__all__ = ["Scope", "is_suppressed"]

_PLAIN_KEY = "suppress_instrumentation"


class Scope:
    """The time in which a span is the current one.

    Flows that run side by side in one thread or task end in any order. A token of contextvars
    would then bring back a span that has ended: each scope knows the one around it instead, and
    the last to end brings back what was before all of those that have ended.

    Attributes:
        context: the context with the span in it.
    """

    __slots__ = ("_before", "_ended", "_outer", "context", "suppresses")

    def __init__(self, span: Span | None, before: Context, suppresses: bool = False) -> None:
        self._before = before
        self._outer = _current.get()
        self._ended = False
        self.suppresses = suppresses
        self.context = before if span is None else set_span_in_context(span, before)
        if suppresses:
            context = otel_context.set_value(_PLAIN_KEY, True, self.context)
            self.context = otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, context)
        otel_context.attach(self.context)
        _current.set(self)

    def end(self) -> None:
        """Bring back what was current before, unless another scope began meanwhile."""
        self._ended = True
        if otel_context.get_current() is not self.context:
            return
        scope: Scope | None = self
        before = self._before
        while scope is not None and scope._ended:
            before = scope._before
            scope = scope._outer
        otel_context.attach(before)
        _current.set(scope)


_current: ContextVar[Scope | None] = ContextVar("redis_middleware_otel_scope", default=None)


def is_suppressed(context: Context) -> bool:
    """Whether the application (and not a scope of this plugin) suppresses instrumentation."""
    if not (context.get(_PLAIN_KEY) or context.get(_SUPPRESS_INSTRUMENTATION_KEY)):
        return False
    scope = _current.get()
    return not (scope is not None and scope.suppresses and context is scope.context)
