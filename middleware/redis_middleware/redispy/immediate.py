"""Commands on the connection that a pipeline holds while it watches keys: sent at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis_middleware.command import Command
from redis_middleware.redispy.exchange import exchange
from redis_middleware.redispy.steps import Steps, drive, drive_async

__all__ = ["AsyncImmediateTransport", "ImmediateTransport"]


def _anywhere(target: Any) -> Iterable[Any]:
    return ()


class ImmediateTransport:
    """Sends by redis-py's own method for it, one command after the other.

    Args:
        execute: redis-py's method.
        connect_to: called with a command's target before it is sent; gives the steps to do first.
    """

    _drive: Any = staticmethod(drive)
    sleep: Any = staticmethod(time.sleep)

    def __init__(
        self, execute: Any, connect_to: Callable[[Any], Iterable[Any]] = _anywhere
    ) -> None:
        self._execute = execute
        self._connect_to = connect_to

    def send(self, command: Command) -> Any:
        """Send one command."""
        return self._drive(self._send(command))

    def send_many(self, commands: Sequence[Command]) -> Any:
        """Send several; failures are among the replies.

        Those with a server as their target go there past the pipeline's connection.
        """
        return self._drive(exchange(commands, self._send_others))

    def _send(self, command: Command) -> Steps:
        yield from self._connect_to(command.target)
        return (yield self._execute(*command.args, **command.options))

    def _send_others(self, commands: Sequence[Command]) -> Steps:
        replies: list[Any] = []
        for command in commands:
            try:
                replies.append((yield from self._send(command)))
            except Exception as error:
                replies.append(error)
        return replies


class AsyncImmediateTransport(ImmediateTransport):
    """The same where the method gives an awaitable."""

    _drive: Any = staticmethod(drive_async)
    sleep: Any = staticmethod(asyncio.sleep)
