"""Clients on a pool: in the place of those that are gone, or to parse replies."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio

__all__ = ["Likeness", "plain_client"]


def plain_client(pool: Any, callbacks: Any = None, *, is_async: bool) -> Any:
    """A client of redis-py's own class, which runs no plugins.

    Args:
        pool: redis-py's pool of its connections.
        callbacks: what makes something of replies, by command; ``None`` for redis-py's own.
        is_async: whether it is one of redis.asyncio.
    """
    client: Any = (redis.asyncio.Redis if is_async else redis.Redis)(connection_pool=pool)
    if callbacks is not None:
        client.response_callbacks = callbacks
    return client


class Likeness:
    """What it takes to make a client like a plain one that is gone by then.

    Args:
        client: the client.
        keeps_callbacks: whether it keeps the callbacks, which may keep the client. What the client
            made has them too.
    """

    __slots__ = ("_callbacks", "_class")

    def __init__(self, client: redis.Redis | redis.asyncio.Redis, *, keeps_callbacks: bool) -> None:
        self._class = type(client)
        callbacks: Any = client.response_callbacks
        self._callbacks: Callable[[], Any] = lambda: callbacks
        # Not of a plain dictionary that somebody put in the place of redis-py's.
        if not keeps_callbacks and hasattr(callbacks, "__weakref__"):
            self._callbacks = weakref.ref(callbacks)

    def on(self, pool: Any, *, completely: bool = True) -> Any:
        """A client with the same callbacks, on a pool; it runs no plugins.

        Args:
            pool: redis-py's pool of connections.
            completely: whether it is of the same class, even one with an ``__init__`` of its own.
                That is not called, since nobody knows its arguments: what it sets is missing.
        """
        is_async = issubclass(self._class, redis.asyncio.Redis)
        client = plain_client(pool, self._callbacks(), is_async=is_async)
        if completely or self._class.__init__ is type(client).__init__:
            client.__class__ = self._class
        return client
