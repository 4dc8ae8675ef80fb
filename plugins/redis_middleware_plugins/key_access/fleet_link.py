"""Connections of the fleet's own: no request of the application ever waits for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from redis_middleware import Call, ClientView, Command
from redis_middleware.commands import spec_of
from redis_middleware.redispy.dedicated import DedicatedConnection
from redis_middleware.redispy.steps import Steps, call_of
from redis_middleware.redispy.view import ServerAddress

__all__ = ["FleetLink"]

_GET = spec_of("GET")


class FleetLink:
    """Connections with the settings of a client, outside of its pool: one to each server needed.

    Args:
        client: facts of the client.
    """

    def __init__(self, client: ClientView) -> None:
        self._client = client
        self._connections: dict[ServerAddress | None, DedicatedConnection] = {}

    def send(self, commands: Sequence[Sequence[Any]]) -> Call:
        """What a flow yields to send commands, each with its key as second argument.

        The flow is resumed with their replies. The first failure of any is raised, and every
        connection is closed: the next ones are made anew.
        """
        return call_of(self._send(commands))

    def _send(self, commands: Sequence[Sequence[Any]]) -> Steps:
        replies = []
        try:
            for command in commands:
                connection, is_new = self._connection(command[1])
                if is_new:
                    yield from connection.open()
                replies.append((yield from connection.call(*command)))
        except (RedisError, OSError):
            self.close()
            raise
        return replies

    def _connection(self, key: str) -> tuple[DedicatedConnection, bool]:
        address = None
        if self._client.spans_nodes:
            address = self._client.address_of(Command(("GET", key), {}, _GET, self._client))
        known = self._connections.get(address)
        if known is not None:
            return known, False
        made = self._connections[address] = DedicatedConnection(self._client, address)
        return made, True

    def close(self) -> None:
        """Close all connections."""
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.close()
