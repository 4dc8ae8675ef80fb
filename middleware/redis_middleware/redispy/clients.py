"""A redis-py client, of each kind, that runs plugins: what ``wrap`` puts onto the object.

The client stays the object it was, of the class it was: its methods are shadowed by instance
attributes. Those find the client through a weak reference, so that a client that is dropped still
closes its connections at once.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.redispy.binding import (
    ATTRIBUTE,
    CLIENTS,
    SHADOWED,
    AsyncBinding,
    Binding,
    SyncBinding,
    binding_of,
)
from redis_middleware.redispy.executors import async_executor, sync_executor
from redis_middleware.redispy.modules import MODULES_WITH_PIPELINES, adopt_module
from redis_middleware.redispy.pipelines import adopt_pipeline
from redis_middleware.redispy.pubsub import adopt_pubsub
from redis_middleware.redispy.view import AnyClient, ClientView

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["check_client", "install", "sender", "uninstall"]

_PARTS = (
    redis.client.Pipeline,
    redis.asyncio.client.Pipeline,
    redis.cluster.ClusterPipeline,
    redis.asyncio.cluster.ClusterPipeline,
)


def check_client(client: object, made_by: str = "") -> None:
    """Raise ``TypeError``, saying what is accepted, unless it is a client that can be wrapped.

    Args:
        client: what is to be wrapped. Only its type is told: it may be a URL with a password.
        made_by: the function that made it, for the message; empty where it was given.
    """
    if isinstance(client, CLIENTS) and not isinstance(client, _PARTS):
        return
    accepted = (
        "accepted are redis.Redis, redis.asyncio.Redis, redis.RedisCluster, "
        "redis.asyncio.RedisCluster and their subclasses (clients from Sentinel.master_for() and "
        "slave_for() and fakeredis clients are such)"
    )
    if isinstance(client, _PARTS):
        hint = "; a pipeline runs the plugins of the client that made it: wrap that client"
    elif isinstance(client, type) and issubclass(client, CLIENTS):
        hint = "; this is the class: wrap an instance, or decorate the class with @middleware"
    elif inspect.isawaitable(client):
        hint = "; this is an awaitable: await it first"
    elif isinstance(client, (str, bytes)):
        hint = "; of a server's URL make a client: redis.Redis.from_url(url)"
    elif client is None and made_by:
        hint = f"; does {made_by} lack a return?"
    elif hasattr(client, "master_for"):
        hint = "; wrap what its master_for() and slave_for() return"
    else:
        hint = ""
    kind = "class" if isinstance(client, type) else "object of type"
    name = (client if isinstance(client, type) else type(client)).__qualname__
    what = "None" if client is None else f"the {kind} {name}"
    by = f", which {made_by} made" if made_by else ""
    raise TypeError(f"cannot wrap {what}{by}: {accepted}{hint}")


def _makers(binding: Binding) -> dict[str, Callable[..., Any]]:
    """The methods of a client that make something which runs the plugins too."""

    def maker(name: str, adopt: Callable[[Any, Middleware], Any]) -> Callable[..., Any]:
        def make(*args: Any, **kwargs: Any) -> Any:
            made = adopt(binding.call(name, *args, **kwargs), binding.middleware)
            if binding.middleware.client.is_cluster:
                # Plugins may ask something beside it, and none can be made in the client's place.
                made._redis_middleware_client = binding.client()
            return made

        return make

    makers = {
        "pipeline": maker("pipeline", adopt_pipeline),
        "pubsub": maker("pubsub", adopt_pubsub),
        "client": maker("client", _rebind),
    }
    for name in MODULES_WITH_PIPELINES:
        makers[name] = maker(name, adopt_module)
    return makers


def _rebind(client: AnyClient, middleware: Middleware) -> AnyClient:
    if binding_of(client) is not None:
        # A decorated class has wrapped its new instance with a middleware of its own.
        uninstall(client)
    install(client, middleware)
    return client


def install(client: AnyClient, middleware: Middleware, *, ends_with_it: bool = True) -> None:
    """Shadow the client's methods by such as run the middleware's plugins.

    Args:
        client: the client.
        middleware: what runs them.
        ends_with_it: whether closing the client has to do with the plugins' background work.
    """
    is_async = isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster)
    binding: Any = (AsyncBinding if is_async else SyncBinding)(client, middleware)
    binding.lease = middleware.lease()
    shadows: dict[str, Any] = {
        **_makers(binding),
        "execute_command": (async_executor if is_async else sync_executor)(binding),
    }
    if ends_with_it:
        close = "aclose" if is_async else "close"
        shadows[close] = functools.partial(getattr(binding, close))
    for name, shadow in shadows.items():
        method = getattr(type(client), name, None)
        if method is not None:
            setattr(client, name, _disguised(shadow, method))
    setattr(client, ATTRIBUTE, binding)
    middleware.bound(client, binding)


def _disguised(shadow: Any, method: Any) -> Any:
    """Let a shadow show itself as the method it shadows: name, documentation, signature."""
    functools.update_wrapper(shadow, method)
    # The signature is looked up here: that of the method without ``self``.
    shadow.__wrapped__ = functools.partial(method, None)
    if inspect.iscoroutinefunction(method) and hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(shadow)
    return shadow


def sender(view: ClientView, middleware: Middleware) -> Binding | None:
    """A transport past every plugin for background work; ``None`` when the pool is garbage.

    It does not need the wrapped client itself where that is one of several on a pool.
    """
    client: Any = view.living_client
    if client is None:
        client = view.stand_in()
    if client is None:
        return None
    binding = binding_of(client)
    if binding is None:
        binding = (AsyncBinding if view.is_async else SyncBinding)(client, middleware)
        binding.keep(client)
    return binding


def uninstall(client: AnyClient) -> Middleware:
    """Take the shadowing methods off again; give the middleware."""
    binding = binding_of(client)
    assert binding is not None
    for name in (*SHADOWED, ATTRIBUTE):
        with contextlib.suppress(AttributeError):
            delattr(client, name)
    for name, own in binding.shadowed.items():
        setattr(client, name, own)
    binding.middleware.client.leave(client)
    binding.middleware.unbound(binding)
    return binding.middleware
