"""A span of the SDK's that makes what most spans never need only when it is needed.

The SDK's own constructor copies and checks every attribute, makes a lock and two bounded lists, and
at the end all of it is copied once more. The attributes of commands come from templates that are
checked once, few spans get more, and hardly any has events or links.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from time import time_ns
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status

__all__ = ["LightSpan"]


class LightSpan(Span):
    """A span of kind CLIENT, made by :meth:`started`."""

    _kind = SpanKind.CLIENT
    _status = Status()
    _events: Any = ()
    _links: Any = ()
    _end_time = None
    _record_exception = True
    _set_status_on_exception = True
    _tracer: Any

    @classmethod
    def started(
        cls,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Mapping[str, Any],
        tracer: Any,
        scope: InstrumentationScope,
    ) -> LightSpan:
        """Start one; its processors do not know of it yet.

        Args:
            name: its name.
            context: its ids.
            parent: those of its parent.
            attributes: checked already, and within the limits; they are shared with other spans,
                and copied before this one gets others.
            tracer: the SDK's tracer that makes it.
            scope: the instrumentation scope.
        """
        # Past the SDK's __new__ and __init__: they are most of what a span costs.
        span = object.__new__(cls)
        span._name = name
        span._context = context
        span._parent = parent
        span._attributes = attributes
        span._tracer = tracer
        span._instrumentation_scope = scope
        span._start_time = time_ns()
        return span

    def __getattr__(self, name: str) -> Any:
        # What the SDK's methods ask for, and its constructor would have made.
        value: Any
        if name == "_lock":
            value = Lock()
        elif name == "_limits":
            value = self._tracer._span_limits
        elif name == "_resource":
            value = self._tracer.resource
        elif name == "_instrumentation_info":
            value = self._tracer.instrumentation_info
        elif name == "_span_processor":
            value = self._tracer.span_processor
        elif name == "_sampler":
            value = self._tracer.sampler
        else:
            raise AttributeError(f"'LightSpan' object has no attribute {name!r}")
        setattr(self, name, value)
        return value

    def share(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Share other attributes, checked already, in place of those that it was started with.

        Returns:
            Whether it still shared these: else it has attributes of its own, and keeps them.
        """
        if self._attributes is not before or self._end_time is not None:
            return False
        self._attributes = after
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute, checked as the SDK does."""
        self._own_attributes()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes, checked as the SDK does."""
        self._own_attributes()
        super().set_attributes(attributes)

    def _own_attributes(self) -> None:
        if not isinstance(self._attributes, BoundedAttributes):
            limits = self._limits
            self._attributes = BoundedAttributes(
                limits.max_span_attributes,
                self._attributes,
                immutable=False,
                max_value_len=limits.max_span_attribute_length,
            )

    def _add_event(self, event: Any) -> None:
        if not self._events:
            self._events = BoundedList(self._limits.max_events)
        super()._add_event(event)

    def _add_link(self, link: Link) -> None:
        if not self._links:
            self._links = BoundedList(self._limits.max_links)
        super()._add_link(link)

    def end(self, end_time: int | None = None) -> None:
        """End it: it is exported as it is, since nothing changes it any more."""
        if self._end_time is not None:
            # The SDK says so in its log.
            super().end(end_time)
            return
        self._end_time = time_ns() if end_time is None else end_time
        processor = self._tracer.span_processor
        processor._on_ending(self)
        processor.on_end(self)
