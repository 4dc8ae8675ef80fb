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

    def on(self, pool: Any) -> Any:
        """A client of the same class and with the same callbacks, on a pool; it runs no plugins.

        It does not go through the class's own ``__init__``, whose arguments nobody knows.
        """
        is_async = issubclass(self._class, redis.asyncio.Redis)
        client: Any = (redis.asyncio.Redis if is_async else redis.Redis)(connection_pool=pool)
        client.response_callbacks = self._callbacks
        client.__class__ = self._class
        return client
