"""What is in redis-py's connection pools, and how long they let their callers wait."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final, Literal, NamedTuple, Protocol

import redis
import redis.asyncio

from redis_middleware.redispy.view import ClientView, ServerAddress, address, pool_address

__all__ = ["PoolCounts", "PoolObserver", "observe_pools", "pool_counts", "release_pools"]

logger = logging.getLogger("redis_middleware")

_WAITING: Final = (redis.BlockingConnectionPool, redis.asyncio.BlockingConnectionPool)
_EXHAUSTED: Final = "No connection available."
_WATCH: Final = "_redis_middleware_watch"
_BORROWED: Final = "_redis_middleware_borrowed"


class PoolCounts(NamedTuple):
    """The connections of one pool, or of one node of a cluster.

    Attributes:
        address: where they go; ``None`` where that is not known.
        idle: how many wait to be used.
        used: how many are in use.
        maximum: how many there may be; ``None`` without a limit.
    """

    address: ServerAddress | None
    idle: int
    used: int
    maximum: int | None


def pool_counts(view: ClientView) -> Iterator[PoolCounts]:
    """The counts of a client's pools: of each node's, and of servers that plugins send to."""
    for pool in _pools(view):
        yield _counts(pool, pool_address(pool))
    if view.is_cluster and view.is_async and view.pool is not None:
        for node in list(view.pool.nodes_cache.values()):
            idle = len(node._free)
            used = len(node._connections) - idle
            yield PoolCounts(address(node.host, node.port), idle, used, node.max_connections)


def _counts(pool: Any, where: ServerAddress | None) -> PoolCounts:
    if hasattr(pool, "_in_use_connections"):
        idle, used = len(pool._available_connections), len(pool._in_use_connections)
    else:
        # The sync pool that blocks keeps a list of all its connections, and a queue of the idle
        # ones that is filled up with None.
        idle = sum(connection is not None for connection in list(pool.pool.queue))
        used = max(len(pool._connections) - idle, 0)
    return PoolCounts(where, idle, used, pool.max_connections)


class PoolObserver(Protocol):
    """Who wants to know how long callers waited for a pool's connections, and used them."""

    def waited(self, where: ServerAddress | None, seconds: float) -> None:
        """A caller got an open connection after so many seconds."""

    def timed_out(self, where: ServerAddress | None) -> None:
        """A caller waited, and no connection came free in time."""

    def used(self, where: ServerAddress | None, seconds: float) -> None:
        """A caller gave its connection back after so many seconds."""


def observe_pools(view: ClientView, observer: PoolObserver, *, every: bool) -> None:
    """Tell the observer of a client's pools; called again, of those that are new too.

    A pool that several observe tells the first of them, until that one lets it go. Nodes of
    redis.asyncio's cluster are left out: they never let anybody wait.

    Args:
        view: facts of the client.
        observer: who is told.
        every: whether all pools are observed, for each of their callers; else only those that let
            their callers wait (``BlockingConnectionPool``), without ``used``.
    """
    for pool in _pools(view):
        if every or isinstance(pool, _WAITING):
            watch = vars(pool).get(_WATCH)
            if watch is None:
                watch = _Watch(pool, is_async=view.is_async, every=every)
                setattr(pool, _WATCH, watch)
            if observer not in watch.observers:
                watch.observers.append(observer)


def release_pools(view: ClientView, observer: PoolObserver) -> None:
    """Tell the observer nothing more."""
    for pool in _pools(view):
        watch = vars(pool).get(_WATCH)
        if watch is not None and observer in watch.observers:
            watch.observers.remove(observer)
            if not watch.observers:
                watch.end(pool)
                delattr(pool, _WATCH)


def _pools(view: ClientView) -> list[Any]:
    """redis-py's pools of a client, and of the servers that plugins send to."""
    pool = view.pool
    pools = view.server_pools
    if pool is None or (view.is_cluster and view.is_async):
        return pools
    if not view.is_cluster:
        return [pool, *pools]
    clients = [node.redis_connection for node in list(pool.nodes_cache.values())]
    return [client.connection_pool for client in clients if client is not None] + pools


class _Watch:
    """The methods of a pool, shadowed to take the time."""

    def __init__(self, pool: Any, *, is_async: bool, every: bool) -> None:
        self.observers: list[PoolObserver] = []
        self._has_failed = False
        # A Sentinel's changes.
        self._where = None if hasattr(pool, "sentinel_manager") else pool_address(pool)
        # A shadow must not keep the pool, which has it as an attribute.
        self._pool = weakref.ref(pool)
        makers: list[tuple[str, Callable[[Any], Any]]] = [
            ("get_connection", self._get_async if is_async else self._get)
        ]
        if every:
            makers.append(("release", self._release_async if is_async else self._release))
        self._shadows: dict[str, tuple[Any, Any]] = {}
        for name, make in makers:
            own = vars(pool).get(name)
            shadow = make(self._method(type(pool), name) if own is None else own)
            self._shadows[name] = (shadow, own)
            setattr(pool, name, shadow)

    def _method(self, cls: Any, name: str) -> Callable[..., Any]:
        method, reference = getattr(cls, name), self._pool
        return lambda *args, **kwargs: method(reference(), *args, **kwargs)

    def end(self, pool: Any) -> None:
        """Take the shadows off, unless others shadowed them meanwhile."""
        for name, (shadow, own) in self._shadows.items():
            if vars(pool).get(name) is shadow:
                delattr(pool, name)
                if own is not None:
                    setattr(pool, name, own)

    def _obtained(self, connection: Any, start: float) -> Any:
        now = perf_counter()
        self._tell("waited", now - start)
        setattr(connection, _BORROWED, now)
        return connection

    def _failed(self, error: Exception) -> None:
        if _EXHAUSTED in str(error):
            self._tell("timed_out")

    def _given_back(self, connection: Any) -> None:
        start = getattr(connection, _BORROWED, None)
        if start is not None:
            setattr(connection, _BORROWED, None)
            self._tell("used", perf_counter() - start)

    def _tell(self, event: Literal["waited", "timed_out", "used"], *seconds: float) -> None:
        for observer in self.observers[:1]:
            try:
                getattr(observer, event)(self._where or pool_address(self._pool()), *seconds)
            except Exception as error:
                # It would leave the connection with nobody to give it back.
                if not self._has_failed:
                    self._has_failed = True
                    logger.error(
                        "%r failed; connections go on: %s", observer, error, exc_info=error
                    )

    def _get(self, get: Callable[..., Any]) -> Callable[..., Any]:
        def get_connection(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            try:
                connection = get(*args, **kwargs)
            except redis.ConnectionError as error:
                self._failed(error)
                raise
            return self._obtained(connection, start)

        return get_connection

    def _get_async(self, get: Callable[..., Any]) -> Callable[..., Any]:
        async def get_connection(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            try:
                connection = await get(*args, **kwargs)
            except redis.ConnectionError as error:
                self._failed(error)
                raise
            return self._obtained(connection, start)

        return get_connection

    def _release(self, release: Callable[..., Any]) -> Callable[..., Any]:
        def released(connection: Any) -> Any:
            self._given_back(connection)
            return release(connection)

        return released

    def _release_async(self, release: Callable[..., Any]) -> Callable[..., Any]:
        async def released(connection: Any) -> Any:
            self._given_back(connection)
            return await release(connection)

        return released
