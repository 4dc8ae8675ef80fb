"""Which connections of a client are in use. The one place in the tests that looks into its pool."""

from __future__ import annotations

from typing import Any

__all__ = ["connections_idle", "connections_in_use"]


def connections_in_use(client: Any) -> int:
    """How many connections are out of their pools, whatever kind of pool it is."""
    return sum(in_use for in_use, _ in _figures(client))


def connections_idle(client: Any) -> int:
    """How many connections were made and lie in their pools."""
    return sum(idle for _, idle in _figures(client))


def _figures(client: Any) -> list[tuple[int, int]]:
    nodes = getattr(client, "nodes_manager", None)
    if nodes is None:
        return [_of_pool(client.connection_pool)]
    figures = []
    for node in nodes.nodes_cache.values():
        if hasattr(node, "_free"):
            figures.append((len(node._connections) - len(node._free), len(node._free)))
        elif node.redis_connection is not None:
            figures.append(_of_pool(node.redis_connection.connection_pool))
    return figures


def _of_pool(pool: Any) -> tuple[int, int]:
    if hasattr(pool, "_available_connections"):
        return len(pool._in_use_connections), len(pool._available_connections)
    idle = sum(1 for connection in pool.pool.queue if connection is not None)
    return len(pool._connections) - idle, idle
