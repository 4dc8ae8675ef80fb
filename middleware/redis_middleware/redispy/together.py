"""The commands of a plain pipeline, packed, sent and read together.

redis-py makes bytes of each command in several steps and asks the connection for each reply anew;
taken together, as :mod:`redis_middleware.redispy.bulk` does, all of it costs less than half. Its
own methods are kept for what is not quite usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis.asyncio.client
import redis.client
from redis.client import EMPTY_RESPONSE
from redis.exceptions import ExecAbortError, ResponseError, WatchError

from redis_middleware.command import Queued
from redis_middleware.groups import has_exceptions
from redis_middleware.redispy.bulk import is_usual, pack_commands
from redis_middleware.redispy.replies import called_back, read_replies
from redis_middleware.redispy.steps import Steps

__all__ = ["together"]

# redis-py's account of what they do to the connection is kept where it reads their replies.
_STATEFUL: Final = frozenset({"WATCH", "UNWATCH", "MULTI", "EXEC", "DISCARD", "HIMPORT"})

_PIPELINES: Final = (redis.client.Pipeline, redis.asyncio.client.Pipeline)
_PARSING: Final = frozenset([cls.parse_response for cls in _PIPELINES])
_PARSING_BELOW: Final = tuple(
    [(cls, cls.parse_response) for cls in (redis.client.Redis, redis.asyncio.client.Redis)]
)


def together(
    drive: Callable[[Steps], Any], pipe: Any, execute: Any, connection: Any, commands: Queued
) -> Callable[[bool], Any]:
    """What sends the commands of a plain pipeline, called with whether to raise the first error.

    It gives their replies, or an awaitable of them.

    Args:
        drive: runs steps, of a sync or an async client.
        pipe: the pipeline.
        execute: its method for it: ``_execute_pipeline`` or ``_execute_transaction``.
        connection: where to.
        commands: the arguments and options of each.
    """
    own = _OWN.get(getattr(execute, "__func__", None))
    if own is None or not (is_usual(connection) and _is_usual(pipe, commands)):
        return lambda raises: execute(connection, commands, raises)
    return lambda raises: drive(own(pipe, connection, commands, raises))


def _is_usual(pipe: Any, commands: Queued) -> bool:
    """Whether no command changes more than data, and replies are parsed by redis-py's methods."""
    if getattr(pipe.parse_response, "__func__", None) not in _PARSING:
        return False
    if any([cls.parse_response is not method for cls, method in _PARSING_BELOW]):
        return False
    try:
        names = {args[0] for args, _ in commands}
    except TypeError:
        # A bytearray, for one, cannot be hashed.
        return False
    if any([EMPTY_RESPONSE in options for _, options in commands if options]):
        return False
    return all(
        [isinstance(name, str) and name.upper().split(" ")[0] not in _STATEFUL for name in names]
    )


def _pipeline(pipe: Any, connection: Any, commands: Queued, raises: bool) -> Steps:
    """What ``_execute_pipeline`` does."""
    replies: list[Any] = []
    try:
        requests = [args for args, _ in commands]
        yield connection.send_packed_command(pack_commands(connection, requests))
        yield from _read(pipe, connection, commands, replies)
        if has_exceptions(replies):
            for reply in replies:
                # A callback's; a server's errors are replies, and raised if that is wanted.
                if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                    raise reply
        if raises:
            pipe.raise_first_error(commands, replies)
        return replies
    finally:
        # The traceback of an error among them may hold this frame.
        reply = None
        del replies


def _transaction(pipe: Any, connection: Any, commands: Queued, raises: bool) -> Steps:
    """What ``_execute_transaction`` does.

    See https://redis.io/docs/latest/develop/using-commands/transactions/.
    """
    statuses: list[Any] = []
    errors: list[tuple[int, Exception]] = []
    result: Any = None
    try:
        requests = [_MULTI, *[args for args, _ in commands], _EXEC]
        yield connection.send_packed_command(pack_commands(connection, requests))
        yield from _read(pipe, connection, [_STATUS] * len(requests), statuses)
        result = statuses.pop()
        if has_exceptions(statuses):
            errors = _refusals(pipe, commands, statuses)
        if isinstance(result, ExecAbortError) and errors:
            raise _with_cause(pipe, errors[0][1], result)
        if isinstance(result, Exception):
            raise result
        pipe.watching = False
        if result is None:
            raise WatchError("Watched variable changed.")
        for index, refusal in errors:
            result.insert(index, refusal)
        if len(result) != len(commands):
            yield connection.disconnect()
            raise ResponseError("Wrong number of response items from pipeline execution")
        if raises:
            pipe.raise_first_error(commands, result)
        return (yield from called_back(pipe, commands, result))
    finally:
        # The traceback of an error among them may hold this frame.
        refusal = None  # type: ignore[assignment]
        del statuses, errors, result


def _read(pipe: Any, connection: Any, commands: Queued, replies: list[Any]) -> Steps:
    try:
        yield from read_replies(connection, commands, (), pipe, replies)
    except BaseException:
        # What was not read belongs to nobody, and a pool does not look into hiredis's buffer.
        yield connection.disconnect(**({"nowait": True} if _is_async(pipe) else {}))
        raise


def _is_async(pipe: Any) -> bool:
    return isinstance(pipe, redis.asyncio.client.Pipeline)


def _refusals(pipe: Any, commands: Queued, statuses: Sequence[Any]) -> list[tuple[int, Exception]]:
    """The errors among the replies to MULTI and to what was queued, by the index of its command."""
    begun, *queued = statuses
    errors = [(0, begun)] if isinstance(begun, Exception) else []
    for index, status in enumerate(queued):
        if isinstance(status, Exception):
            pipe.annotate_exception(status, index + 1, commands[index][0])
            errors.append((index, status))
    return errors


def _with_cause(pipe: Any, refusal: Exception, aborted: Exception) -> Exception:
    """The reason why a transaction was aborted, chained as redis-py does it."""
    refusal.__context__ = aborted
    if _is_async(pipe):
        refusal.__cause__ = aborted
    return refusal


_MULTI: Final = ("MULTI",)
_EXEC: Final = ("EXEC",)
_STATUS: Final[tuple[tuple[Any, ...], dict[str, Any]]] = (("_",), {})
"""In place of a command: its reply is taken as it is."""

_OWN: Final[dict[Any, Callable[..., Steps]]] = {
    getattr(cls, name): own
    for cls in _PIPELINES
    for name, own in (("_execute_pipeline", _pipeline), ("_execute_transaction", _transaction))
}
