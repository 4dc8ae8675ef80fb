"""Clients of a cluster that slot_routing is around, and what looks at them."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio

from redis_middleware import Command, Flow, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.slot_routing import SlotRouting

__all__ = ["Noting", "key_at", "plugin_of", "routed", "routed_async"]


class Noting:
    """Keeps the commands that pass it."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Keep the command."""
        self.commands.append(command)
        return (yield command)


def routed(servers: Cluster | Server, *, table: Any = None, **options: Any) -> redis.Redis:
    """A plain client that points at the first server, with the plugin around it.

    Args:
        servers: a cluster or a single server.
        table: the table ``[slot_routing]``.
        options: of ``redis.Redis``.
    """
    server = servers.nodes[0] if isinstance(servers, Cluster) else servers
    client = redis.Redis(host=server.host, port=server.port, **options)
    return wrap(client, {"slot_routing": table or {}}, plugins=[SlotRouting])


def routed_async(
    servers: Cluster | Server, *, table: Any = None, **options: Any
) -> redis.asyncio.Redis:
    """The same for redis.asyncio."""
    server = servers.nodes[0] if isinstance(servers, Cluster) else servers
    client = redis.asyncio.Redis(host=server.host, port=server.port, **options)
    return wrap(client, {"slot_routing": table or {}}, plugins=[SlotRouting])


def plugin_of(client: Any) -> SlotRouting:
    """The plugin of a client."""
    plugin = middleware_of(client).plugins["slot_routing"]
    assert isinstance(plugin, SlotRouting)
    return plugin


def key_at(servers: Cluster, server: Server, prefix: str = "key") -> str:
    """A key whose slot a server serves now."""
    from redis_middleware.commands import key_slot

    return next(
        key
        for number in range(10_000)
        if servers.primary_of(key_slot((key := f"{prefix}:{number}").encode())) is server
    )
