"""Commands to several servers together: all are written before any reply is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio
from redis.exceptions import ConnectionError

from redis_middleware.redispy.bulk import pack_commands
from redis_middleware.redispy.replies import ASKING
from redis_middleware.redispy.servers import AsyncServer, Server, SyncServer
from redis_middleware.redispy.steps import Steps

if TYPE_CHECKING:
    from redis_middleware.command import Command

__all__ = ["exchange"]

Others = Callable[[Sequence["Command"]], Steps]
"""Sends commands that go to no server here; gives their replies."""


def exchange(commands: Sequence[Command], others: Others) -> Steps:
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
    return _exchange(commands, parts, rest, others) if parts else others(commands)


_NOWHERE: Final = frozenset({id(None)})


class _Part:
    """What goes to one server, over one connection."""

    __slots__ = ("asking", "commands", "connection", "indexes", "packed", "pool", "server")

    def __init__(self, server: Server, pool: Any) -> None:
        self.server = server
        self.pool = pool
        self.indexes: list[int] = []
        self.commands: list[Command] = []
        self.asking: frozenset[int] = frozenset()
        self.connection: Any = None
        self.packed: Any = None

    def pack(self) -> None:
        """Make bytes of the commands, as the connection sends them."""
        requests = [command.args for command in self.commands]
        if self.asking:
            requests = [
                request
                for index, args in enumerate(requests)
                for request in ((ASKING, args) if index in self.asking else (args,))
            ]
        self.packed = pack_commands(self.connection, requests)


def _parts(commands: Sequence[Command]) -> tuple[list[_Part], list[int]]:
    """The commands by server, and the indexes of those that have none."""
    # Nodes of redis-py's clusters cannot be hashed before redis-py 8.
    targets = [id(command.target) for command in commands]
    if set(targets) == _NOWHERE:
        return [], list(range(len(commands)))
    by_target: dict[int, list[int]] = {}
    for index, target_id in enumerate(targets):
        try:
            by_target[target_id].append(index)
        except KeyError:
            by_target[target_id] = [index]
    parts: dict[Any, _Part] = {}
    rest: list[int] = []
    asking: set[int] = set()
    for indexes in by_target.values():
        target = commands[indexes[0]].target
        server = target if isinstance(target, Server) else _server_of(target)
        if server is None:
            rest += indexes
            continue
        pool: Any = server
        with suppress(ConnectionError):
            # Where there is none any more, the failure to get a connection tells.
            pool = server.pool
        part = parts.get(pool)
        if part is None:
            part = parts[pool] = _Part(server, pool)
        part.indexes += indexes
        if server.is_asking:
            asking.update(indexes)
    rest.sort()
    for part in parts.values():
        part.indexes.sort()
        part.commands = [commands[index] for index in part.indexes]
        if asking:
            part.asking = frozenset(
                [position for position, index in enumerate(part.indexes) if index in asking]
            )
    return list(parts.values()), rest


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

    # Pools may let their callers wait. Asked in the same order by all, nobody waits for somebody
    # who waits for him; the client's own pool comes last, since the others' commands need it.
    own = commands[0].client.pool
    parts.sort(key=lambda part: (part.pool is own, id(part.pool)))
    elsewhere = [part for part in parts if part.pool is not own]
    at_home = parts[len(elsewhere) :]
    try:
        yield from _write(elsewhere, settle, [commands[index].args for index in rest])
        if rest:
            try:
                settle(rest, (yield from others([commands[index] for index in rest])))
            except Exception as error:
                settle(rest, [error] * len(rest))
        if at_home:
            yield from _write(at_home, settle)
        for part in parts:
            connection, part.connection = part.connection, None
            if connection is not None:
                outcomes = yield from part.server.read(connection, part.commands, part.asking)
                settle(part.indexes, outcomes)
    except BaseException:
        yield from _give_up(parts)
        raise
    return replies


def _write(
    parts: list[_Part],
    settle: Callable[[list[int], Sequence[Any]], None],
    others: Sequence[tuple[Any, ...]] = (),
) -> Steps:
    """Send what goes to servers; what fails is settled.

    Raises:
        DataError: an argument of these requests, or of others that go out later, cannot be sent.
    """
    for part in parts:
        try:
            part.connection = yield from part.server.acquire()
        except Exception as error:
            settle(part.indexes, [error] * len(part.indexes))
    connected = [part for part in parts if part.connection is not None]
    # An argument that cannot be sent is found before anything is.
    for part in connected:
        part.pack()
    if others and connected:
        pack_commands(connected[0].connection, others)
    for part in connected:
        try:
            yield part.connection.send_packed_command(part.packed)
        except Exception as error:
            settle(part.indexes, [error] * len(part.indexes))
            yield from _give_up([part])


def _give_up(parts: Sequence[_Part]) -> Steps:
    """Close the connections that are still held: what they will receive belongs to nobody."""
    for index, part in enumerate(parts):
        connection, part.connection = part.connection, None
        if connection is not None:
            try:
                yield from part.server.give_up(connection)
            except BaseException:
                yield from _give_up(parts[index + 1 :])
                raise
