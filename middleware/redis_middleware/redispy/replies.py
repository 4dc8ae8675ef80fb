"""Reading the replies to many commands that were written to one connection."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Final

from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import ConnectionError, ResponseError

from redis_middleware.command import Queued
from redis_middleware.redispy.bulk import NOT_RECEIVED, PUSH, received_replies
from redis_middleware.redispy.steps import Steps

__all__ = ["ASKING", "called_back", "read_replies", "skip_reply"]

ASKING: Final = ("ASKING",)
"""The command that goes before another one; https://redis.io/docs/latest/commands/asking/."""

# What a reply is but for errors, lists, which may begin with one, pushes, and a reply that has not
# come yet.
_PLAIN: Final = frozenset({bytes, str, int, float, bool, type(None), dict, set})

# Those with which redis-py reads another way.
_OPTIONS_OF_READING: Final = frozenset({EMPTY_RESPONSE, NEVER_DECODE})


def read_replies(
    connection: Any,
    commands: Queued,
    asking: Container[int],
    parser: Any,
    replies: list[Any],
) -> Steps:
    """Read the replies, errors of the server and of callbacks among them as exceptions.

    Args:
        connection: where the commands were written.
        commands: the arguments and options of each that was written.
        asking: the indexes of those that ASKING was written before.
        parser: a redis-py client, which knows what replies become.
        replies: where the replies go, one after the other.

    Raises:
        Exception: the connection is of no more use.
    """
    received, append = received_replies(connection), replies.append
    callback = last_name = None
    has_options = False
    for index, (args, options) in enumerate(commands):
        if asking and index in asking:
            yield from skip_reply(connection)
        name = args[0]
        if options:
            has_options = len(options) > ("keys" in options)
            if not _OPTIONS_OF_READING.isdisjoint(options):
                append((yield from _parsed(connection, name, options, parser)))
                continue
        else:
            has_options = False
        reply = received()
        if reply.__class__ not in _PLAIN:
            reply = yield from _unusual(connection, reply)
            if isinstance(reply, ResponseError):
                append(reply)
                continue
        if name is not last_name:
            last_name, callback = name, parser.response_callbacks.get(name)
        if callback is not None:
            try:
                reply = callback(reply, **_given(options)) if has_options else callback(reply)
                if hasattr(reply, "__await__"):
                    reply = yield reply
            except Exception as error:
                # The reply was read: this is the command's own failure.
                reply = error
        append(reply)


def called_back(parser: Any, commands: Queued, replies: Sequence[Any]) -> Steps:
    """What the replies to commands become by the client's callbacks; errors stay as they are.

    Args:
        parser: a redis-py client, which knows what replies become.
        commands: the arguments and options of each.
        replies: the reply to each.

    Raises:
        Exception: what a callback raised.
    """
    callbacks = parser.response_callbacks
    made = list(replies)
    for index, (args, options) in enumerate(commands):
        reply = made[index]
        callback = callbacks.get(args[0])
        if callback is not None and not isinstance(reply, Exception):
            reply = callback(reply, **_given(options))
            made[index] = (yield reply) if hasattr(reply, "__await__") else reply
    return made


def skip_reply(connection: Any) -> Steps:
    """Read the reply to ASKING."""
    # What ASKING answers does not matter: the server's answer to the command behind it does.
    try:
        yield connection.read_response()
    except ResponseError:
        return


def _unusual(connection: Any, received: Any) -> Steps:
    """The next reply where it is none that was received already, or an error."""
    if isinstance(received, ResponseError):
        return received
    if isinstance(received, Exception):
        raise received
    if received.__class__ is PUSH:
        yield connection._parser.handle_push_response(received)
    elif received is not NOT_RECEIVED:
        if isinstance(received, list) and received and isinstance(received[0], ConnectionError):
            # As redis-py's parser does it.
            raise received[0]
        return received
    try:
        return (yield connection.read_response())
    except ResponseError as error:
        # Like those that were received already it has no traceback, which would hold the replies.
        return error.with_traceback(None)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What callbacks get of redis-py's options: "keys" is for its own cache."""
    return {name: value for name, value in options.items() if name != "keys"}


def _parsed(connection: Any, name: Any, options: dict[str, Any], parser: Any) -> Steps:
    """One reply, read and made what it becomes as redis-py does it."""
    try:
        return (yield parser.parse_response(connection, name, **options))
    except ResponseError as error:
        return error.with_traceback(None)
