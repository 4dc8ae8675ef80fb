"""Reads that the server remembers, for ``invalidation = "tracking"``.

The connection that a read goes over is told to be tracked in the same round trip, each time: nobody
knows which one of the pool's it will be, nor what has become of it since.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import RedisError

from redis_middleware import Command, Flow, ServerAddress
from redis_middleware_plugins.local_cache.listening import Listener

__all__ = ["NotTrackedError", "read_tracked"]


class NotTrackedError(Exception):
    """A reply that the server does not remember: it may be handed out, and not be kept.

    Attributes:
        reply: the reply.
    """

    def __init__(self, reply: Any) -> None:
        super().__init__("the server does not track the connection")
        self.reply = reply


def read_tracked(command: Command, listener: Listener | None) -> Flow:
    """Send a read over a connection that the server tracks; a flow that returns its reply.

    Raises:
        NotTrackedError: the server sent the reply, and did not track it.
        RedisError: the read failed.
    """
    if listener is None:
        raise NotTrackedError((yield command))
    view = command.client
    target = view.node_of(command) if view.is_cluster else None
    address: ServerAddress | None = None
    if target is not None:
        address = ServerAddress(str(target.host), int(target.port))
    listening = listener.told_by(address)
    if listening is None or (view.is_cluster and target is None):
        raise NotTrackedError((yield command))
    before = (("CLIENT TRACKING", "ON", "REDIRECT", listening), ("CLIENT ID",))
    round_ = [command.replace(args=args, options={}, target=target) for args in before]
    tracking, connection_id, reply = yield [*round_, command.replace(target=target)]
    if isinstance(reply, Exception):
        raise reply
    if isinstance(tracking, RedisError) or not isinstance(connection_id, int):
        raise NotTrackedError(reply)
    listener.read_over(address, connection_id)
    return reply
