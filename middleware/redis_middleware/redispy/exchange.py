"""Commands to several servers together: all are written before any reply is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.redispy.servers import (
    AsyncServer,
    Server,
    Steps,
    SyncServer,
    drive,
    drive_async,
)

if TYPE_CHECKING:
    from redis_middleware.command import Command

__all__ = ["exchange", "exchange_async"]

Others = Callable[[Sequence["Command"]], Any]
"""Sends commands that go to no server here; gives their replies, or an awaitable of them."""


def exchange(commands: Sequence[Command], others: Others) -> Any:
    """Send commands together: to all servers before any reply is read.

    Args:
        commands: each goes to the server that is its target, if that is one.
        others: sends those that have no server as their target, while the servers are at work.

    Returns:
        The replies in the order of the commands, failures among them as exceptions.

    Raises:
        Exception: what ``others`` raised where no command goes to a server.
    """
    parts, rest = _parts(commands)
    if not parts:
        return others(commands)
    return drive(_exchange(commands, parts, rest, others))


async def exchange_async(commands: Sequence[Command], others: Others) -> Any:
    """The same for servers of an async client."""
    parts, rest = _parts(commands)
    if not parts:
        return await others(commands)
    return await drive_async(_exchange(commands, parts, rest, others))


class _Part:
    """What goes to one server."""

    __slots__ = ("commands", "connection", "indexes", "server")

    def __init__(self, server: Server, commands: Sequence[Command], indexes: list[int]) -> None:
        self.server = server
        self.commands = commands
        self.indexes = indexes
        self.connection: Any = None


def _parts(commands: Sequence[Command]) -> tuple[list[_Part], list[int]]:
    """The commands by server, and the indexes of those that have none."""
    by_target: dict[Any, list[int]] = {}
    for index, command in enumerate(commands):
        try:
            by_target[command.target].append(index)
        except KeyError:
            by_target[command.target] = [index]
    parts: list[_Part] = []
    rest: list[int] = []
    for target, indexes in by_target.items():
        server = target if isinstance(target, Server) else _server_of(target)
        if server is None:
            rest += indexes
        else:
            parts.append(_Part(server, [commands[index] for index in indexes], indexes))
    rest.sort()
    return parts, rest


def _server_of(target: Any) -> Server | None:
    """The server that a plain client is connected to."""
    if isinstance(target, redis.Redis):
        return SyncServer(None, target, target.connection_pool)
    if isinstance(target, redis.asyncio.Redis):
        return AsyncServer(None, target, target.connection_pool)
    return None


def _exchange(
    commands: Sequence[Command], parts: list[_Part], rest: list[int], others: Others
) -> Steps:
    replies: list[Any] = [None] * len(commands)

    def settle(indexes: list[int], outcomes: Sequence[Any]) -> None:
        for index, outcome in zip(indexes, outcomes, strict=True):
            replies[index] = outcome

    # Pools may let their callers wait: asked in the same order by all, nobody waits for somebody
    # who waits for him.
    parts.sort(key=lambda part: id(part.server.pool))
    try:
        for part in parts:
            try:
                part.connection = yield from part.server.write(part.commands)
            except Exception as error:
                settle(part.indexes, [error] * len(part.indexes))
        if rest:
            try:
                settle(rest, (yield others([commands[index] for index in rest])))
            except Exception as error:
                settle(rest, [error] * len(rest))
        for part in parts:
            if part.connection is not None:
                outcomes = yield from part.server.read(part.connection, part.commands)
                part.connection = None
                settle(part.indexes, outcomes)
    except BaseException:
        for part in parts:
            if part.connection is not None:
                yield from part.server.give_up(part.connection)
        raise
    return replies
