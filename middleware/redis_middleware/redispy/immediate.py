"""Commands on the connection that a pipeline holds while it watches keys: sent at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from redis_middleware.command import Command
from redis_middleware.redispy.exchange import exchange, exchange_async

__all__ = ["AsyncImmediateTransport", "ImmediateTransport"]


def _anywhere(target: Any) -> None:
    return None


class ImmediateTransport:
    """Sends by redis-py's own method for it, one command after the other.

    Args:
        execute: redis-py's method.
        connect_to: called with a command's target before it is sent; may give an awaitable where
            the method is async.
    """

    sleep: Any = staticmethod(time.sleep)

    def __init__(self, execute: Any, connect_to: Callable[[Any], Any] = _anywhere) -> None:
        self._execute = execute
        self._connect_to = connect_to

    def send(self, command: Command) -> Any:
        """Send one command."""
        self._connect_to(command.target)
        return self._execute(*command.args, **command.options)

    def send_many(self, commands: Sequence[Command]) -> Any:
        """Send several; failures are among the replies.

        Those with a server as their target go there past the pipeline's connection.
        """
        return exchange(commands, self._send_others)

    def _send_others(self, commands: Sequence[Command]) -> list[Any]:
        replies = []
        for command in commands:
            try:
                replies.append(self.send(command))
            except Exception as error:
                replies.append(error)
        return replies


class AsyncImmediateTransport(ImmediateTransport):
    """The same where the method gives an awaitable."""

    sleep: Any = staticmethod(asyncio.sleep)

    async def send(self, command: Command) -> Any:
        """Send one command."""
        connecting = self._connect_to(command.target)
        if connecting is not None:
            await connecting
        return await self._execute(*command.args, **command.options)

    def send_many(self, commands: Sequence[Command]) -> Any:
        """The same, awaited."""
        return exchange_async(commands, self._send_others)

    async def _send_others(self, commands: Sequence[Command]) -> list[Any]:  # type: ignore[override]
        replies = []
        for command in commands:
            try:
                replies.append(await self.send(command))
            except Exception as error:
                replies.append(error)
        return replies
