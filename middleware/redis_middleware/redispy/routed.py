"""Pipelines of plain clients whose connection is one to the server that a plugin chose."""

from __future__ import annotations

from typing import Any

from redis.exceptions import RedisError

from redis_middleware.redispy.servers import Server
from redis_middleware.redispy.steps import Steps
from redis_middleware.redispy.view import pool_address

__all__ = ["Routed"]


class Routed:
    """A plain pipeline whose connection can be one to another server than its client's."""

    _own_pool: Any = None

    def _connect_to(self, target: Any) -> Steps:
        """Let the pipeline have a connection to this server."""
        pipe: Any = self
        left = self._route(target)
        if left is not None:
            pool, connection = left
            yield pool.release(connection)
        if isinstance(target, Server):
            connection, pipe.connection = pipe.connection, None
            pipe.connection = yield from target.open(connection)

    def _route(self, target: Any) -> Any:
        """Let the pipeline's next connection be of this server.

        Without one it stays where it has a connection, else it is of its client's pool.

        Returns:
            The connection to be given back to its pool, and that pool; ``None`` without one.

        Raises:
            RedisError: the pipeline watches keys on a connection to another server.
        """
        pipe: Any = self
        pool = pipe.connection_pool
        own = pool if pipe._own_pool is None else pipe._own_pool
        wanted = target.pool if isinstance(target, Server) else own
        if wanted is pool or (target is None and pipe.connection is not None):
            return None
        if pipe.watching:
            raise RedisError(
                f"a transaction is on one server only: its connection is to {pool_address(pool)}, "
                f"and this command was to go to {pool_address(wanted)}; let its keys share a hash "
                "tag, such as {user:1}"
            )
        connection, pipe.connection = pipe.connection, None
        pipe._own_pool, pipe.connection_pool = own, wanted
        return None if connection is None else (pool, connection)
