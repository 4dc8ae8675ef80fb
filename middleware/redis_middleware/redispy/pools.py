"""What is in redis-py's connection pools, and how long they let their callers wait."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import redis
import redis.asyncio

from redis_middleware.redispy.view import ClientView, ServerAddress, address, pool_address

__all__ = ["PoolCounts", "observe_waits", "pool_counts"]

_EXHAUSTED = "No connection available."


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
    """The counts of a client's pool, for a cluster client of each node's."""
    pool = view.pool
    if pool is None:
        return
    if not view.is_cluster:
        yield _counts(pool, pool_address(pool))
        return
    for node in list(pool.nodes_cache.values()):
        where = address(node.host, node.port)
        if view.is_async:
            idle = len(node._free)
            yield PoolCounts(where, idle, len(node._connections) - idle, node.max_connections)
        elif node.redis_connection is not None:
            yield _counts(node.redis_connection.connection_pool, where)


def _counts(pool: Any, where: ServerAddress | None) -> PoolCounts:
    if hasattr(pool, "_in_use_connections"):
        idle, used = len(pool._available_connections), len(pool._in_use_connections)
    else:
        # The sync pool that blocks keeps a list of all its connections, and a queue of the idle
        # ones that is filled up with None.
        idle = sum(connection is not None for connection in list(pool.pool.queue))
        used = max(len(pool._connections) - idle, 0)
    return PoolCounts(where, idle, used, pool.max_connections)


def observe_waits(view: ClientView, waited: Callable[[float, bool], None]) -> Callable[[], None]:
    """Tell how long a pool that lets its callers wait (``BlockingConnectionPool``) took.

    Args:
        view: facts of the client whose pool it is; nothing happens for pools that never wait.
        waited: called with the seconds until a connection was there, and whether none was in time.

    Returns:
        A function that ends it.
    """
    pool = view.pool
    if not isinstance(pool, redis.BlockingConnectionPool | redis.asyncio.BlockingConnectionPool):
        return _nothing
    reference = weakref.ref(pool)
    cls, own = type(pool), vars(pool).get("get_connection")

    def original() -> Any:
        # The shadow must not keep the pool, which has it as an attribute.
        return cls.get_connection.__get__(reference()) if own is None else own

    def get_connection(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            connection = original()(*args, **kwargs)
        except redis.ConnectionError as error:
            waited(perf_counter() - start, _EXHAUSTED in str(error))
            raise
        waited(perf_counter() - start, False)
        return connection

    async def get_connection_async(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            connection = await original()(*args, **kwargs)
        except redis.ConnectionError as error:
            waited(perf_counter() - start, _EXHAUSTED in str(error))
            raise
        waited(perf_counter() - start, False)
        return connection

    shadow = get_connection_async if view.is_async else get_connection
    pool.get_connection = shadow  # type: ignore[method-assign]

    def end() -> None:
        known: Any = reference()
        if known is not None and vars(known).get("get_connection") is shadow:
            del known.get_connection
            if own is not None:
                known.get_connection = own

    return end


def _nothing() -> None:
    return None
