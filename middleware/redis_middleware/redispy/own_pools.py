"""A client's own connections, for commands that its plugins send to servers.

What plugins keep must not keep their client, or neither would ever go: here a client's pools, and
the nodes of its cluster, are referred to weakly, or looked up through its view.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError

from redis_middleware.redispy.likeness import plain_client
from redis_middleware.redispy.servers import AsyncServer, Server, SyncServer

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView, ServerAddress

__all__ = ["own_pool", "own_server"]


def own_pool(view: ClientView, where: ServerAddress | None) -> Any:
    """The pool of the connections that a client has to one of its servers.

    Args:
        view: facts of the client.
        where: a node of a cluster client's cluster; ``None`` for where another client goes.

    Returns:
        The pool; ``None`` where the client has none for that address, or is garbage.
    """
    if not view.is_cluster:
        return view.pool if where is None else None
    node = None if where is None else _node_at(view, where)
    if where is None or node is None:
        return None
    if view.is_async:
        return _NodePool(view, where)
    return None if node.redis_connection is None else node.redis_connection.connection_pool


def own_server(
    view: ClientView,
    where: ServerAddress | None,
    address: ServerAddress | None,
    pool: Any,
    callbacks: dict[str, Any] | None,
) -> Server:
    """A server that commands go to on the client's own connections.

    Args:
        view: facts of the client.
        where: which one of the client's servers it is, as :func:`own_pool` takes it.
        address: its address, as far as that is known.
        pool: the client's pool for it.
        callbacks: what makes something of replies, by command; ``None`` for redis-py's own.
    """
    looks_up = isinstance(pool, _NodePool)
    parsed = pool if looks_up else weakref.proxy(pool)
    parser = plain_client(parsed, callbacks, is_async=view.is_async)
    if looks_up:
        return AsyncServer(address, parser, pool)
    own = _OwnAsyncServer if view.is_async else _OwnSyncServer
    return own(view, where, address, parser, pool)


def _node_at(view: ClientView, where: ServerAddress) -> Any:
    """redis-py's node of a cluster client; ``None`` where it does not know it."""
    manager = view.pool
    return None if manager is None else manager.nodes_cache.get(f"{where.host}:{where.port}")


class _Own(Server):
    """A server whose pool is the client's."""

    __slots__ = ("_found", "_view", "_where")

    _found: weakref.ref[Any]

    def __init__(
        self,
        view: ClientView,
        where: ServerAddress | None,
        address: ServerAddress | None,
        parser: Any,
        pool: Any,
    ) -> None:
        self._view = view
        self._where = where
        super().__init__(address, parser, pool)

    @property
    def pool(self) -> Any:
        """redis-py's pool of its connections.

        Raises:
            ConnectionError: the client has none for that address any more, or is garbage.
        """
        pool = self._found()
        if pool is None:
            # redis-py makes another node object when the topology has changed.
            pool = own_pool(self._view, self._where)
            if pool is None:
                raise _gone(self._where)
            self._found = weakref.ref(pool)
        return pool

    @pool.setter
    def pool(self, pool: Any) -> None:
        self._found = weakref.ref(pool)


class _OwnSyncServer(_Own, SyncServer):
    __slots__ = ()


class _OwnAsyncServer(_Own, AsyncServer):
    __slots__ = ()


class _NodePool:
    """The connections of a node of redis.asyncio's cluster, with the methods of a pool.

    Nothing can refer weakly to a node: it is looked up each time.
    """

    def __init__(self, view: ClientView, where: ServerAddress) -> None:
        self._view = view
        self._where = where
        self._lent: dict[Any, Any] = {}

    @property
    def _node(self) -> Any:
        node = _node_at(self._view, self._where)
        if node is None:
            raise _gone(self._where)
        return node

    @property
    def connection_class(self) -> Any:
        return self._node.connection_class

    @property
    def connection_kwargs(self) -> Any:
        return self._node.connection_kwargs

    @property
    def response_callbacks(self) -> Any:
        return self._node.response_callbacks

    async def get_connection(self) -> Any:
        node = self._node
        connection = node.acquire_connection()
        try:
            # Older versions of redis-py know no maintenance that connections are to be ended for.
            if hasattr(node, "disconnect_if_needed"):
                await node.disconnect_if_needed(connection)
            await connection.connect()
        except BaseException:
            node.release(connection)
            raise
        # When it is given back the address may be that of another node object.
        self._lent[connection] = node
        return connection

    async def release(self, connection: Any) -> None:
        self._lent.pop(connection).release(connection)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _NodePool)
            and other._view is self._view
            and other._where == self._where
        )

    def __hash__(self) -> int:
        return hash((id(self._view), self._where))


def _gone(where: ServerAddress | None) -> ConnectionError:
    if where is None:
        return ConnectionError("the client whose connections were to be used is gone")
    return ConnectionError(f"the client is gone, or does not know a node at {where} any more")
