"""The servers of one deployment, the wrapped client's own or another, as targets of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.retry
import redis.connection
import redis.retry
from redis.backoff import NoBackoff

from redis_middleware.redispy.closing import close_idle
from redis_middleware.redispy.connection_settings import (
    connect_function,
    connect_steps,
    connection_settings,
    pool_settings,
    settings_at,
    settings_of_url,
)
from redis_middleware.redispy.likeness import plain_client
from redis_middleware.redispy.own_pools import own_pool, own_server
from redis_middleware.redispy.servers import AsyncServer, Server, SyncServer
from redis_middleware.redispy.steps import Steps
from redis_middleware.redispy.view import ServerAddress, pool_address

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView

__all__ = ["Servers"]

# A pool sets these for its own connections, by its own settings.
_SET_BY_POOLS: Final = (
    "maint_notifications_config",
    "orig_host_address",
    "orig_socket_connect_timeout",
    "orig_socket_timeout",
)


class Servers:
    """The servers of one deployment; connections to them are made on first use.

    Args:
        view: facts of the client whose settings the connections get.
        url: where the deployment is: ``redis://``, ``rediss://`` or ``unix://``. It says address,
            user, password and database; all else is as the client has it. ``None`` for the
            client's own deployment.
        observe: called with each pool that is made.

    Raises:
        ValueError: the URL is not one that redis-py takes.
    """

    def __init__(
        self,
        view: ClientView,
        url: str | None = None,
        observe: Callable[[Any], None] = lambda pool: None,
    ) -> None:
        self.url = url
        self._view = view
        self._observe = observe
        self._settings = connection_settings(view) if url is None else settings_of_url(view, url)
        self._callbacks: Any = (
            None if view.is_cluster else getattr(view.client, "response_callbacks", None)
        )
        self._made_pools: dict[tuple[ServerAddress | None, bool], Any] = {}
        self._servers: dict[tuple[ServerAddress | None, bool], Server] = {}
        self._own_servers: dict[ServerAddress | None, Server] = {}

    def at(self, where: ServerAddress | None = None, *, read_only: bool = False) -> Server:
        """One of the servers, the same object each time.

        Args:
            where: its address; ``None`` for where the client itself, or the URL, goes.
            read_only: whether its connections are told READONLY, so that a cluster's replica
                answers reads.
        """
        if self.url is None and not read_only:
            pool = own_pool(self._view, where)
            if pool is not None:
                return self._own_server(where, pool)
        key = where, read_only
        server = self._servers.get(key)
        if server is None:
            # Several threads may make one: they all get the first that is noted.
            server = self._servers.setdefault(key, self._made(where, read_only=read_only))
        return server

    def forget(self, where: ServerAddress) -> None:
        """Forget a server that is no more; connections to it end with their last command."""
        self._own_servers.pop(where, None)
        for key in [key for key in list(self._servers) if key[0] == where]:
            self._servers.pop(key, None)
            pool = self._made_pools.pop(key, None)
            if pool is not None:
                close_idle(pool, is_async=self._view.is_async)

    def _own_server(self, where: ServerAddress | None, pool: Any) -> Server:
        server = self._own_servers.get(where)
        # redis-py makes another node object when the topology has changed.
        if server is None or server.pool != pool:
            address = pool_address(pool) if where is None else where
            callbacks = getattr(pool, "response_callbacks", self._callbacks)
            server = own_server(self._view, where, address, pool, callbacks)
            self._own_servers[where] = server
        return server

    def _made(self, where: ServerAddress | None, *, read_only: bool) -> Server:
        settings = self._settings
        if where is not None:
            settings = settings_at(self._view, settings, where)
        connection_class, kwargs = settings[0], dict(settings[1])
        for name in _SET_BY_POOLS:
            kwargs.pop(name, None)
        if read_only:
            kwargs["redis_connect_func"] = _told_read_only(
                kwargs.get("redis_connect_func"), is_async=self._view.is_async
            )
        # Whoever sends to a server chooses what to do when that fails: often to ask another one.
        retry: Any = redis.asyncio.retry if self._view.is_async else redis.retry
        kwargs["retry"] = retry.Retry(NoBackoff(), 0)
        pool_class, further = pool_settings(self._view, is_elsewhere=self.url is not None)
        pool = self._made_pools.setdefault(
            (where, read_only), pool_class(connection_class=connection_class, **kwargs, **further)
        )
        self._observe(pool)
        parser = plain_client(pool, self._callbacks, is_async=self._view.is_async)
        server = AsyncServer if self._view.is_async else SyncServer
        return server(pool_address(pool), parser, pool, read_only=read_only)

    def __repr__(self) -> str:
        servers = [*self._own_servers.values(), *self._servers.values()]
        return f"<Servers of {self.url or 'the client'}: {servers}>"


def _told_read_only(before: Any, *, is_async: bool) -> Any:
    """What a connection does when it has connected: what it did before, then READONLY.

    See https://redis.io/docs/latest/commands/readonly/.
    """

    def steps(connection: Any) -> Steps:
        yield from connect_steps(connection, before)
        yield connection.send_command("READONLY")
        yield connection.read_response()

    return connect_function(steps, is_async=is_async)
