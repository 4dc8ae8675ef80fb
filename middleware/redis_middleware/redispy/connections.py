"""The making of connections, with the ``redis_connect`` flows around it.

A pool (or a node of an async cluster) makes its connections by calling its ``connection_class``.
While a plugin wants to know of connections, that is a subclass which knows the middleware.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.command import Command
from redis_middleware.drivers import run, run_async
from redis_middleware.redispy.adoption import subclass
from redis_middleware.redispy.view import Connection

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["is_observed", "observe_connections"]

_POOL_LISTS = ("_available_connections", "_in_use_connections", "_connections")


class _Opening:
    """Makes the connection, then sends commands on it."""

    sleep: Any = staticmethod(time.sleep)

    def __init__(self, connect: Callable[[], Any], raw: Any) -> None:
        self._connect = connect
        self._raw = raw

    def send(self, item: Any) -> Any:
        if item.__class__ is Connection:
            self._connect()
            return item
        self._raw.send_command(*item.args, check_health=False)
        return self._raw.read_response()

    def send_many(self, commands: Sequence[Command]) -> Any:
        raise AssertionError("redis_connect flows send one command at a time")


class _AsyncOpening(_Opening):
    sleep: Any = staticmethod(asyncio.sleep)

    async def send(self, item: Any) -> Any:
        if item.__class__ is Connection:
            await self._connect()
            return item
        await self._raw.send_command(*item.args, check_health=False)
        return await self._raw.read_response()


class _Connecting:
    _redis_middlewares: list[weakref.ref[Middleware]]

    def _attached(self) -> Iterator[Middleware]:
        """The middlewares of the clients that share the pool, innermost first."""
        for reference in reversed(self._redis_middlewares):
            middleware = reference()
            if middleware is not None:
                yield middleware


class _SyncConnecting(_Connecting):
    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        opened = super().connect_check_health  # type: ignore[misc]
        if self._sock:  # type: ignore[attr-defined]
            return

        def connect() -> Any:
            opened(*args, **kwargs)

        for middleware in self._attached():
            connect = _around(connect, self, middleware)
            middleware.background.ensure()
        try:
            connect()
        except BaseException:
            self.disconnect()  # type: ignore[attr-defined]
            raise


def _around(connect: Callable[[], Any], raw: Any, middleware: Middleware) -> Callable[[], Any]:
    chain = middleware.pipeline.connect
    if chain is None:
        return connect
    connection = Connection(raw, middleware.client)
    return lambda: run(chain, connection, _Opening(connect, raw), middleware.once)


class _AsyncConnecting(_Connecting):
    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        opened = super().connect_check_health  # type: ignore[misc]
        if self.is_connected:  # type: ignore[attr-defined]
            return

        def connect() -> Any:
            return opened(*args, **kwargs)

        for middleware in self._attached():
            connect = _around_async(connect, self, middleware)
            middleware.background.ensure()
        try:
            await connect()
        except BaseException:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise


def _around_async(
    connect: Callable[[], Any], raw: Any, middleware: Middleware
) -> Callable[[], Any]:
    chain = middleware.pipeline.connect
    if chain is None:
        return connect
    opening: Any = _AsyncOpening(connect, raw)
    connection = Connection(raw, middleware.client)
    return lambda: run_async(chain, connection, opening, middleware.once)


def _observe(holder: Any, middleware: Middleware, mixin: type) -> None:
    """Let what makes connections, a pool or a cluster's node, make such as run the flows."""
    cls = holder.connection_class
    if not issubclass(cls, _Connecting):
        base, cls = cls, subclass(mixin, cls)
        cls._redis_middlewares = []  # type: ignore[attr-defined]
        holder.connection_class = cls
        for name in _POOL_LISTS:
            for connection in list(getattr(holder, name, ()) or ()):
                inner = getattr(connection, "_conn", connection)
                if type(inner) is base:
                    inner.__class__ = cls
    middlewares: list[weakref.ref[Middleware]] = cls._redis_middlewares
    middlewares[:] = [known for known in middlewares if known() not in (None, middleware)]
    middlewares.append(weakref.ref(middleware))


def is_observed(cls: type) -> bool:
    """Whether a class of connections, or a mixin in it, runs the ``redis_connect`` flows."""
    return issubclass(cls, _Connecting)


def observe_connections(client: Any, middleware: Middleware) -> None:
    """Run the ``redis_connect`` flows around each connection that the client makes from now on."""
    if isinstance(client, redis.RedisCluster):
        _observe_cluster(client, middleware)
    elif isinstance(client, redis.asyncio.RedisCluster):
        _observe_async_cluster(client, middleware)
    else:
        is_async = isinstance(client, redis.asyncio.Redis)
        _observe(
            client.connection_pool, middleware, _AsyncConnecting if is_async else _SyncConnecting
        )


def _observe_cluster(client: Any, middleware: Middleware) -> None:
    manager = client.nodes_manager
    reference = weakref.ref(manager)
    known = weakref.ref(middleware)
    create = type(manager).create_redis_node

    def create_redis_node(*args: Any, **kwargs: Any) -> Any:
        node_client = create(reference(), *args, **kwargs)
        current = known()
        if current is not None:
            _observe(node_client.connection_pool, current, _SyncConnecting)
        return node_client

    manager.create_redis_node = create_redis_node
    for node in manager.nodes_cache.values():
        if node.redis_connection is not None:
            _observe(node.redis_connection.connection_pool, middleware, _SyncConnecting)


class _NodeSettings:
    """The settings that an async cluster makes its nodes with, as a maker of connections."""

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self._kwargs = kwargs

    @property
    def connection_class(self) -> Any:
        return self._kwargs["connection_class"]

    @connection_class.setter
    def connection_class(self, cls: Any) -> None:
        self._kwargs["connection_class"] = cls


def _observe_async_cluster(client: Any, middleware: Middleware) -> None:
    manager = client.nodes_manager
    _observe(_NodeSettings(manager.connection_kwargs), middleware, _AsyncConnecting)
    for node in (*manager.nodes_cache.values(), *manager.startup_nodes.values()):
        _observe(node, middleware, _AsyncConnecting)
