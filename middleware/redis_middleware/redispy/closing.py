"""Closing the connections to servers that plugins send to; used again, they are made anew."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView

__all__ = ["close_idle", "close_idle_servers", "close_servers", "close_servers_async"]


def close_servers(view: ClientView) -> None:
    """Close all connections to the servers of a sync client."""
    for pool in view.server_pools:
        pool.disconnect()


async def close_servers_async(view: ClientView) -> None:
    """The same for an async client."""
    for pool in view.server_pools:
        await pool.disconnect()


def close_idle_servers(view: ClientView) -> None:
    """Close those that are not in use, without waiting."""
    for pool in view.server_pools:
        close_idle(pool, is_async=view.is_async)


def close_idle(pool: Any, *, is_async: bool) -> None:
    """Close the connections of a pool that are not in use, without waiting."""
    if not is_async:
        pool.disconnect(inuse_connections=False)
        return
    # Without its loop none can be closed.
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        for connection in list(pool._available_connections):
            connection._close()
