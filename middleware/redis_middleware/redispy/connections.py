"""The making of connections, with the ``redis_connect`` flows around it.

While a plugin wants to know of connections, those that a pool (or a node of an async cluster)
makes are of a subclass which knows the middleware.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.chains import Chain
from redis_middleware.command import Command
from redis_middleware.drivers import run, run_async
from redis_middleware.errors import PluginError
from redis_middleware.redispy.adoption import subclass
from redis_middleware.redispy.view import Connection

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["check_made", "is_observed", "observe_connections", "observe_pool"]

logger = logging.getLogger("redis_middleware")

_MIDDLEWARES = "_redis_middlewares"
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
            item.is_made = True
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
            item.is_made = True
            return item
        await self._raw.send_command(*item.args, check_health=False)
        return await self._raw.read_response()


def check_made(connection: Connection, chain: Chain) -> None:
    """Raise ``PluginError`` where the flows ended and the connection does not stand."""
    if not connection.is_made:
        raise PluginError(
            ", ".join(hook.plugin for hook in chain.hooks),
            "redis_connect",
            repr(connection),
            "a flow ended without yielding the connection, so that it was never made; to refuse a "
            "connection raise redis.exceptions.ConnectionError",
        )


class _Connecting:
    _redis_middlewares: list[weakref.ref[Middleware]]

    def _attached(self) -> Iterator[Middleware]:
        """The middlewares of the clients that share the pool, innermost first."""
        for reference in reversed(self._redis_middlewares):
            middleware = reference()
            if middleware is not None:
                yield middleware


class _SyncConnecting(_Connecting):
    def connect(self) -> None:
        # Each command asks for it; on a connection that stands redis-py's own does as much, but
        # goes through its retries for it.
        if not self._sock:  # type: ignore[attr-defined]
            super().connect()  # type: ignore[misc]

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

    def connect_with_flows() -> None:
        connection = Connection(raw, middleware.client)
        run(chain, connection, _Opening(connect, raw), middleware.once)
        check_made(connection, chain)

    return connect_with_flows


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

    async def connect_with_flows() -> None:
        connection = Connection(raw, middleware.client)
        await run_async(chain, connection, opening, middleware.once)
        check_made(connection, chain)

    return connect_with_flows


_subclass_once = cache(subclass)


def _observe(middlewares: list[weakref.ref[Middleware]], middleware: Middleware) -> None:
    """Run this middleware's flows, too, around the making of connections."""
    middlewares[:] = [known for known in middlewares if known() not in (None, middleware)]
    middlewares.append(weakref.ref(middleware))


def _observe_pool(pool: Any, middleware: Middleware, mixin: type) -> None:
    """Let the connections that a pool has, and those it makes, run the flows."""
    middlewares = vars(pool).get(_MIDDLEWARES)
    if middlewares is None:
        make = getattr(type(pool), "make_connection", None)
        if make is None:
            logger.warning("redis_connect is not run for %r: it has no make_connection()", pool)
            return
        middlewares, reference = [], weakref.ref(pool)

        def adopt(connection: Any) -> Any:
            inner = getattr(connection, "_conn", connection)
            cls: Any = type(inner)
            if hasattr(cls, "connect_check_health") and not is_observed(cls):
                inner.__class__ = _subclass_once(mixin, cls)
                inner._redis_middlewares = middlewares
            return connection

        for name in _POOL_LISTS:
            for connection in list(getattr(pool, name, ()) or ()):
                adopt(connection)
        pool.make_connection = lambda: adopt(make(reference()))
        setattr(pool, _MIDDLEWARES, middlewares)
    _observe(middlewares, middleware)


def _observe_node(node: Any, observed: type[_Connecting]) -> None:
    """Let the connections that a node of an async cluster has, and those it makes, run the flows.

    A node has no room for a method of its own.
    """
    plain = node.connection_class
    if not is_observed(plain):
        node.connection_class = observed
        for connection in node._connections:
            if type(connection) is plain:
                connection.__class__ = observed


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
        observe_pool(client.connection_pool, middleware)


def observe_pool(pool: Any, middleware: Middleware) -> None:
    """Run the flows around each connection that one pool makes from now on."""
    is_async = middleware.client.is_async
    _observe_pool(pool, middleware, _AsyncConnecting if is_async else _SyncConnecting)


def _observe_cluster(client: Any, middleware: Middleware) -> None:
    manager = client.nodes_manager
    create = getattr(type(manager), "create_redis_node", None)
    if create is None:
        logger.warning("redis_connect is not run for %r: it has no create_redis_node()", manager)
        return
    reference = weakref.ref(manager)
    known = weakref.ref(middleware)

    def create_redis_node(*args: Any, **kwargs: Any) -> Any:
        node_client = create(reference(), *args, **kwargs)
        current = known()
        if current is not None:
            _observe_pool(node_client.connection_pool, current, _SyncConnecting)
        return node_client

    manager.create_redis_node = create_redis_node
    for node in manager.nodes_cache.values():
        if node.redis_connection is not None:
            _observe_pool(node.redis_connection.connection_pool, middleware, _SyncConnecting)


def _observe_async_cluster(client: Any, middleware: Middleware) -> None:
    manager = client.nodes_manager
    observed: Any = manager.connection_kwargs["connection_class"]
    if not is_observed(observed):
        observed = subclass(_AsyncConnecting, observed)
        observed._redis_middlewares = []
        # The client shares its settings with the manager; its own stay what they were.
        manager.connection_kwargs = {**manager.connection_kwargs, "connection_class": observed}
    for node in (*manager.nodes_cache.values(), *manager.startup_nodes.values()):
        _observe_node(node, observed)
    _observe(observed._redis_middlewares, middleware)
