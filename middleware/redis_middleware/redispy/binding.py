"""A redis-py client and its middleware: how the client's commands are sent past the plugins."""

from __future__ import annotations

import asyncio
import functools
import time
import weakref
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from redis_middleware.command import Command
from redis_middleware.redispy.exchange import exchange
from redis_middleware.redispy.likeness import Likeness
from redis_middleware.redispy.modules import MODULES_WITH_PIPELINES
from redis_middleware.redispy.servers import Server
from redis_middleware.redispy.steps import Steps, drive, drive_async
from redis_middleware.redispy.view import AnyClient

if TYPE_CHECKING:
    from redis_middleware.handle import Lease, Middleware

__all__ = [
    "ATTRIBUTE",
    "CLIENTS",
    "SHADOWED",
    "AsyncBinding",
    "Binding",
    "SyncBinding",
    "binding_of",
]

ATTRIBUTE = "_redis_middleware_binding"
"""Where a wrapped client keeps its binding."""

SHADOWED = (
    "execute_command",
    "close",
    "aclose",
    "pipeline",
    "pubsub",
    "client",
    *MODULES_WITH_PIPELINES,
)
"""The methods of a client that wrapping shadows."""

CLIENTS = (
    redis.Redis,
    redis.asyncio.Redis,
    redis.RedisCluster,
    redis.asyncio.RedisCluster,
)
"""The classes of clients that can be wrapped, with their subclasses."""


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
        "_likeness",
        "_pool",
        "is_shadowed",
        "lease",
        "middleware",
        "owns_pool",
        "reference",
        "shadowed",
        "thin",
    )

    drive: Callable[[Steps], Any]

    def __init__(self, client: Any, middleware: Middleware) -> None:
        self.middleware = middleware
        self.lease: Lease | None = None
        self.shadowed = _shadowed(client)
        self.is_shadowed = "execute_command" in self.shadowed
        self.owns_pool = bool(getattr(client, "auto_close_connection_pool", True))
        self.thin = _thin_layer(type(client).execute_command)
        self._pool = None
        self.reference: Callable[[], AnyClient | None]
        if middleware.client.is_cluster:
            # A cluster client is a reference cycle of its own: its connections call it back.
            self.reference = lambda: client
        else:
            self.reference = weakref.ref(client)
            self._pool = client.connection_pool
            self._likeness = Likeness(client, keeps_callbacks=True)

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
        return self._likeness.on(self._pool) if client is None else client

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
        if isinstance(target, CLIENTS):
            return _past_middleware(target, "execute_command")(*command.args, **command.options)
        options = {**command.options, "target_nodes": target}
        return self.call("execute_command", *command.args, **options)

    def send_many(self, commands: Sequence[Command]) -> Any:
        """Send several, each to its target; failures are among the replies."""
        return self.drive(exchange(commands, self._send_others))

    def _send_others(self, commands: Sequence[Command]) -> Steps:
        replies: list[Any] = [None] * len(commands)
        part: list[Any] = []
        reply: Any = None
        for target, indexes in _by_target(commands):
            try:
                if len(indexes) == 1:
                    part = [(yield self.send(commands[indexes[0]]))]
                else:
                    pipe = self.pipe(target, [commands[index] for index in indexes])
                    part = yield pipe.execute(raise_on_error=False)
            except Exception as error:
                part = [error] * len(indexes)
            for index, reply in zip(indexes, part, strict=True):
                replies[index] = reply
        try:
            return replies
        finally:
            # The traceback of an error among them may hold this frame.
            del replies, part, reply

    def pipe(self, target: Any, commands: Sequence[Command]) -> Any:
        """A redis-py pipeline, not a transaction, with these commands in it."""
        if isinstance(target, CLIENTS):
            pipe = _past_middleware(target, "pipeline")(transaction=False)
        else:
            pipe = self.call("pipeline", transaction=False)
        for command in commands:
            options = command.options
            if target is not None and not isinstance(target, CLIENTS):
                options = {**options, "target_nodes": target}
            pipe.execute_command(*command.args, **options)
        return pipe


def _shadowed(client: Any) -> dict[str, Any]:
    """The client's own attributes by the names of the methods that wrapping shadows.

    They are not looked up in ``vars(client)``: CPython keeps the attributes of an object inline
    only until somebody asks for its ``__dict__``, and each command of redis-py's looks up a dozen.
    """
    found = {}
    for name in SHADOWED:
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


class SyncBinding(Binding):
    """The transport of a sync client."""

    __slots__ = ()
    drive = staticmethod(drive)
    sleep = staticmethod(time.sleep)

    def close(self, *args: Any, **kwargs: Any) -> Any:
        """Close the client, and what plugins do beside it."""
        self.middleware.closing(self)
        return self.call("close", *args, **kwargs)


class AsyncBinding(Binding):
    """The transport of an async client."""

    __slots__ = ()
    drive = staticmethod(drive_async)
    sleep = staticmethod(asyncio.sleep)

    async def aclose(self, *args: Any, **kwargs: Any) -> Any:
        """Close the client, and what plugins do beside it."""
        await self.middleware.closing_async(self)
        return await self.call("aclose", *args, **kwargs)


def binding_of(client: object) -> Binding | None:
    """The client's binding; ``None`` where it is not wrapped."""
    binding = getattr(client, ATTRIBUTE, None)
    return binding if isinstance(binding, Binding) else None
