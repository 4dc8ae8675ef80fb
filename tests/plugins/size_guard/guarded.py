"""Clients that the size guard is around, and the plugin behind them."""

from __future__ import annotations

from typing import Any

import redis

from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Server
from redis_middleware_plugins.size_guard import SizeGuard


def guarded(server: Server, **table: Any) -> redis.Redis:
    """A client of the server whose guard has these settings and rejects, unless they say else."""
    settings = {"size_guard": {"mode": "reject", **table}}
    return wrap(redis.Redis(port=server.port), settings, plugins=[SizeGuard])


def guard_of(client: Any) -> SizeGuard:
    """The guard of a client."""
    plugin = middleware_of(client).plugins["size_guard"]
    assert isinstance(plugin, SizeGuard)
    return plugin


def found(client: Any, limit: str, action: str) -> int:
    """How often the guard found something about a limit and did this about it."""
    return sum(
        count
        for finding, count in guard_of(client).counts.items()
        if (finding.limit, finding.action) == (limit, action)
    )


def calls(server: Server) -> dict[str, int]:
    """How often the server was asked for each command since it was flushed or reset."""
    with server.connect() as client:
        statistics: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}
