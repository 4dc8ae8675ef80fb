"""The settings of a client's connections, for connections of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from redis_middleware.redispy.connections import is_observed

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView, ServerAddress

__all__ = ["connection_settings"]

# What belongs to a pool, or to the whole of a cluster client.
_NOT_OF_A_CONNECTION: Final = frozenset(
    {
        "event_dispatcher",
        "maint_notifications_cluster_handler",
        "maint_notifications_pool_handler",
        "oss_cluster_maint_notifications_handler",
    }
)


def connection_settings(
    view: ClientView, to: ServerAddress | None = None
) -> tuple[type, dict[str, Any]]:
    """The class of a client's connections, without flows around it, and its arguments.

    Args:
        view: the client.
        to: for a cluster client, the node whose connections are meant, where it knows it.
    """
    maker = _maker(view, to)
    kwargs = {
        name: value
        for name, value in maker.connection_kwargs.items()
        if name not in _NOT_OF_A_CONNECTION
    }
    mro: Iterable[type] = maker.connection_class.__mro__
    return next(base for base in mro if not is_observed(base)), kwargs


def _maker(view: ClientView, to: ServerAddress | None) -> Any:
    """What has a ``connection_class`` and ``connection_kwargs``: the pool, or a cluster's node."""
    if not view.is_cluster:
        return view.pool
    manager = view.pool
    # Before its first command a cluster client of redis.asyncio knows no others.
    nodes = list((manager.nodes_cache or manager.startup_nodes).values())
    same = [node for node in nodes if to is not None and (node.host, node.port) == tuple(to)]
    node = (same or nodes)[0]
    return node if view.is_async else node.redis_connection.connection_pool
