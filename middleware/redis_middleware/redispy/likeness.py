"""Clients in the place of those that are gone."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio

__all__ = ["Likeness"]


class Likeness:
    """What it takes to make a client like a plain one that is gone by then.

    Args:
        client: the client.
    """

    __slots__ = ("_callbacks", "_class")

    def __init__(self, client: redis.Redis | redis.asyncio.Redis) -> None:
        self._class = type(client)
        self._callbacks = client.response_callbacks

    def on(self, pool: Any, *, completely: bool = True) -> Any:
        """A client with the same callbacks, on a pool; it runs no plugins.

        Args:
            pool: redis-py's pool of connections.
            completely: whether it is of the same class, even one with an ``__init__`` of its own.
                That is not called, since nobody knows its arguments: what it sets is missing.
        """
        is_async = issubclass(self._class, redis.asyncio.Redis)
        base: Any = redis.asyncio.Redis if is_async else redis.Redis
        client = base(connection_pool=pool)
        client.response_callbacks = self._callbacks
        if completely or self._class.__init__ is base.__init__:
            client.__class__ = self._class
        return client
