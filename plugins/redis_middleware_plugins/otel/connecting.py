"""The making of a connection: its span and how long it took."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import Span, SpanKind

from redis_middleware import Connection
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import ClientFacts
from redis_middleware_plugins.otel.operation import mark_failed
from redis_middleware_plugins.otel.outcomes import failure_of
from redis_middleware_plugins.otel.recorder import Recorder

__all__ = ["Connecting"]


class Connecting:
    """A connection in the making that is being recorded.

    Args:
        recorder: where to.
        facts: facts of the client.
        connection: the connection.
        clock: seconds from any fixed point.
        traced: whether it gets a span, a child of that of the command which needs it.
        measured: whether the time it takes is recorded.
    """

    def __init__(
        self,
        recorder: Recorder,
        facts: ClientFacts,
        connection: Connection,
        clock: Callable[[], float],
        *,
        traced: bool,
        measured: bool,
    ) -> None:
        self._recorder = recorder
        self._facts = facts
        self._connection = connection
        self._clock = clock
        self._measured = measured
        self._span: Span | None = None
        if traced and recorder.tracer is not None:
            address = connection.address
            target = "" if address is None else f" {address}"
            self._span = recorder.tracer.start_span(
                f"CONNECT{target}",
                kind=SpanKind.CLIENT,
                attributes=facts.of_address(address),
            )
        self._start = clock()

    def end(self) -> None:
        """It stands."""
        duration = self._clock() - self._start
        address, peer = self._connection.address, self._connection.peer
        self._facts.connected(address, peer)
        instruments = self._recorder.instruments
        if self._measured and instruments is not None:
            instruments.create_time.record(
                duration, {names.POOL_NAME: self._facts.pool_name(address)}
            )
        if self._span is not None:
            if peer is not None:
                self._span.set_attribute(names.NETWORK_PEER_ADDRESS, peer.host)
                if peer.port is not None:
                    self._span.set_attribute(names.NETWORK_PEER_PORT, peer.port)
            self._span.end()

    def fail(self, error: BaseException) -> None:
        """It could not be made."""
        if self._span is not None:
            shown = error if self._recorder.error_messages else None
            mark_failed(self._span, failure_of(error), shown)
            self._span.end()
