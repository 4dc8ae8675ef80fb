"""The decorator ``@middleware`` on everything that makes clients."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.integration.pass_through import PassThrough

from redis_middleware import (
    Connection,
    Flow,
    PluginNotFoundError,
    hookimpl,
    middleware,
    middleware_of,
    unwrap,
    wrap,
)
from redis_middleware.embedded import Cluster, Server


@pytest.fixture
def plugin() -> PassThrough:
    """Return a plugin."""
    return PassThrough()


def test_function(clean_standalone: Server, plugin: PassThrough) -> None:
    """On a function: its clients are wrapped; name, documentation and signature stay."""

    @middleware(plugins=[plugin])
    def make_client(db: int = 0) -> redis.Redis:
        """Documented."""
        return redis.Redis(host=clean_standalone.host, port=clean_standalone.port, db=db)

    with make_client(db=1) as client:
        assert type(client) is redis.Redis
        client.set("key", 1)
        assert client.connection_pool.connection_kwargs["db"] == 1
    assert plugin.names == ["SET"]
    assert make_client.__name__ == "make_client"
    assert make_client.__doc__ == "Documented."
    assert list(inspect.signature(make_client).parameters) == ["db"]


def test_bare(clean_standalone: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare, it takes the settings that are found; there need not be any."""
    monkeypatch.chdir(tmp_path)

    @middleware
    def make_client() -> redis.Redis:
        return redis.Redis.from_url(clean_standalone.url)

    with make_client() as client:
        assert client.set("key", 1)
        assert list(middleware_of(client).plugins) == []


def test_with_settings(clean_standalone: Server, tmp_path: Path) -> None:
    """With a path of settings, which are read when the first client is made."""
    path = tmp_path / "redis.toml"

    @middleware(str(path))
    def make_client() -> redis.Redis:
        return redis.Redis.from_url(clean_standalone.url)

    path.write_text('plugins = ["no_such_plugin"]\n')
    with pytest.raises(PluginNotFoundError, match="no_such_plugin"):
        make_client()
    path.write_text("plugins = []\n")
    with make_client() as client:
        assert client.set("key", 1)

    @middleware({"plugins": []})
    def make_another() -> redis.Redis:
        return redis.Redis.from_url(clean_standalone.url)

    with make_another() as client:
        assert list(middleware_of(client).plugins) == []


async def test_async_function(clean_standalone: Server, plugin: PassThrough) -> None:
    """On an ``async def``, which stays one."""

    @middleware(plugins=[plugin])
    async def make_client() -> redis.asyncio.Redis:
        return redis.asyncio.Redis(host=clean_standalone.host, port=clean_standalone.port)

    assert inspect.iscoroutinefunction(make_client)
    async with await make_client() as client:
        await client.set("key", 1)
    assert plugin.names == ["SET"]


def test_generator(clean_standalone: Server, plugin: PassThrough) -> None:
    """On a generator, as dependencies are: its cleaning up runs, failures arrive in it."""
    events: list[str] = []

    @middleware(plugins=[plugin])
    def clients() -> Iterator[redis.Redis]:
        client = redis.Redis(host=clean_standalone.host, port=clean_standalone.port)
        try:
            yield client
        except LookupError:
            events.append("failure")
            raise
        finally:
            client.close()
            events.append("closed")

    assert inspect.isgeneratorfunction(clients)
    for client in clients():
        client.set("key", 1)
    generator: Any = clients()
    next(generator).get("key")
    with pytest.raises(LookupError):
        generator.throw(LookupError())
    generator = clients()
    next(generator)
    generator.close()
    assert events == ["closed", "failure", "closed", "closed"]
    assert plugin.names == ["SET", "GET"]


async def test_async_generator(clean_standalone: Server, plugin: PassThrough) -> None:
    """On an async generator: the same."""
    events: list[str] = []

    @middleware(plugins=[plugin])
    async def clients() -> AsyncIterator[redis.asyncio.Redis]:
        client = redis.asyncio.Redis(host=clean_standalone.host, port=clean_standalone.port)
        try:
            yield client
        except LookupError:
            events.append("failure")
            raise
        finally:
            await client.aclose()
            events.append("closed")

    assert inspect.isasyncgenfunction(clients)
    async for client in clients():
        await client.set("key", 1)
    generator: Any = clients()
    await (await anext(generator)).get("key")
    with pytest.raises(LookupError):
        await generator.athrow(LookupError())
    generator = clients()
    await anext(generator)
    await generator.aclose()
    assert events == ["closed", "failure", "closed", "closed"]
    assert plugin.names == ["SET", "GET"]


def test_class(clean_standalone: Server, plugin: PassThrough) -> None:
    """On a class derived from a client: every instance is wrapped, also those of subclasses."""

    @middleware(plugins=[plugin])
    class Own(redis.Redis):
        """An application's client."""

        def get_twice(self, key: str) -> Any:
            """Another method."""
            return self.get(key), self.get(key)

    class Derived(Own):
        pass

    assert Own.__name__ == "Own"
    for cls in (Own, Derived):
        with cls(host=clean_standalone.host, port=clean_standalone.port) as client:
            assert type(client) is cls
            client.get_twice("key")
            with client.client() as single:
                single.get("key")
    with Own.from_url(clean_standalone.url) as client:
        client.get("key")
    assert plugin.names == ["GET"] * 7


async def test_async_class(clean_standalone: Server, plugin: PassThrough) -> None:
    """On a class derived from one of redis.asyncio."""

    @middleware(plugins=[plugin])
    class Own(redis.asyncio.Redis):
        pass

    async with Own(host=clean_standalone.host, port=clean_standalone.port) as client:
        await client.get("key")
    assert plugin.names == ["GET"]


def test_cluster(clean_cluster: Cluster, plugin: PassThrough) -> None:
    """On a function that makes cluster clients, each on connections of its own."""

    @middleware(plugins=[plugin])
    def make_client() -> redis.RedisCluster:
        return redis.RedisCluster.from_url(clean_cluster.url)

    for _ in range(2):
        client = make_client()
        client.get("key")
        client.close()
    assert plugin.names == ["GET", "GET"]


async def test_async_cluster(clean_cluster: Cluster, plugin: PassThrough) -> None:
    """The same with redis.asyncio."""

    @middleware(plugins=[plugin])
    def make_client() -> redis.asyncio.RedisCluster:
        return redis.asyncio.RedisCluster.from_url(clean_cluster.url)

    for _ in range(2):
        async with make_client() as client:
            await client.get("key")
    assert plugin.names == ["GET", "GET"]


class Counted(PassThrough):
    """Is made anew for each middleware."""


def test_pool_shares_plugins(clean_standalone: Server) -> None:
    """Clients of one pool share their plugins, for as long as there is the pool; others do not."""
    pool = redis.ConnectionPool(host=clean_standalone.host, port=clean_standalone.port)

    @middleware(plugins=[Counted])
    def make_client(shared: bool = True) -> redis.Redis:
        if shared:
            return redis.Redis(connection_pool=pool)
        return redis.Redis(host=clean_standalone.host, port=clean_standalone.port)

    for _ in range(3):
        make_client().get("key")
    with make_client() as first, make_client() as second:
        assert middleware_of(first) is middleware_of(second)
        counted: Any = middleware_of(first).plugins["counted"]
        assert counted.names == ["GET"] * 3
    with make_client(shared=False) as first, make_client(shared=False) as second:
        assert middleware_of(first) is not middleware_of(second)
    pool.disconnect()


def test_same_client_again(clean_standalone: Server, plugin: PassThrough) -> None:
    """A function that returns the same client again leaves its plugins as they are."""
    client = redis.Redis(host=clean_standalone.host, port=clean_standalone.port)

    @middleware(plugins=[plugin])
    def get_client() -> redis.Redis:
        return client

    with get_client():
        before = middleware_of(client)
        assert get_client() is client
        assert middleware_of(client) is before
        client.get("key")
    assert plugin.names == ["GET"]


def test_what_makes_no_client() -> None:
    """What is decorated must make clients, and must be something that makes."""

    @middleware(plugins=[])
    def make_nothing() -> Any:
        return None

    with pytest.raises(
        TypeError, match=r"cannot wrap None, which .*make_nothing\(\) made: .*return"
    ):
        make_nothing()
    decorate: Any = middleware(plugins=[])
    with pytest.raises(TypeError, match="wrap\\(client\\)"):
        decorate(redis.Redis())


def test_threads_that_come_first_together(clean_standalone: Server) -> None:
    """Of several threads that make the first clients on a pool each gets the same plugins."""
    pool = redis.ConnectionPool(host=clean_standalone.host, port=clean_standalone.port)
    begin = threading.Barrier(8)

    class Slow(PassThrough):
        """Takes its time to be made, as one that reads a file does."""

        def __init__(self) -> None:
            super().__init__()
            time.sleep(0.05)

    @middleware(plugins=[Slow])
    def make_client() -> redis.Redis:
        return redis.Redis(connection_pool=pool)

    def first_client(_: int) -> redis.Redis:
        begin.wait()
        return make_client()

    with ThreadPoolExecutor(8) as threads:
        clients = list(threads.map(first_client, range(8)))
    assert len({id(middleware_of(client)) for client in clients}) == 1
    pool.disconnect()


def test_others_of_a_pool_when_the_latest_is_gone(clean_standalone: Server) -> None:
    """Plugins go on to know a client, its callbacks and its connections."""
    pool = redis.ConnectionPool(host=clean_standalone.host, port=clean_standalone.port)

    @middleware(plugins=[PassThrough])
    def make_client() -> redis.Redis:
        client = redis.Redis(connection_pool=pool)
        client.set_response_callback("GET", lambda reply, **options: ("read", reply))
        return client

    first = make_client()
    make_client().ping()
    gc.collect()
    handle = middleware_of(first)
    assert handle.client.client is first
    assert handle.client.has_callback("GET")
    connecting = Connecting()
    handle.add(connecting)
    pool.disconnect()
    reply: Any = first.get("missing")
    assert reply == ("read", None)
    assert connecting.connections == 1
    unwrap(first)
    assert handle.client.client is None
    pool.disconnect()


class Connecting:
    """Counts the connections that are made."""

    def __init__(self) -> None:
        self.connections = 0

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Count it."""
        self.connections += 1
        return (yield connection)


URL = "redis://user:s3cret@localhost:6379"


@pytest.mark.parametrize(
    "use",
    [
        lambda: wrap(URL),  # type: ignore[type-var]
        lambda: unwrap(URL),  # type: ignore[type-var]
        lambda: middleware_of(URL),
        lambda: wrap(redis.Redis(), URL),
        lambda: middleware(settings={})(URL),  # type: ignore[type-var]
    ],
)
def test_a_url_in_place_of_a_client_is_not_shown(use: Callable[[], object]) -> None:
    """It may hold a password; what to do with it is told where that is known."""
    with pytest.raises((TypeError, LookupError, ValueError)) as caught:
        use()
    told = "".join(traceback.format_exception_only(caught.value))
    assert "s3cret" not in told
    assert "str" in told or "URL" in told


def test_a_url_is_to_be_made_a_client() -> None:
    """The usual slip: ``wrap(url)``."""
    with pytest.raises(TypeError, match=r"cannot wrap the object of type str: .*from_url\(url\)"):
        wrap(URL)  # type: ignore[type-var]


def test_clients_of_a_pool_that_come_and_go(clean_standalone: Server) -> None:
    """In many threads, each with a client for every request, closing one never fails."""
    pool = redis.ConnectionPool(host=clean_standalone.host, port=clean_standalone.port)
    interval = sys.getswitchinterval()

    @middleware(plugins=[PassThrough])
    def make_client() -> redis.Redis:
        return redis.Redis(connection_pool=pool)

    def serve(_: int) -> None:
        for _ in range(150):
            with make_client():
                pass

    others = [make_client() for _ in range(100)]
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(serve, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert len({id(middleware_of(client)) for client in others}) == 1
    pool.disconnect()
