"""The delivery of a subscription's message, by the conventions for messaging."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from redis_middleware import Message
from redis_middleware.sizes import size_of
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import ClientFacts
from redis_middleware_plugins.otel.operation import mark_failed
from redis_middleware_plugins.otel.outcomes import failure_of
from redis_middleware_plugins.otel.query_text import name_of
from redis_middleware_plugins.otel.recorder import Recorder
from redis_middleware_plugins.otel.scope import Scope

__all__ = ["Delivery"]

_LONGEST_CHANNEL = 100


class Delivery:
    """A message on its way to the application: the span is current while a handler runs.

    Args:
        recorder: where to.
        facts: facts of the client.
        message: the message.
        context: the context it is delivered in.
    """

    def __init__(
        self, recorder: Recorder, facts: ClientFacts, message: Message, context: Context
    ) -> None:
        self._recorder = recorder
        self._channel = name_of(message.channel)[:_LONGEST_CHANNEL]
        attributes: Any = {
            "messaging.system": names.REDIS,
            "messaging.destination.name": self._channel,
            "messaging.message.body.size": size_of(message.data),
        }
        if message.pattern is not None:
            attributes["messaging.destination.template"] = name_of(message.pattern)
        address = message.client.address_of()
        if address is not None:
            attributes[names.SERVER_ADDRESS] = address.host
            if address.port is not None:
                attributes[names.SERVER_PORT] = address.port
        tracer = recorder.tracer
        assert tracer is not None
        self._span = tracer.start_span(
            f"process {self._channel}", context, SpanKind.CONSUMER, attributes
        )
        self._scope = Scope(self._span, context)

    def end(self, delivered: Any) -> None:
        """A handler of the application's took it, or the application gets it now."""
        operation = "process" if delivered is None else "receive"
        self._span.update_name(f"{operation} {self._channel}")
        self._span.set_attribute("messaging.operation.type", operation)
        self._span.set_attribute("messaging.operation.name", operation)
        self._finish()

    def fail(self, error: BaseException) -> None:
        """A handler of the application's raised."""
        self._span.set_attribute("messaging.operation.type", "process")
        self._span.set_attribute("messaging.operation.name", "process")
        mark_failed(self._span, failure_of(error), error if self._recorder.error_messages else None)
        self._finish()

    def _finish(self) -> None:
        self._span.end()
        self._scope.end()
