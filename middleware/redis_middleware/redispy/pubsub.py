"""redis-py's subscriptions, with the ``redis_message`` flows around what they receive."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster
from redis.utils import str_if_bytes

from redis_middleware.command import Message
from redis_middleware.drivers import run, run_async
from redis_middleware.redispy.adoption import Adopted, adopt

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["adopt_pubsub"]

_PUBLISHED = frozenset({"message", "pmessage", "smessage"})


def _message(response: Any, middleware: Middleware) -> Message | None:
    """The message in a raw response; ``None`` for confirmations and pongs."""
    if not isinstance(response, list | tuple) or len(response) < 3:
        return None
    kind = str_if_bytes(response[0])
    if kind not in _PUBLISHED:
        return None
    pattern = response[1] if kind == "pmessage" else None
    return Message(kind, pattern, response[-2], response[-1], middleware.client)


def _response(response: Any, message: Message) -> list[Any]:
    """The raw response with the message's payload in it."""
    return [*response[:-1], message.data]


class _Delivery:
    """Hands a message to redis-py, which calls the application's handler if there is one."""

    sleep: Any = staticmethod(time.sleep)

    def __init__(self, handle: Any, response: Any, ignore: bool) -> None:
        self._handle = handle
        self._response = response
        self._ignore = ignore

    def send(self, message: Message) -> Any:
        return self._handle(_response(self._response, message), self._ignore)


class _SyncPubSub(Adopted):
    def handle_message(self, response: Any, ignore_subscribe_messages: bool = False) -> Any:
        middleware = self._redis_middleware
        handle = super().handle_message  # type: ignore[misc]
        chain = middleware.pipeline.message
        message = None if chain is None else _message(response, middleware)
        if chain is None or message is None:
            return handle(response, ignore_subscribe_messages)
        delivery: Any = _Delivery(handle, response, ignore_subscribe_messages)
        return run(chain, message, delivery, middleware.once)


class _AsyncPubSub(Adopted):
    async def handle_message(self, response: Any, ignore_subscribe_messages: bool = False) -> Any:
        middleware = self._redis_middleware
        handle = super().handle_message  # type: ignore[misc]
        chain = middleware.pipeline.message
        message = None if chain is None else _message(response, middleware)
        if chain is None or message is None:
            return await handle(response, ignore_subscribe_messages)
        delivery: Any = _AsyncDelivery(handle, response, ignore_subscribe_messages)
        return await run_async(chain, message, delivery, middleware.once)


class _AsyncDelivery(_Delivery):
    sleep: Any = staticmethod(asyncio.sleep)


class _NodePubSubs(Adopted):
    """A cluster's subscription keeps one subscription a node for shard channels."""

    def _get_node_pubsub(self, node: Any) -> Any:
        return adopt_pubsub(
            super()._get_node_pubsub(node),  # type: ignore[misc]
            self._redis_middleware,
        )


class _SyncClusterPubSub(_NodePubSubs, _SyncPubSub):
    """A ``RedisCluster``'s subscription."""


class _AsyncClusterPubSub(_NodePubSubs, _AsyncPubSub):
    """A ``redis.asyncio.RedisCluster``'s subscription."""


_KINDS: tuple[tuple[type, type], ...] = (
    (redis.cluster.ClusterPubSub, _SyncClusterPubSub),
    (redis.client.PubSub, _SyncPubSub),
    (redis.asyncio.client.PubSub, _AsyncPubSub),
)
if hasattr(redis.asyncio.cluster, "ClusterPubSub"):
    # Before redis-py 8 the cluster client of redis.asyncio had no subscriptions.
    _KINDS = ((redis.asyncio.cluster.ClusterPubSub, _AsyncClusterPubSub), *_KINDS)


def adopt_pubsub(pubsub: Any, middleware: Middleware) -> Any:
    """Let a subscription, just made by a wrapped client, run the client's plugins; give it back."""
    return adopt(pubsub, _KINDS, middleware)
