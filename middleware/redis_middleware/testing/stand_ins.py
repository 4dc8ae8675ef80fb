"""Clients, commands and connections that were never near a server."""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
import redis.asyncio

from redis_middleware.command import Command, Place, spec_for
from redis_middleware.redispy.view import ClientView, Connection, ServerAddress

__all__ = ["client_view", "command", "connection"]

_ADDRESS = ServerAddress("server.test", 6379)


class _StandIn(ClientView):
    """A view of a real client that is never connected; it keeps the client, unlike others."""

    __slots__ = ("_address", "_kept")

    def __init__(
        self, client: redis.Redis | redis.asyncio.Redis, address: ServerAddress, *, is_cluster: bool
    ) -> None:
        super().__init__(client)
        self._kept = client
        self._address = address
        # A cluster client asks the servers for their slots as soon as it is made.
        self.is_cluster = is_cluster

    def address_of(self, command: Command | None = None) -> ServerAddress | None:
        target: Any = None if command is None else command.target
        if hasattr(target, "host") and hasattr(target, "port"):
            return ServerAddress(str(target.host), int(target.port))
        return self._address


def client_view(
    *,
    is_async: bool = False,
    is_cluster: bool = False,
    address: ServerAddress = _ADDRESS,
    **connection_kwargs: Any,
) -> ClientView:
    """The facts of a client that never connects, for ``Script(client=...)`` and ``command()``.

    Args:
        is_async: whether it passes for a client of ``redis.asyncio``.
        is_cluster: whether it passes for a cluster client.
        address: the server that its commands go to, unless their target has a host and a port.
        connection_kwargs: more arguments of ``redis.Redis``, such as ``decode_responses=True`` or
            ``db=1``.
    """
    make = redis.asyncio.Redis if is_async else redis.Redis
    client: Any = make(host=address.host, port=address.port or 0, **connection_kwargs)
    return _StandIn(client, address, is_cluster=is_cluster)


@cache
def _default_view() -> ClientView:
    return client_view()


def command(
    *args: Any,
    client: ClientView | None = None,
    place: Place = Place.SINGLE,
    position: int | None = None,
    target: Any = None,
    **options: Any,
) -> Command:
    """A command as a plugin receives it: ``command("GET", "k")``.

    Args:
        args: the arguments as redis-py takes them, the name first; a name of two words comes in
            one argument, as redis-py's methods give it, or in two.
        client: facts of the client; by default those of a plain ``redis.Redis``.
        place: where it runs.
        position: its index in the pipeline, where it is in one.
        target: where it should go.
        options: redis-py's options.
    """
    made = Command(args, options, spec_for(args), client or _default_view(), place, position)
    made.target = target
    return made


def connection(view: ClientView) -> Connection:
    """A connection that is about to be made to the view's server."""
    address = view.address_of() or _ADDRESS
    make = redis.asyncio.Connection if view.is_async else redis.Connection
    return Connection(make(host=address.host, port=address.port or 0), view)
