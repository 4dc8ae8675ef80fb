"""Servers that a plugin sends commands to: the ``target`` of commands and batches.

Each has a pool of connections made with the wrapped client's settings. Retrying is left to the
plugin: a connection that cannot be made, or that breaks, is told at once.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from redis.exceptions import ResponseError

from redis_middleware.redispy.bulk import pack_commands
from redis_middleware.redispy.replies import ASKING, read_replies, skip_reply
from redis_middleware.redispy.steps import Steps, drive, drive_async
from redis_middleware.redispy.view import ServerAddress

if TYPE_CHECKING:
    from redis_middleware.command import Command

__all__ = ["AsyncServer", "Server", "SyncServer", "never_sent"]

_NEVER_SENT: Final = "_redis_middleware_never_sent"


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
        "_parser",
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
        self._parser = parser
        self._send_and_parse = parser._send_command_parse_response

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
                yield from skip_reply(connection)
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
        try:
            queued = [(command.args, command.options) for command in commands]
            yield from read_replies(connection, queued, asking, self._parser, replies)
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
        try:
            pool = self.pool
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
        try:
            pool = self.pool
            connection = await pool.get_connection()
        except Exception as error:
            setattr(error, _NEVER_SENT, True)
            raise
        except asyncio.CancelledError:
            await drive_async(self._wake_another())
            raise
        if _has_ended(connection):
            await drive_async(self._reconnect(connection))
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
            connection = yield from super().acquire()
        except asyncio.CancelledError:
            yield from self._wake_another()
            raise
        if _has_ended(connection):
            yield from self._reconnect(connection)
        return connection

    def _reconnect(self, connection: Any) -> Steps:
        try:
            yield connection.disconnect(nowait=True)
            yield connection.connect()
        except BaseException as error:
            setattr(error, _NEVER_SENT, True)
            yield self.pool.release(connection)
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


def _has_ended(connection: Any) -> bool:
    """Whether the server has closed a connection of redis.asyncio.

    A pool that takes part in maintenance gives such a connection all the same: it takes the end
    for a notice that is to be read. redis-py's own commands are sent again then.
    """
    at_eof = getattr(getattr(connection, "_reader", None), "at_eof", None)
    return at_eof is not None and bool(at_eof())


def _reply_of(replies: list[Any]) -> Any:
    if isinstance(replies[0], Exception):
        try:
            raise replies[0]
        finally:
            # The traceback holds this frame.
            del replies
    return replies[0]
