"""A wrapped client stays the object it was, and can be unwrapped."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.integration import awaiting
from tests.integration.each_kind import each_kind, wrapped
from tests.integration.kinds import KINDS, MAIN, WRITING, Kind, kinds
from tests.integration.pass_through import PassThrough, three
from tests.integration.servers import Servers

from redis_middleware import middleware_of, unwrap, wrap

PLAIN = [kind for kind in WRITING if not kind.is_cluster]


def public(client: Any) -> set[str]:
    """The names of what a client offers."""
    return {name for name in dir(client) if not name.startswith("_")}


@each_kind(KINDS)
async def test_identity(kind: Kind, servers: Servers) -> None:
    """Object, type, representation, hash and the names of its methods are what they were."""
    client = kind.make(servers)
    before = (type(client), repr(client), hash(client), public(client), client.__class__)
    assert wrap(client, {}, plugins=three()) is client
    assert before == (type(client), repr(client), hash(client), public(client), client.__class__)
    assert client == client
    assert isinstance(
        client,
        redis.Redis | redis.asyncio.Redis | redis.RedisCluster | redis.asyncio.RedisCluster,
    )
    await close(kind, client)


async def close(kind: Kind, client: Any) -> None:
    """Close a client of either colour."""
    await awaiting.settle(client.aclose() if kind.is_async else client.close())


@each_kind(KINDS)
async def test_methods(kind: Kind, servers: Servers) -> None:
    """The methods that wrapping shadows have the names, documentation and signatures they had."""
    bare, client = kind.make(servers), wrap(kind.make(servers), {}, plugins=three())
    for name in sorted(public(bare)):
        method, own = getattr(bare, name), getattr(client, name)
        if not inspect.ismethod(method):
            continue
        assert own.__name__ == method.__name__
        assert own.__doc__ == method.__doc__
        assert inspect.signature(own) == inspect.signature(method)
        if name != "execute_command" or sys.version_info >= (3, 12):
            # Before 3.12 only an ``async def`` could be told to be one.
            assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(method)
    await close(kind, bare)
    await close(kind, client)


@each_kind(KINDS)
async def test_unwrapped(kind: Kind, servers: Servers) -> None:
    """``unwrap`` leaves nothing behind, and the client can be wrapped again."""
    client = kind.make(servers)
    before = dict(vars(client))
    plugin = PassThrough()
    wrap(client, {}, plugins=[plugin])
    assert unwrap(client) is client
    assert vars(client) == before
    assert unwrap(client) is client
    with pytest.raises(LookupError, match="not wrapped"):
        middleware_of(client)
    await awaiting.settle(client.get("key"))
    assert plugin.commands == []
    wrap(client, {}, plugins=[plugin])
    await awaiting.settle(client.get("key"))
    assert plugin.names == ["GET"]
    await close(kind, client)


@each_kind()
async def test_wrapped_twice(kind: Kind, servers: Servers) -> None:
    """Wrapping again puts the new plugins in place of the old ones."""
    first, second = PassThrough("first"), PassThrough("second")
    async with wrapped(kind, servers, [first]) as client:
        wrap(client, {}, plugins=[first])
        await awaiting.settle(client.get("key"))
        assert first.names == ["GET"]
        wrap(client, {}, plugins=[second])
        pipe = client.pipeline(transaction=False)
        pipe.get("key")
        await awaiting.settle(pipe.execute())
        assert (first.names, second.names) == (["GET"], ["GET"])
        assert list(middleware_of(client).plugins) == ["second"]


@each_kind()
async def test_pipelines_made_before_unwrapping(kind: Kind, servers: Servers) -> None:
    """What a client made while it was wrapped runs no plugins once it is unwrapped."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        pipe = client.pipeline(transaction=False)
        unwrap(client)
        pipe.set("key", 1).get("key")
        assert len(await awaiting.settle(pipe.execute())) == 2
        assert plugin.commands == []


@each_kind()
async def test_own_attributes(kind: Kind, servers: Servers) -> None:
    """An ``execute_command`` that the application put on the object is called, and restored."""
    client = kind.make(servers)
    original = client.execute_command
    called: list[Any] = []

    def execute_command(*args: Any, **options: Any) -> Any:
        called.append(args[0])
        return original(*args, **options)

    client.execute_command = execute_command
    plugin = PassThrough()
    wrap(client, {}, plugins=[plugin])
    await awaiting.settle(client.get("key"))
    assert (called, plugin.names) == (["GET"], ["GET"])
    unwrap(client)
    assert client.execute_command is execute_command
    await close(kind, client)


@each_kind(MAIN)
async def test_what_it_makes(kind: Kind, servers: Servers) -> None:
    """Pipelines, subscriptions and the rest are of the types, and look, as those of a bare one."""
    bare, client = kind.make(servers), wrap(kind.make(servers), {}, plugins=three())
    for method in ("pipeline", "pubsub", "client", "json", "ft", "ts", "monitor"):
        if not hasattr(bare, method) or (method in ("client", "monitor") and kind.is_cluster):
            continue
        expected, made = getattr(bare, method)(), getattr(client, method)()
        assert isinstance(made, type(expected))
        assert type(made).__name__ == type(expected).__name__
        assert type(made).__qualname__ == type(expected).__qualname__
        assert type(made).__module__ == type(expected).__module__
        assert type(made).__doc__ == type(expected).__doc__
        assert public(made) == public(expected)
    await close(kind, bare)
    await close(kind, client)


@each_kind(PLAIN)
async def test_copied(kind: Kind, servers: Servers) -> None:
    """A shallow copy works as one of a bare client does, on the same connections and plugins."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        if kind.is_single:
            return
        other = copy.copy(client)
        await awaiting.settle(other.set("key", 1))
        assert int(await awaiting.settle(client.get("key"))) == 1
        assert plugin.names == ["SET", "GET"]


@each_kind(kinds(lambda kind: not kind.is_fake))
async def test_pickled(kind: Kind, servers: Servers) -> None:
    """What cannot be pickled or copied deeply of a bare client cannot of a wrapped one."""
    bare, client = kind.make(servers), wrap(kind.make(servers), {}, plugins=three())
    for function in (pickle.dumps, copy.deepcopy):
        if failure(function, bare) is not None:
            assert failure(function, client) is not None
    await close(kind, bare)
    await close(kind, client)


def failure(function: Any, value: Any) -> type | None:
    """The type of what a call raises."""
    try:
        function(value)
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, "accepted are redis.Redis"),
        ("redis://localhost", "accepted are redis.Redis"),
        (redis.Redis, "this is the class"),
        (redis.ConnectionPool(), "accepted are redis.Redis"),
        (redis.Redis().pipeline(), "wrap that client"),
        (redis.Redis().pubsub(), "accepted are redis.Redis"),
    ],
)
def test_not_a_client(value: Any, hint: str) -> None:
    """What is no client is refused, and told what would be accepted."""
    for function in (wrap, unwrap):
        with pytest.raises(TypeError, match=hint):
            function(value)


def test_not_a_client_yet() -> None:
    """A coroutine is to be awaited first; of a sentinel its clients are to be wrapped."""

    async def make() -> redis.asyncio.Redis:
        return redis.asyncio.Redis()

    coroutine: Any = make()
    with pytest.raises(TypeError, match="await it first"):
        wrap(coroutine)
    coroutine.close()
    sentinel: Any = redis.Sentinel([("localhost", 1)])
    with pytest.raises(TypeError, match="master_for"):
        wrap(sentinel)
