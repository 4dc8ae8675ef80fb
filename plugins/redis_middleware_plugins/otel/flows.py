"""The flows around commands, batches, connections and messages."""

from __future__ import annotations

from opentelemetry.context import get_current
from opentelemetry.trace import SpanKind

from redis_middleware import Batch, Command, Connection, Flow, Message
from redis_middleware.groups import has_exceptions
from redis_middleware.sizes import size_of
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import ClientFacts
from redis_middleware_plugins.otel.operation import (
    Operation,
    end_span,
    mark_failed,
    where_it_went,
)
from redis_middleware_plugins.otel.outcomes import failure_of
from redis_middleware_plugins.otel.query_text import name_of
from redis_middleware_plugins.otel.recorder import Recorder
from redis_middleware_plugins.otel.scope import Scope
from redis_middleware_plugins.otel.templates import (
    Attributes,
    Template,
    address_attributes,
    peer_attributes,
)

__all__ = ["note_peer", "record", "record_connection", "record_delivery", "record_plainly"]

_LONGEST_CHANNEL = 100


def record(
    recorder: Recorder,
    facts: ClientFacts,
    template: Template,
    subject: Command | Batch,
    suppresses: bool,
) -> Flow:
    """Record a command or batch.

    Args:
        recorder: where to.
        facts: facts of the client.
        template: what all calls of its kind share.
        subject: the command or batch.
        suppresses: whether other instrumentation is kept from tracing it too.
    """
    operation = Operation.begin(recorder, facts, template, subject, suppresses=suppresses)
    try:
        reply = yield subject
    except BaseException as error:
        operation.fail(error)
        raise
    operation.end(reply)
    return reply


def record_plainly(
    recorder: Recorder,
    facts: ClientFacts,
    template: Template,
    subject: Command | Batch,
    suppresses: bool,
) -> Flow:
    """The same for single commands and batches, by a recorder that is plain.

    This is ``Operation`` without what nearly none of them needs: with a server close by, each call
    of a function is felt.
    """
    context = get_current()
    span = scope = None
    if recorder.start_span is not None:
        span = recorder.start_span(template.span_name, context, template.attributes)
        scope = Scope(span, context, suppresses)
    elif suppresses:
        scope = Scope(None, context, suppresses)
    clock = recorder.clock
    start = clock()
    try:
        reply = yield subject
    except BaseException as error:
        Operation(recorder, facts, template, subject, context, span, scope, start).fail(error)
        raise
    if isinstance(subject, Command):
        is_plain = not subject.has_notes
    else:
        is_plain = subject.is_untouched and not (subject.notes or has_exceptions(reply))
    if not is_plain:
        Operation(recorder, facts, template, subject, context, span, scope, start).end(reply)
        return reply
    duration = clock() - start
    if scope is not None:
        context = scope.context
        scope.end()
    if subject.target is not None:
        template = where_it_went(facts, template, subject, span)
    if span is not None:
        end_span(span, duration)
    if recorder.record_duration is not None:
        recorder.record_duration(duration, template.duration, context)
    return reply


def record_connection(
    recorder: Recorder,
    facts: ClientFacts,
    connection: Connection,
    *,
    traced: bool,
    measured: bool,
) -> Flow:
    """Record the making of a connection.

    Args:
        recorder: where to.
        facts: facts of the client.
        connection: the connection.
        traced: whether it gets a span, a child of that of the command which needs it.
        measured: whether the time it takes is recorded.
    """
    span = None
    if traced and recorder.tracer is not None:
        address = connection.address
        name = "CONNECT" if address is None else f"CONNECT {address}"
        span = recorder.tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=facts.of_address(address)
        )
    start = recorder.clock()
    try:
        made = yield connection
    except BaseException as error:
        if span is not None:
            mark_failed(span, failure_of(error), error if recorder.error_messages else None)
            span.end()
        raise
    duration = recorder.clock() - start
    facts.connected(connection.address, connection.peer)
    if measured and recorder.instruments is not None:
        pool = {names.POOL_NAME: facts.pool_name(connection.address)}
        recorder.instruments.create_time.record(duration, pool)
    if span is not None:
        span.set_attributes(peer_attributes(connection.peer))
        end_span(span, duration)
    return made


def note_peer(facts: ClientFacts, connection: Connection) -> Flow:
    """Record nothing of a connection but which address the name of its server stands for."""
    made = yield connection
    facts.connected(connection.address, connection.peer)
    return made


def record_delivery(recorder: Recorder, message: Message) -> Flow:
    """Record a message on its way to the application, by the conventions for messaging.

    The span is current while a handler of the application's runs.

    Args:
        recorder: where to; it has a tracer.
        message: the message.
    """
    assert recorder.tracer is not None
    channel = name_of(message.channel)[:_LONGEST_CHANNEL]
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: names.REDIS,
        names.MESSAGING_DESTINATION: channel,
        names.MESSAGING_BODY_SIZE: size_of(message.data),
        **address_attributes(message.client.address_of()),
    }
    if message.pattern is not None:
        attributes[names.MESSAGING_TEMPLATE] = name_of(message.pattern)[:_LONGEST_CHANNEL]
    context = get_current()
    span = recorder.tracer.start_span(f"process {channel}", context, SpanKind.CONSUMER, attributes)
    scope = Scope(span, context)
    # A handler's None: the message was processed here, else the application receives it now.
    operation = "process"
    try:
        delivered = yield message
        operation = "process" if delivered is None else "receive"
        return delivered
    except BaseException as error:
        mark_failed(span, failure_of(error), error if recorder.error_messages else None)
        raise
    finally:
        scope.end()
        span.update_name(f"{operation} {channel}")
        span.set_attribute(names.MESSAGING_OPERATION_TYPE, operation)
        span.set_attribute(names.MESSAGING_OPERATION_NAME, operation)
        span.end()
