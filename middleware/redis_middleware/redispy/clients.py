"""A redis-py client, of each kind, that runs plugins: what ``wrap`` puts onto the object.

The client stays the object it was, of the class it was: its methods are shadowed by instance
attributes. Those find the client through a weak reference, so that a client that is dropped still
closes its connections at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import time
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from types import FunctionType
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.command import Command
from redis_middleware.drivers import run_async, run_on
from redis_middleware.execution import (
    ENDED,
    interrupt,
    not_given_back,
    not_passed_on,
    not_sent,
)
from redis_middleware.flow import NIL, Flow
from redis_middleware.redispy.modules import MODULES_WITH_PIPELINES, adopt_module
from redis_middleware.redispy.pipelines import adopt_pipeline
from redis_middleware.redispy.pubsub import adopt_pubsub
from redis_middleware.redispy.servers import Server, exchange, exchange_async
from redis_middleware.redispy.view import AnyClient, ClientView

if TYPE_CHECKING:
    from redis_middleware.handle import Lease, Middleware

__all__ = ["binding_of", "check_client", "install", "sender", "uninstall"]

_ATTRIBUTE = "_redis_middleware_binding"
_SHADOWED = (
    "execute_command",
    "close",
    "aclose",
    "pipeline",
    "pubsub",
    "client",
    *MODULES_WITH_PIPELINES,
)
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
        lease: what keeps the middleware's plugins going, of an installed binding.
        middleware: the client's middleware.
        reference: gives the client, or ``None`` when it is gone.
        shadowed: the instance attributes that the client had before, by name.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_class",
        "_pool",
        "is_shadowed",
        "lease",
        "middleware",
        "owns_pool",
        "reference",
        "shadowed",
        "thin",
    )

    def __init__(self, client: Any, middleware: Middleware) -> None:
        self.middleware = middleware
        self.lease: Lease | None = None
        self.shadowed = _shadowed(client)
        self.is_shadowed = "execute_command" in self.shadowed
        self.owns_pool = bool(getattr(client, "auto_close_connection_pool", True))
        self.thin = _thin_layer(type(client).execute_command)
        self._class = type(client)
        self._pool = None
        self._callbacks = None
        self.reference: Callable[[], AnyClient | None]
        if middleware.client.is_cluster:
            # A cluster client is a reference cycle of its own: its connections call it back.
            self.reference = lambda: client
        else:
            self.reference = weakref.ref(client)
            self._pool = client.connection_pool
            self._callbacks = client.response_callbacks

    def keep(self, client: AnyClient) -> None:
        """Keep a client that nobody else has."""
        self.reference = lambda: client

    def client(self) -> Any:
        """The client, or one in its place where it is gone.

        In ``make_client().pipeline()`` the last reference to the client goes when the method has
        been looked up, before it is called. redis-py's bound method would keep the client; this
        makes one on the same pool, for the length of the call.
        """
        client: Any = self.reference()
        if client is None:
            is_async = self.middleware.client.is_async
            client = (redis.asyncio.Redis if is_async else redis.Redis)(connection_pool=self._pool)
            client.response_callbacks = self._callbacks
            client.__class__ = self._class
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
            client: Any = self.reference()
            if client is None or self.is_shadowed:
                return self.call("execute_command", *command.args, **command.options)
            return client.__class__.execute_command(client, *command.args, **command.options)
        if isinstance(target, Server):
            return target.send(command)
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


def _shadowed(client: Any) -> dict[str, Any]:
    """The client's own attributes by the names of the methods that wrapping shadows.

    They are not looked up in ``vars(client)``: CPython keeps the attributes of an object inline
    only until somebody asks for its ``__dict__``, and each command of redis-py's looks up a dozen.
    """
    found = {}
    for name in _SHADOWED:
        method = getattr(type(client), name, None)
        own = getattr(client, name, None)
        if method is not None and getattr(own, "__func__", None) is not method:
            found[name] = own
    return found


def _thin_layer(method: Any) -> Any:
    """The method, where all it does is to hand its arguments on to ``_execute_command``.

    That layer costs as much as the rest of the wrapping. It is left out only while the class has
    this very function: instrumentation puts another one in its place.
    """
    if isinstance(method, FunctionType) and method.__code__.co_names == ("_execute_command",):
        return method
    return None


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

    def send_many(self, commands: Sequence[Command]) -> Any:
        return exchange(commands, self._send_others)

    def _send_others(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        part: list[Any] = []
        reply: Any = None
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
        try:
            return replies
        finally:
            # The traceback of an error among them may hold this frame.
            del replies, part, reply

    def close(self, *args: Any, **kwargs: Any) -> Any:
        self.middleware.closing(owns_pool=self.owns_pool)
        return self.call("close", *args, **kwargs)


class _AsyncBinding(Binding):
    __slots__ = ()
    sleep = staticmethod(asyncio.sleep)

    def send_many(self, commands: Sequence[Command]) -> Any:
        return exchange_async(commands, self._send_others)

    async def _send_others(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        part: list[Any] = []
        reply: Any = None
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
        try:
            return replies
        finally:
            # The traceback of an error among them may hold this frame.
            del replies, part, reply

    async def aclose(self, *args: Any, **kwargs: Any) -> Any:
        await self.middleware.closing_async(owns_pool=self.owns_pool)
        return await self.call("aclose", *args, **kwargs)


def _sync_executor(binding: Any) -> Callable[..., Any]:
    """The ``execute_command`` of a wrapped sync client, where each of its methods ends up.

    This is ``drivers.run`` and ``Binding.send`` in one: a server close by answers in less than
    20 µs, of which each call of a function here would be another half of a percent.
    """
    middleware, view, once = binding.middleware, binding.middleware.client, binding.middleware.once
    reference, is_shadowed, thin = binding.reference, binding.is_shadowed, binding.thin

    def past(client: Any) -> Any:
        if client is None or is_shadowed:
            return functools.partial(binding.call, "execute_command")
        return functools.partial(client.__class__.execute_command, client)

    def execute_command(*args: Any, **options: Any) -> Any:
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.chains.of(args)
        if chain is None:
            client = reference()
            if client is None or is_shadowed or client.__class__.execute_command is not thin:
                return past(client)(*args, **options)
            return client._execute_command(*args, **options)

        command = Command(args, options, chain.spec, view)
        flows: list[Flow | None] = []
        yielded: Any = command
        failure: Exception | None = None
        answered = False
        reply: Any = None
        try:
            for function in chain.functions:
                flow = function(command)
                if flow is None:
                    flows.append(None)
                    continue
                yielded = flow.send(None)
                flows.append(flow)
                if yielded is not command:
                    break
        except StopIteration as stop:
            # An answer that needs no server is to cost no more than it must.
            reply = stop.value
            answered = not (
                reply is None or isinstance(reply, Exception) or chain.hooks[len(flows)].observes
            )
            if not answered:
                failure = stop
            elif reply is NIL:
                reply = None
        except Exception as error:
            failure = error
        except BaseException as error:
            interrupt(chain, command, flows, error)
            raise
        if failure is not None or yielded is not command:
            try:
                unusual = not_passed_on(chain, command, flows, yielded, failure)
            finally:
                # The traceback of an exception holds this frame, which must not hold it in turn.
                failure = reply = None
            return run_on(*unusual, binding, once)
        if not answered:
            client = reference()
            try:
                if command.target is not None:
                    reply = binding.send(command)
                elif client is None or is_shadowed or client.__class__.execute_command is not thin:
                    reply = past(client)(*args, **options)
                else:
                    reply = client._execute_command(*args, **options)
            except BaseException as error:
                return run_on(*not_sent(chain, command, flows, error), binding, once)
        for flow in reversed(flows):
            if flow is None:
                continue
            yielded, result, failure = ENDED, None, None
            try:
                yielded = flow.send(reply)
            except StopIteration as stop:
                result = stop.value
                if result is reply:
                    continue
            except Exception as error:
                failure = error
            except BaseException as error:
                interrupt(chain, command, flows, error)
                raise
            try:
                unusual = not_given_back(
                    chain, command, flows, flow, reply, yielded, result, failure
                )
            finally:
                failure = result = None
            return run_on(*unusual, binding, once)
        return reply

    return execute_command


def _async_executor(binding: Any) -> Callable[..., Any]:
    """The ``execute_command`` of a wrapped async client."""
    middleware, view, once = binding.middleware, binding.middleware.client, binding.middleware.once
    reference, is_shadowed = binding.reference, binding.is_shadowed

    def execute_command(*args: Any, **options: Any) -> Any:
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.chains.of(args)
        client = reference()
        if chain is not None:
            command = Command(args, options, chain.spec, view)
            return run_async(chain, command, binding, once, client)
        if client is None or is_shadowed:
            return binding.call("execute_command", *args, **options)
        return client.__class__.execute_command(client, *args, **options)

    return execute_command


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
    binding.lease = middleware.lease()
    shadows: dict[str, Any] = {
        **_makers(binding),
        "execute_command": (_async_executor if is_async else _sync_executor)(binding),
    }
    close = "aclose" if is_async else "close"
    shadows[close] = functools.partial(getattr(binding, close))
    for name, shadow in shadows.items():
        method = getattr(type(client), name, None)
        if method is not None:
            setattr(client, name, _disguised(shadow, method))
    setattr(client, _ATTRIBUTE, binding)
    middleware.bound(client, binding)


def _disguised(shadow: Any, method: Any) -> Any:
    """Let a shadow show itself as the method it shadows: name, documentation, signature."""
    functools.update_wrapper(shadow, method)
    # The signature is looked up here: that of the method without ``self``.
    shadow.__wrapped__ = functools.partial(method, None)
    if inspect.iscoroutinefunction(method) and hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(shadow)
    return shadow


def binding_of(client: object) -> Binding | None:
    """The client's binding; ``None`` where it is not wrapped."""
    binding = getattr(client, _ATTRIBUTE, None)
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
    for name in (*_SHADOWED, _ATTRIBUTE):
        with contextlib.suppress(AttributeError):
            delattr(client, name)
    for name, own in binding.shadowed.items():
        setattr(client, name, own)
    binding.middleware.unbound(binding)
    return binding.middleware
