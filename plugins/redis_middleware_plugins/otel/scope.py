"""Making a span the current one while a flow waits for its reply."""

from __future__ import annotations

from typing import Final

from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, create_key, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

__all__ = ["Scope", "is_suppressed"]

_PLAIN_KEY: Final = "suppress_instrumentation"
_SCOPE_KEY: Final = create_key("redis_middleware.scope")
# set_span_in_context copies the context; knowing the key, it is copied once for all that is set.
(_SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())


class Scope:
    """The time in which a span is the current one.

    Flows that run side by side in one thread or task end in any order. A token of contextvars
    would then bring back a span that has ended: each scope knows the context before it instead,
    and through that the scope around it. The last to end brings back what was current before all
    of those that have ended.

    Attributes:
        context: the context with the span in it.
    """

    __slots__ = ("_before", "_has_ended", "context", "suppresses")

    def __init__(self, span: Span | None, before: Context, suppresses: bool = False) -> None:
        self._before = before
        self._has_ended = False
        self.suppresses = suppresses
        added: dict[str, object] = {_SCOPE_KEY: self}
        if span is not None:
            added[_SPAN_KEY] = span
        if suppresses:
            added[_PLAIN_KEY] = added[_SUPPRESS_INSTRUMENTATION_KEY] = True
        self.context = Context({**before, **added} if before else added)
        otel_context.attach(self.context)

    def end(self) -> None:
        """Bring back what was current before, unless another scope began meanwhile."""
        self._has_ended = True
        if get_current() is not self.context:
            return
        before = self._before
        while before:
            outer = before.get(_SCOPE_KEY)
            if not (isinstance(outer, Scope) and outer._has_ended and outer.context is before):
                break
            before = outer._before
        otel_context.attach(before)


def is_suppressed(context: Context) -> bool:
    """Whether the application (and not a scope of this plugin) suppresses instrumentation."""
    if not context:
        return False
    if not (context.get(_PLAIN_KEY) or context.get(_SUPPRESS_INSTRUMENTATION_KEY)):
        return False
    scope = context.get(_SCOPE_KEY)
    return not (isinstance(scope, Scope) and scope.suppresses and scope.context is context)
