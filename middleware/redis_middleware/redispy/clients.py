"""A redis-py client, of each kind, that runs plugins: what ``wrap`` puts onto the object.

The client stays the object it was, of the class it was: its methods are shadowed by instance
attributes. Those find the client through a weak reference, so that a client that is dropped still
closes its connections at once.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.command import Command
from redis_middleware.drivers import run, run_async
from redis_middleware.redispy.modules import MODULES_WITH_PIPELINES, adopt_module
from redis_middleware.redispy.pipelines import adopt_pipeline
from redis_middleware.redispy.pubsub import adopt_pubsub
from redis_middleware.redispy.view import AnyClient, ClientView

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["binding_of", "check_client", "install", "sender", "uninstall"]

_ATTRIBUTE = "_redis_middleware_binding"
_CLIENTS = (
    redis.Redis,
    redis.asyncio.Redis,
    redis.RedisCluster,
    redis.asyncio.RedisCluster,
)
_PARTS = (
    redis.client.Pipeline,
    redis.asyncio.client.Pipeline,
    redis.cluster.ClusterPipeline,
    redis.asyncio.cluster.ClusterPipeline,
)


def check_client(client: object) -> None:
    """Raise ``TypeError``, saying what is accepted, unless it is a client that can be wrapped."""
    if isinstance(client, _CLIENTS) and not isinstance(client, _PARTS):
        return
    accepted = (
        "accepted are redis.Redis, redis.asyncio.Redis, redis.RedisCluster, "
        "redis.asyncio.RedisCluster and their subclasses (clients from Sentinel.master_for() and "
        "slave_for() and fakeredis clients are such)"
    )
    if isinstance(client, _PARTS):
        hint = "; a pipeline runs the plugins of the client that made it: wrap that client"
    elif isinstance(client, type) and issubclass(client, _CLIENTS):
        hint = "; this is the class: wrap an instance, or decorate the class with @middleware"
    elif inspect.isawaitable(client):
        hint = "; this is an awaitable: await it first"
    elif hasattr(client, "master_for"):
        hint = "; wrap what its master_for() and slave_for() return"
    else:
        hint = ""
    raise TypeError(f"cannot wrap {client!r} of type {type(client).__qualname__}: {accepted}{hint}")


class Binding:
    """A client and its middleware; the transport of the client's commands.

    Attributes:
        middleware: the client's middleware.
        shadowed: the instance attributes that the client had before, by name.
    """

    __slots__ = (
        "__weakref__",
        "_attributes",
        "_class",
        "_reference",
        "middleware",
        "owns_pool",
        "shadowed",
    )

    def __init__(self, client: AnyClient, middleware: Middleware) -> None:
        self.middleware = middleware
        self.shadowed: dict[str, Any] = {}
        self.owns_pool = bool(getattr(client, "auto_close_connection_pool", True))
        self._reference: Callable[[], AnyClient | None] = weakref.ref(client)
        self._class = type(client)
        self._attributes = dict(vars(client))

    def keep(self, client: AnyClient) -> None:
        """Keep a client that nobody else has."""
        self._reference = lambda: client

    def client(self) -> Any:
        """The client, or one in its place where it is gone.

        In ``make_client().pipeline()`` the last reference to the client goes when the method has
        been looked up, before it is called. redis-py's bound method would keep the client; this
        makes one with the same attributes, for the length of the call.
        """
        client = self._reference()
        if client is None:
            client = self._class.__new__(self._class)
            vars(client).update(self._attributes)
            if vars(client).get("connection") is not None:
                # The client gave it back to the pool when it went.
                client.connection = None
        return client

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client's past the middleware."""
        shadowed = self.shadowed.get(name)
        if shadowed is not None:
            return shadowed(*args, **kwargs)
        client = self.client()
        return getattr(type(client), name)(client, *args, **kwargs)

    def send(self, command: Command) -> Any:
        """Send one command, to its target; an awaitable where the client is async."""
        target = command.target
        if target is None:
            return self.call("execute_command", *command.args, **command.options)
        if isinstance(target, _CLIENTS):
            return _past_middleware(target, "execute_command")(*command.args, **command.options)
        options = {**command.options, "target_nodes": target}
        return self.call("execute_command", *command.args, **options)

    def pipe(self, target: Any, commands: Sequence[Command]) -> Any:
        """A redis-py pipeline, not a transaction, with these commands in it."""
        if isinstance(target, _CLIENTS):
            pipe = _past_middleware(target, "pipeline")(transaction=False)
        else:
            pipe = self.call("pipeline", transaction=False)
        for command in commands:
            options = command.options
            if target is not None and not isinstance(target, _CLIENTS):
                options = {**options, "target_nodes": target}
            pipe.execute_command(*command.args, **options)
        return pipe


def _past_middleware(client: Any, name: str) -> Callable[..., Any]:
    binding = binding_of(client)
    return getattr(client, name) if binding is None else functools.partial(binding.call, name)


def _by_target(commands: Sequence[Command]) -> list[tuple[Any, list[int]]]:
    """The commands' indexes by where they go."""
    targets: list[tuple[Any, list[int]]] = []
    for index, command in enumerate(commands):
        for target, indexes in targets:
            if target is command.target:
                indexes.append(index)
                break
        else:
            targets.append((command.target, [index]))
    return targets


class _SyncBinding(Binding):
    __slots__ = ()
    sleep = staticmethod(time.sleep)

    def send_many(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        for target, indexes in _by_target(commands):
            try:
                if len(indexes) == 1:
                    part = [self.send(commands[indexes[0]])]
                else:
                    pipe = self.pipe(target, [commands[index] for index in indexes])
                    part = pipe.execute(raise_on_error=False)
            except Exception as error:
                part = [error] * len(indexes)
            for index, reply in zip(indexes, part, strict=True):
                replies[index] = reply
        return replies

    def execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self.middleware
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.pipeline.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.pipeline.chains.of(args)
        if chain is None:
            return self.call("execute_command", *args, **options)
        command = Command(args, options, chain.spec, middleware.client)
        return run(chain, command, self, middleware.once)

    def close(self, *args: Any, **kwargs: Any) -> Any:
        self.middleware.closing(owns_pool=self.owns_pool)
        return self.call("close", *args, **kwargs)


class _AsyncBinding(Binding):
    __slots__ = ()
    sleep = staticmethod(asyncio.sleep)

    async def send_many(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        for target, indexes in _by_target(commands):
            try:
                if len(indexes) == 1:
                    part = [await self.send(commands[indexes[0]])]
                else:
                    pipe = self.pipe(target, [commands[index] for index in indexes])
                    part = await pipe.execute(raise_on_error=False)
            except Exception as error:
                part = [error] * len(indexes)
            for index, reply in zip(indexes, part, strict=True):
                replies[index] = reply
        return replies

    def execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self.middleware
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.pipeline.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.pipeline.chains.of(args)
        if chain is None:
            return self.call("execute_command", *args, **options)
        return self._run(chain, args, options, self.client())

    async def _run(self, chain: Any, args: Any, options: Any, client: Any) -> Any:
        # The coroutine keeps the client, as redis-py's own does.
        middleware = self.middleware
        command = Command(args, options, chain.spec, middleware.client)
        transport: Any = self
        return await run_async(chain, command, transport, middleware.once)

    async def aclose(self, *args: Any, **kwargs: Any) -> Any:
        await self.middleware.closing_async(owns_pool=self.owns_pool)
        return await self.call("aclose", *args, **kwargs)


def _makers(binding: Binding) -> dict[str, Callable[..., Any]]:
    """The methods of a client that make something which runs the plugins too."""

    def maker(name: str, adopt: Callable[[Any, Middleware], Any]) -> Callable[..., Any]:
        def make(*args: Any, **kwargs: Any) -> Any:
            return adopt(binding.call(name, *args, **kwargs), binding.middleware)

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


def install(client: AnyClient, middleware: Middleware) -> None:
    """Shadow the client's methods by such as run the middleware's plugins."""
    is_async = isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster)
    binding: Any = (_AsyncBinding if is_async else _SyncBinding)(client, middleware)
    close = "aclose" if is_async else "close"
    shadows = {
        "execute_command": binding.execute_command,
        close: getattr(binding, close),
        **{
            name: make for name, make in _makers(binding).items() if hasattr(type(client), name)
        },
    }
    attributes = vars(client)
    binding.shadowed.update({name: attributes[name] for name in shadows if name in attributes})
    attributes.update(shadows)
    middleware.bound(client, binding)
    attributes[_ATTRIBUTE] = binding


def binding_of(client: object) -> Binding | None:
    """The client's binding; ``None`` where it is not wrapped."""
    binding = getattr(client, "__dict__", {}).get(_ATTRIBUTE)
    return binding if isinstance(binding, Binding) else None


def sender(view: ClientView, middleware: Middleware) -> Binding | None:
    """A transport past every plugin for background work; ``None`` when the pool is garbage.

    It does not need the wrapped client itself where that is one of several on a pool.
    """
    client: Any = view.client
    if client is None:
        pool = view.pool
        if pool is None or view.is_cluster:
            return None
        client = (redis.asyncio.Redis if view.is_async else redis.Redis)(connection_pool=pool)
    binding = binding_of(client)
    if binding is None:
        binding = (_AsyncBinding if view.is_async else _SyncBinding)(client, middleware)
        binding.keep(client)
    return binding


def uninstall(client: AnyClient) -> Middleware:
    """Take the shadowing methods off again; give the middleware."""
    binding = binding_of(client)
    assert binding is not None
    attributes = vars(client)
    for name in ("execute_command", "close", "aclose", *_makers(binding), _ATTRIBUTE):
        attributes.pop(name, None)
    attributes.update(binding.shadowed)
    binding.middleware.unbound(binding)
    return binding.middleware
