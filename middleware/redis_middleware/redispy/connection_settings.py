"""The settings of a client's connections, for connections of one's own."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.connection
from redis.maint_notifications import MaintNotificationsConfig

from redis_middleware.redispy.connections import is_observed
from redis_middleware.redispy.steps import Steps, drive, drive_async

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView, ServerAddress

__all__ = [
    "Settings",
    "connect_function",
    "connect_steps",
    "connection_settings",
    "pool_settings",
    "settings_at",
    "settings_of_url",
]

Settings = tuple[Any, dict[str, Any]]
"""A class of connections, without flows around it, and its arguments."""

# What belongs to a pool, or to the whole of a cluster client.
_NOT_OF_A_CONNECTION: Final = frozenset(
    {
        "event_dispatcher",
        "maint_notifications_cluster_handler",
        "maint_notifications_pool_handler",
        "oss_cluster_maint_notifications_handler",
    }
)
_OF_A_DEPLOYMENT: Final = frozenset(
    {
        "credential_provider",
        "db",
        "host",
        "password",
        "path",
        "port",
        "username",
    }
)
_WHEN_CONNECTED: Final = "redis_connect_func"
_POOL_HANDLER: Final = "_maint_notifications_pool_handler"


def connection_settings(view: ClientView, to: ServerAddress | None = None) -> Settings:
    """Those of a client's own connections.

    Args:
        view: the client.
        to: for a cluster client, the node whose connections are meant, where it knows it.
    """
    maker = _maker(view, to)
    kwargs = {
        name: value
        for name, value in maker.connection_kwargs.items()
        if name not in _NOT_OF_A_CONNECTION
    }
    connected = kwargs.get(_WHEN_CONNECTED)
    if inspect.ismethod(connected) and connected.__self__ is view.client:
        kwargs[_WHEN_CONNECTED] = _called_weakly(connected, is_async=view.is_async)
    mro: Iterable[type] = maker.connection_class.__mro__
    return next(base for base in mro if not is_observed(base)), kwargs


def _called_weakly(method: Any, *, is_async: bool) -> Callable[[Any], Any]:
    """A cluster client's ``on_connect`` for connections that must not keep the client alive.

    Without the client they are made as those of a plain one.
    """
    reference = weakref.WeakMethod(method)

    def steps(connection: Any) -> Steps:
        yield from connect_steps(connection, reference())

    return connect_function(steps, is_async=is_async)


def connect_function(steps: Callable[[Any], Steps], *, is_async: bool) -> Callable[[Any], Any]:
    """What redis-py is to call when a connection has connected: its ``redis_connect_func``.

    Args:
        steps: what to do with the connection.
        is_async: whether the connection is one of redis.asyncio.
    """

    def connected(connection: Any) -> None:
        drive(steps(connection))

    # redis.asyncio asks whether this is a coroutine function.
    async def connected_async(connection: Any) -> None:
        await drive_async(steps(connection))

    return connected_async if is_async else connected


def connect_steps(connection: Any, function: Any) -> Steps:
    """What a connection does when it has connected.

    Args:
        connection: the connection.
        function: its ``redis_connect_func``; ``None`` for what it does without one.
    """
    connecting = connection.on_connect() if function is None else function(connection)
    if inspect.isawaitable(connecting):
        yield connecting


def settings_of_url(view: ClientView, url: str) -> Settings:
    """Those of connections to where a URL says, in all else as the client has them.

    Raises:
        ValueError: the URL is not one that redis-py takes.
    """
    module = _module(view)
    options = module.connection.parse_url(url)
    connection_class = options.pop("connection_class", module.Connection)
    _, kwargs = connection_settings(view)
    kept = {name: value for name, value in kwargs.items() if name not in _OF_A_DEPLOYMENT}
    return connection_class, {**_accepted(connection_class, kept), **options}


def settings_at(view: ClientView, settings: Settings, where: ServerAddress) -> Settings:
    """The same but for the address, and for the transport where that is of another one."""
    connection_class, kwargs = settings
    module = _module(view)
    if where.port is None:
        if "path" not in kwargs:
            connection_class = module.UnixDomainSocketConnection
        address: dict[str, Any] = {"path": where.host}
    else:
        # Those of a Sentinel's pool would ask it where to go.
        if "path" in kwargs or "connection_pool" in kwargs:
            is_tls = issubclass(connection_class, module.SSLConnection)
            connection_class = module.SSLConnection if is_tls else module.Connection
        address = {"host": where.host, "port": where.port}
    if connection_class is not settings[0]:
        kwargs = _accepted(connection_class, kwargs)
    return connection_class, {**kwargs, **address}


def pool_settings(view: ClientView, *, is_elsewhere: bool) -> Settings:
    """The class of pools for a client's further connections, and its arguments.

    A pool has as many connections as the client's own, lets its callers wait as that does, and
    takes part in maintenance as that does.

    Args:
        view: the client.
        is_elsewhere: whether it is of another deployment, which may not offer to take part.
    """
    module, pool = _module(view), view.pool
    kwargs: dict[str, Any] = {"max_connections": getattr(pool, "max_connections", None)}
    if hasattr(pool, _POOL_HANDLER):
        handler = getattr(pool, _POOL_HANDLER)
        if handler is None:
            kwargs["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
        elif not is_elsewhere:
            kwargs["maint_notifications_config"] = handler.config
    if isinstance(pool, module.BlockingConnectionPool):
        return module.BlockingConnectionPool, {**kwargs, "timeout": pool.timeout}
    return module.ConnectionPool, kwargs


def _module(view: ClientView) -> Any:
    return redis.asyncio if view.is_async else redis


def _maker(view: ClientView, to: ServerAddress | None) -> Any:
    """What has a ``connection_class`` and ``connection_kwargs``: the pool, or a cluster's node."""
    if not view.is_cluster:
        return view.pool
    manager = view.pool
    # Before its first command a cluster client of redis.asyncio knows no others.
    nodes = list((manager.nodes_cache or manager.startup_nodes).values())
    same = [node for node in nodes if to is not None and (node.host, node.port) == tuple(to)]
    node = (same or nodes)[0]
    if view.is_async:
        return node
    if node.redis_connection is None:
        # redis-py makes a node's client when it first sends something there.
        manager.create_redis_connections([node])
    return node.redis_connection.connection_pool


def _accepted(connection_class: type, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of the arguments for another class those that this one takes."""
    names = {
        name
        for base in connection_class.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters  # type: ignore[misc]
    }
    return {name: value for name, value in kwargs.items() if name in names}
