"""Commands on the connection that a pipeline holds while it watches keys: sent at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis_middleware.command import Command

__all__ = ["AsyncImmediateTransport", "ImmediateTransport"]


class ImmediateTransport:
    """Sends by redis-py's own method for it, one command after the other."""

    sleep: Any = staticmethod(time.sleep)

    def __init__(self, execute: Any) -> None:
        self._execute = execute

    def send(self, command: Command) -> Any:
        """Send one command; an awaitable where the method is async."""
        return self._execute(*command.args, **command.options)

    def send_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send several; failures are among the replies."""
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

    async def send_many(self, commands: Sequence[Command]) -> list[Any]:  # type: ignore[override]
        """The same, awaited."""
        replies = []
        for command in commands:
            try:
                replies.append(await self.send(command))
            except Exception as error:
                replies.append(error)
        return replies
