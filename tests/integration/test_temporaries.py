"""Clients that nobody keeps: ``make_client().pipeline()``, ``make_client().get(...)``."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import redis
from tests.integration import awaiting
from tests.integration.each_kind import each_kind
from tests.integration.kinds import WRITING, Kind
from tests.integration.pass_through import PassThrough
from tests.integration.servers import Servers

from redis_middleware import Batch, Call, Flow, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Server

# Dropped without having been closed, some of redis.asyncio complain to their event loop.
KINDS = [kind for kind in WRITING if not (kind.is_async and (kind.is_cluster or kind.is_single))]
PLAIN = [kind for kind in KINDS if not kind.is_cluster]


def maker(kind: Kind, servers: Servers, plugin: PassThrough) -> Any:
    """A function that makes wrapped clients."""
    kind.control(servers).clear()
    return lambda: wrap(kind.make(servers), {}, plugins=[plugin])


@each_kind(KINDS)
async def test_command(kind: Kind, servers: Servers) -> None:
    """A command on a client that nobody keeps is sent, through its plugins."""
    plugin = PassThrough()
    make = maker(kind, servers, plugin)
    await awaiting.settle(make().set("{t}1", 1))
    assert int(await awaiting.settle(make().get("{t}1"))) == 1
    assert int(await awaiting.settle(make().execute_command("GET", "{t}1"))) == 1
    assert plugin.names == ["SET", "GET", "GET"]


@each_kind(KINDS)
async def test_pipeline(kind: Kind, servers: Servers) -> None:
    """So is a pipeline of one, chained or not, and it is of the client's class and settings."""
    plugin = PassThrough()
    make = maker(kind, servers, plugin)
    pipe = make().pipeline()
    pipe.set("{t}1", 1)
    assert await awaiting.settle(pipe.execute()) == [True]
    replies = await awaiting.settle(make().pipeline().get("{t}1").execute())
    assert replies == ["1" if kind.decodes else b"1"]
    assert plugin.names == ["SET", "GET"]
    assert [len(batch) for batch in plugin.batches] == [1, 1]


@each_kind(PLAIN)
async def test_what_it_makes(kind: Kind, servers: Servers) -> None:
    """Locks, scripts, modules, further clients and subscriptions of one work."""
    plugin = PassThrough()
    make = maker(kind, servers, plugin)
    if not kind.is_fake:
        assert await awaiting.settle(make().register_script("return 1")()) == 1
        lock = make().lock("lock", timeout=5)
        assert await awaiting.settle(lock.acquire())
        await awaiting.settle(lock.release())
    client = make().client()
    assert await awaiting.settle(client.set("{t}1", 1))
    await awaiting.settle(client.aclose() if kind.is_async else client.close())
    pubsub = make().pubsub()
    await awaiting.settle(pubsub.subscribe("channel"))
    message = await awaiting.settle(pubsub.get_message(timeout=1))
    assert message["type"] == "subscribe"
    await awaiting.settle(pubsub.aclose() if kind.is_async else pubsub.close())
    assert "SET" in plugin.names


class _Asking:
    """Asks, before a pipeline goes out, by commands of the client's own."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Ask what is there."""
        client: Any = batch.client.client

        async def ask() -> Any:
            return await client.get("{t}1")

        self.answers.append((yield Call(lambda: client.get("{t}1"), ask)))
        return (yield batch)


@each_kind(WRITING)
async def test_what_is_asked_beside_a_pipeline(kind: Kind, servers: Servers) -> None:
    """A plugin can ask something for a pipeline whose client is gone, with the client's plugins."""
    asking, plugin = _Asking(), PassThrough()
    make = maker(kind, servers, plugin)
    client = make()
    await awaiting.settle(client.set("{t}1", 1))
    middleware_of(client).add(asking)
    pipe = client.pipeline(transaction=False)
    del client
    gc.collect()
    pipe.get("{t}1")
    replies = await awaiting.settle(pipe.execute())
    assert asking.answers == replies == ["1" if kind.decodes else b"1"]
    assert plugin.names == ["SET", "GET", "GET"]


async def test_callbacks_of_one_that_is_gone(clean_standalone: Server) -> None:
    """A pipeline of it has them, and so have commands that plugins send then."""
    kept: list[weakref.ref[Any]] = []

    def make() -> redis.Redis:
        client = wrap(redis.Redis(port=clean_standalone.port), {}, plugins=[asking])
        client.set_response_callback("GET", lambda reply, **options: ("read", reply))
        kept.append(weakref.ref(middleware_of(client)))
        return client

    asking = _Asking()
    pipe: Any = make().pipeline(transaction=False)
    pipe.get("{t}1")
    assert pipe.execute() == [("read", None)]
    assert asking.answers == [("read", None)]
    del pipe
    gc.collect()
    assert kept[0]() is None


class _Repository:
    """Something of an application's that has a client and makes something of its replies."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        client.set_response_callback("ECHO", self.parse)

    def parse(self, reply: Any, **options: Any) -> Any:
        """Do nothing."""
        return reply


def test_callbacks_that_keep_their_client(clean_standalone: Server) -> None:
    """A cycle is all that it is, and goes with the garbage."""
    repository = _Repository(wrap(redis.Redis(port=clean_standalone.port), {}))
    assert repository.client.echo("x") == b"x"
    middleware = weakref.ref(middleware_of(repository.client))
    del repository
    gc.collect()
    assert middleware() is None
