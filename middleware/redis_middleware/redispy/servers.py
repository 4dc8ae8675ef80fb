"""Servers that a plugin sends commands to: the ``target`` of commands and batches.

Each has a pool of connections made with the wrapped client's settings. Retrying is left to the
plugin: a connection that cannot be made, or that breaks, is told at once.

What is done on connections is written once, as generators that yield what redis-py's methods gave:
an awaitable where the client is async, else the value itself.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Container, Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import ResponseError

from redis_middleware.redispy.bulk import NOT_RECEIVED, PUSH, pack_commands, received_replies
from redis_middleware.redispy.view import ServerAddress

if TYPE_CHECKING:
    from redis_middleware.command import Command

__all__ = [
    "ASKING",
    "AsyncServer",
    "Server",
    "Steps",
    "SyncServer",
    "drive",
    "drive_async",
    "never_sent",
]

_NEVER_SENT: Final = "_redis_middleware_never_sent"
ASKING: Final = ("ASKING",)
"""The command that goes before another one; https://redis.io/docs/latest/commands/asking/."""

# What a reply is but for errors, pushes, and a reply that has not come yet.
_PLAIN: Final = frozenset({bytes, str, int, float, bool, type(None), list, dict, set})

# Those with which redis-py reads another way.
_OPTIONS_OF_READING: Final = frozenset({EMPTY_RESPONSE, NEVER_DECODE})

Steps = Generator[Any, Any, Any]
"""Work on connections, for ``drive`` or ``drive_async``."""


def never_sent(error: BaseException) -> bool:
    """Whether a command failed before any of it was sent, so that sending again is safe.

    The connection could not be made, or the pool had none to give.
    """
    return bool(getattr(error, _NEVER_SENT, False))


class Server:
    """One server, to be the ``target`` of commands and batches.

    Args:
        where: its address.
        parser: a redis-py client, which knows what replies become.
        pool: redis-py's pool of its connections.
        read_only: whether its connections are told READONLY.

    Attributes:
        address: where it is; ``None`` where the pool does not tell (a Sentinel not asked yet).
        read_only: whether its connections were told READONLY: replicas of a cluster answer then.
        is_asking: whether ASKING goes first, on the same connection.
        pool: redis-py's pool of its connections.
    """

    __slots__ = (
        "__weakref__",
        "_asking",
        "_callbacks",
        "_parse",
        "_send_and_parse",
        "address",
        "is_asking",
        "pool",
        "read_only",
    )

    # How a connection that is of no more use is given up.
    _disconnecting: ClassVar[dict[str, bool]] = {}

    def __init__(
        self, where: ServerAddress | None, parser: Any, pool: Any, *, read_only: bool = False
    ) -> None:
        self.address = where
        self.read_only = read_only
        self.is_asking = False
        self.pool = pool
        self._asking: Server | None = None
        self._callbacks = parser.response_callbacks
        self._send_and_parse = parser._send_command_parse_response
        self._parse = parser.parse_response

    @property
    def asking(self) -> Server:
        """The same server where ASKING goes before each command, or before a whole transaction.

        See https://redis.io/docs/latest/commands/asking/.
        """
        if self.is_asking:
            return self
        if self._asking is None:
            other = copy.copy(self)
            other.is_asking = True
            self._asking = other
        return self._asking

    def is_same(self, other: object) -> bool:
        """Whether the other one is this server too, ASKING or not."""
        return isinstance(other, Server) and other.pool is self.pool

    def send(self, command: Command) -> Any:
        """Send one command and give its reply; an awaitable for async clients."""
        raise NotImplementedError

    def acquire(self) -> Steps:
        """A connection, to be given back."""
        try:
            return (yield self.pool.get_connection())
        except Exception as error:
            setattr(error, _NEVER_SENT, True)
            raise

    def give_up(self, connection: Any) -> Steps:
        """Close a connection that is of no more use, and give it back."""
        try:
            yield connection.disconnect(**self._disconnecting)
        finally:
            yield self.pool.release(connection)

    def open(self, connection: Any = None) -> Steps:
        """A connection for the next command or a whole transaction, ASKING sent on it.

        Args:
            connection: the one to be used; ``None`` for another one.
        """
        if connection is None:
            connection = yield from self.acquire()
        if self.is_asking:
            try:
                yield connection.send_command(*ASKING)
                yield from _skip_reply(connection)
            except BaseException:
                yield from self.give_up(connection)
                raise
        return connection

    def read(
        self, connection: Any, commands: Sequence[Command], asking: Container[int] = ()
    ) -> Steps:
        """Read the replies to what was written, failures among them as exceptions.

        Args:
            connection: where it was written; it is given back.
            commands: what was written.
            asking: the indexes of those that ASKING was written before.
        """
        replies: list[Any] = []
        received = received_replies(connection)
        callbacks: dict[Any, Any] = {}
        try:
            for index, command in enumerate(commands):
                if asking and index in asking:
                    yield from _skip_reply(connection)
                name, options = command.args[0], command.options
                has_options = len(options) > ("keys" in options)
                if has_options and not _OPTIONS_OF_READING.isdisjoint(options):
                    replies.append((yield from self._parsed(connection, name, options)))
                    continue
                reply = received()
                if reply.__class__ not in _PLAIN:
                    reply = yield from _unusual(connection, reply)
                    if isinstance(reply, ResponseError):
                        replies.append(reply)
                        continue
                if name not in callbacks:
                    callbacks[name] = self._callbacks.get(name)
                callback = callbacks[name]
                if callback is not None:
                    try:
                        reply = (
                            callback(reply, **_given(options)) if has_options else callback(reply)
                        )
                        if hasattr(reply, "__await__"):
                            reply = yield reply
                    except Exception as error:
                        # The reply was read: this is the command's own failure.
                        reply = error
                replies.append(reply)
        except Exception as error:
            # The connection is lost, and with it every reply that was to come.
            replies += [error] * (len(commands) - len(replies))
            yield from self.give_up(connection)
        except BaseException:
            yield from self.give_up(connection)
            raise
        else:
            yield self.pool.release(connection)
        return replies

    def _parsed(self, connection: Any, name: Any, options: dict[str, Any]) -> Steps:
        """One reply, read as redis-py does it."""
        try:
            return (yield self._parse(connection, name, **options))
        except ResponseError as error:
            return error.with_traceback(None)

    def _exchange_one(self, command: Command) -> Steps:
        connection = yield from self.acquire()
        try:
            yield connection.send_packed_command(pack_commands(connection, (ASKING, command.args)))
        except BaseException:
            yield from self.give_up(connection)
            raise
        return (yield from self.read(connection, (command,), (0,)))

    def __repr__(self) -> str:
        kind = " (read-only)" if self.read_only else ""
        return f"<Server {self.address}{kind}{', ASKING' if self.is_asking else ''}>"


class SyncServer(Server):
    """A server of a sync client."""

    __slots__ = ()

    def send(self, command: Command) -> Any:
        """Send one command; give its reply or raise its failure."""
        if self.is_asking:
            return _reply_of(drive(self._exchange_one(command)))
        args = command.args
        pool = self.pool
        try:
            connection = pool.get_connection()
        except Exception as error:
            setattr(error, _NEVER_SENT, True)
            raise
        try:
            return self._send_and_parse(connection, args[0], *args, **command.options)
        except ResponseError:
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


class AsyncServer(Server):
    """A server of an async client."""

    __slots__ = ()
    _disconnecting: ClassVar = {"nowait": True}

    async def send(self, command: Command) -> Any:
        """Send one command; give its reply or raise its failure."""
        if self.is_asking:
            return _reply_of(await drive_async(self._exchange_one(command)))
        args = command.args
        pool = self.pool
        try:
            connection = await pool.get_connection()
        except Exception as error:
            setattr(error, _NEVER_SENT, True)
            raise
        except asyncio.CancelledError:
            await drive_async(self._wake_another())
            raise
        try:
            return await self._send_and_parse(connection, args[0], *args, **command.options)
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    def acquire(self) -> Steps:
        """A connection, to be given back."""
        try:
            return (yield from super().acquire())
        except asyncio.CancelledError:
            yield from self._wake_another()
            raise

    def _wake_another(self) -> Steps:
        """Wake another one who waits for a connection, after a caller was cancelled.

        Before Python 3.13 a waiter that is cancelled takes along the notice that a connection is
        free (https://github.com/python/cpython/issues/112202); who holds connections of other
        servers while he waits for this one would then let everybody wait.
        """
        condition = getattr(self.pool, "_condition", None)
        if condition is not None:
            yield condition.acquire()
            condition.notify()
            condition.release()


def _skip_reply(connection: Any) -> Steps:
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
        return received
    try:
        return (yield connection.read_response())
    except ResponseError as error:
        # Like those that were received already it has no traceback, which would hold the replies.
        return error.with_traceback(None)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What callbacks get of redis-py's options: "keys" is for its own cache."""
    return {name: value for name, value in options.items() if name != "keys"}


def _reply_of(replies: list[Any]) -> Any:
    if isinstance(replies[0], Exception):
        try:
            raise replies[0]
        finally:
            # The traceback holds this frame.
            del replies
    return replies[0]


def drive(steps: Steps) -> Any:
    """Run steps of a sync client."""
    value = None
    try:
        while True:
            value = steps.send(value)
    except StopIteration as stop:
        return stop.value
    except BaseException as error:
        if steps.gi_frame is not None:
            # An interrupt, between two steps: they end with it, and give up their connections.
            steps.throw(error)
            while True:
                steps.send(None)
        raise


async def drive_async(steps: Steps) -> Any:
    """Run steps of an async client."""
    try:
        step = steps.send(None)
        while True:
            try:
                value = await step
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        return stop.value
