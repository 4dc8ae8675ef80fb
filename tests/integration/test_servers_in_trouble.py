"""Servers as targets where something goes wrong: nothing is lost, no reply is another's."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError, DataError, RedisError, ResponseError
from tests.integration import awaiting
from tests.integration.each_kind import each_kind, only_one, wrapped
from tests.integration.kinds import KINDS, Kind, kinds
from tests.integration.servers import Servers

from redis_middleware import Batch, Command, Flow, Place, hookimpl, middleware_of, unwrap, wrap
from redis_middleware.redispy.view import ServerAddress

PLAIN = kinds(lambda kind: kind.name in ("tcp", "async tcp", "resp3", "async resp3"))
TRANSPORTS = [
    kind
    for kind in KINDS
    if kind.name.removeprefix("async ")
    in ("tcp", "unix socket", "tls", "sentinel primary", "sentinel replica")
]


class FanOut:
    """MGET asks, for each key, the server that the test chose."""

    def __init__(self, target: Callable[[str], Any]) -> None:
        self._target = target

    def wants(self, spec: Any) -> bool:
        """Only that one."""
        return bool(spec.name == "MGET")

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Fan out."""
        return (
            yield [
                command.replace(("GET", key), target=self._target(key.decode()))
                for key in command.keys
            ]
        )


def database(client: Any, servers: Servers, number: int) -> Any:
    """A deployment that is another database of the same server."""
    where = servers.standalone
    return middleware_of(client).client.servers(f"redis://{where.host}:{where.port}/{number}")


@each_kind(TRANSPORTS)
async def test_other_transports(kind: Kind, servers: Servers) -> None:
    """Whatever a client is connected by, other deployments can be reached by each transport."""
    alone = servers.standalone
    path = str(alone.unix_socket)
    async with wrapped(kind, servers, []) as client:
        view = middleware_of(client).client
        for url in (f"redis://{alone.host}:{alone.port}", alone.tls_url, f"unix://{path}"):
            server = view.servers(url).at()
            assert await awaiting.settle(server.send(view.command("PING"))) in (True, b"PONG")
        for where in (ServerAddress(alone.host, alone.port), ServerAddress(path, None)):
            server = view.servers(f"unix://{path}").at(where)
            assert await awaiting.settle(server.send(view.command("PING"))) in (True, b"PONG")
            assert server.address == where


@each_kind(kinds(lambda kind: kind.name in ("tcp", "async tcp")))
async def test_options_of_tcp_and_a_unix_socket(kind: Kind, servers: Servers) -> None:
    """Settings that only TCP has do not hinder a deployment behind a socket of the machine."""
    async with wrapped(kind, servers, [], socket_keepalive=True) as client:
        view = middleware_of(client).client
        server = view.servers(f"unix://{servers.standalone.unix_socket}").at()
        assert await awaiting.settle(server.send(view.command("PING")))


@each_kind(kinds(lambda kind: kind.name.removeprefix("async ") == "sentinel primary"))
async def test_at_an_address_behind_sentinel(kind: Kind, servers: Servers) -> None:
    """A server at an address is that one, not the one that the Sentinel tells of."""
    replica = servers.sentinel.replicas[0]
    async with wrapped(kind, servers, []) as client:
        view = middleware_of(client).client
        server = view.servers().at(ServerAddress(replica.host, replica.port))
        role = await awaiting.settle(server.send(view.command("ROLE")))
        assert role[0] in (b"slave", "slave")


@each_kind(kinds(lambda kind: kind.name == "tcp"))
async def test_two_threads_ask_first(kind: Kind, servers: Servers) -> None:
    """The pool that one of them made is known: closed with the client, observed by plugins."""
    async with wrapped(kind, servers, []) as client:
        for number in range(1, 15):
            deployment = database(client, servers, number)
            barrier = threading.Barrier(8)
            found: list[Any] = []

            def ask(deployment: Any, barrier: threading.Barrier, found: list[Any]) -> None:
                barrier.wait()
                found.append(deployment.at())

            threads = [
                threading.Thread(target=ask, args=(deployment, barrier, found)) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert {id(server) for server in found} == {id(found[0])}
            assert [found[0].pool] == deployment.pools


@each_kind(PLAIN)
async def test_one_connection_for_all(kind: Kind, servers: Servers) -> None:
    """Commands with and without ASKING, or to the client's own server, share a connection."""
    targets: dict[str, Any] = {}
    plugins = [FanOut(lambda key: targets.get(key[:1]))]
    async with wrapped(kind, servers, plugins, **only_one(kind)) as client:
        own = middleware_of(client).client.servers().at()
        other = database(client, servers, 1).at()
        targets.update(o=own, a=own.asking, d=other, s=other.asking)
        keys = ["o1", "a1", "n1", "d1", "s1", "a2", "o2", "n2", "s2", "d2"]
        for key in keys:
            if key[0] in "ds":
                await awaiting.settle(other.send(client_command(client, "SET", key, key)))
            else:
                await awaiting.settle(client.set(key, key))
        for _ in range(3):
            replies = await awaiting.settle(client.mget(keys))
            assert [text(reply) for reply in replies] == keys


@each_kind(PLAIN)
async def test_callback_that_raises(kind: Kind, servers: Servers) -> None:
    """That is the command's own failure; the others' replies are not lost with it."""
    targets: dict[str, Any] = {}
    plugins = [FanOut(lambda key: targets.get(key[:1]))]
    async with wrapped(kind, servers, plugins, **only_one(kind)) as client:
        deployment = database(client, servers, 1)
        targets["d"] = deployment.at()

        def refuse(reply: Any, **options: Any) -> Any:
            if text(reply) == "bad":
                raise ValueError("not this one")
            return text(reply)

        client.set_response_callback("GET", refuse)
        for key, value in (("d1", "good"), ("d2", "bad"), ("d3", "fine")):
            command = client_command(client, "SET", key, value)
            await awaiting.settle(targets["d"].send(command))
        replies = await awaiting.settle(client.mget(["d1", "d2", "d3"]))
        assert [replies[0], type(replies[1]), replies[2]] == ["good", ValueError, "fine"]


@each_kind(kinds(lambda kind: kind.name == "async tcp"))
async def test_async_callback(kind: Kind, servers: Servers) -> None:
    """One that gives an awaitable is awaited."""
    targets: dict[str, Any] = {}
    plugins = [FanOut(lambda key: targets.get(key[:1]))]
    async with wrapped(kind, servers, plugins, **only_one(kind)) as client:
        targets["d"] = database(client, servers, 1).at()

        async def doubled(reply: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            return text(reply) * 2

        client.set_response_callback("GET", doubled)
        for key in ("d1", "d2", "d3"):
            await targets["d"].send(client_command(client, "SET", key, key))
        assert await client.mget(["d1", "d2", "d3"]) == ["d1d1", "d2d2", "d3d3"]


@each_kind(PLAIN)
async def test_argument_that_cannot_be_sent(kind: Kind, servers: Servers) -> None:
    """As with a bare pipeline nothing is sent at all, whichever server it was meant for."""

    class Spread:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            command.target = targets.get(str(command.args[1])[:1])
            return (yield command)

    targets: dict[str, Any] = {}
    async with wrapped(kind, servers, [Spread()], **only_one(kind)) as client:
        targets["1"] = database(client, servers, 1).at()
        targets["2"] = database(client, servers, 2).at()
        for order in (("1a", "2a"), ("2a", "1a")):
            pipe = client.pipeline(transaction=False)
            pipe.set(order[0], 1).set(order[1], 2).execute_command("SET", "1b", {"a": "dict"})
            with pytest.raises(DataError):
                await awaiting.settle(pipe.execute())
            for key in ("1a", "2a", "1b"):
                assert await awaiting.settle(client.exists(key)) == 0


@each_kind(PLAIN)
async def test_pipeline_goes_home(kind: Kind, servers: Servers) -> None:
    """A pipeline that a plugin sent elsewhere is at its client's server again afterwards."""

    class Only:
        def wants(self, spec: Any) -> bool:
            return bool(spec.name in ("WATCH", "APPEND"))

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            command.target = there
            return (yield command)

    plugin = Only()
    async with wrapped(kind, servers, [plugin], **only_one(kind)) as client:
        there = database(client, servers, 1).at()
        pipe = client.pipeline()
        await awaiting.settle(pipe.watch("key"))
        pipe.multi()
        pipe.set("watched", 1)
        assert await awaiting.settle(pipe.execute()) == [True]
        pipe.set("own", 1)
        assert await awaiting.settle(pipe.execute()) == [True]
        assert await awaiting.settle(client.exists("own")) == 1
        assert await awaiting.settle(client.exists("watched")) == 0
        await awaiting.settle(pipe.watch("key"))
        middleware_of(client).remove("only")
        await awaiting.settle(pipe.reset())
        await awaiting.settle(pipe.watch("own"))
        assert text(await awaiting.settle(pipe.get("own"))) == "1"
        await awaiting.settle(pipe.reset())


@each_kind([*PLAIN, *kinds(lambda kind: kind.name in ("cluster", "async cluster"))])
async def test_transaction_to_what_is_no_server(kind: Kind, servers: Servers) -> None:
    """It is an error, and not sent where the client would have sent it."""
    if not kind.has_transactions:
        return

    class Elsewhere:
        @hookimpl
        def redis_batch(self, batch: Batch) -> Flow:
            if batch.place is Place.TRANSACTION:
                batch.target = other
            return (yield batch)

    other = kind.make(servers)
    async with wrapped(kind, servers, [Elsewhere()]) as client:
        pipe = client.pipeline(transaction=True)
        pipe.set("{k}1", 1)
        with pytest.raises(RedisError, match="target"):
            await awaiting.settle(pipe.execute())
        assert await awaiting.settle(client.exists("{k}1")) == 0
    await awaiting.settle(other.aclose() if kind.is_async else other.close())


@each_kind(PLAIN)
async def test_dropped(kind: Kind, servers: Servers) -> None:
    """Without the collector of cycles, connections go with the client, whatever failed before."""
    name = "dropped-with-servers"
    control = kind.control(servers)

    async def use(what: str) -> Any:
        targets: dict[str, Any] = {}
        client: Any = wrap(
            # The pools of RESP3 are cycles of redis-py's own.
            kind.make(servers, client_name=name, **({"protocol": 2} if kind.name == "tcp" else {})),
            {},
            plugins=[FanOut(lambda key: targets.get(key[:1]))],
        )
        deployment = database(client, servers, 1)
        targets["d"] = deployment.at()
        targets["e"] = deployment.at(ServerAddress("localhost", servers.standalone.port))
        await awaiting.settle(targets["d"].asking.send(client_command(client, "PING")))
        await awaiting.settle(targets["d"].send(client_command(client, "LPUSH", "d1", "x")))
        replies = await awaiting.settle(client.mget(["d1", "e2", "d1"]))
        assert isinstance(replies[0], ResponseError)
        if what == "unreachable":
            targets["x"] = deployment.at(ServerAddress("127.0.0.1", 1))
            replies = await awaiting.settle(client.mget(["x1", "e2", "own"]))
            assert isinstance(replies[0], ConnectionError)
        assert control.connections(name) >= 2
        if what == "forgotten":
            deployment.forget(targets["e"].address)
            deployment.forget(None)
            await awaiting.settle(client.aclose() if kind.is_async else client.close())
        if what == "unwrapped":
            unwrap(client)
            await awaiting.settle(client.aclose() if kind.is_async else client.close())
        del replies
        return None

    gc.collect()
    gc.disable()
    try:
        for what in ("dropped", "unreachable", "forgotten", "unwrapped"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                await use(what)
                await awaiting.pause(0, is_async=kind.is_async)
            if what in ("forgotten", "unwrapped"):
                assert not caught
                left = 0
            else:
                left = int(kind.is_async)
            await awaiting.until(
                lambda left=left: control.connections(name) <= left, is_async=kind.is_async
            )
            gc.collect()
            await awaiting.pause(0, is_async=kind.is_async)
            control.wait_for_connections(name, 0)
    finally:
        gc.enable()


@each_kind(PLAIN)
async def test_without_maintenance(kind: Kind, servers: Servers) -> None:
    """A client that takes no part in its servers' maintenance takes none in the others'."""
    from redis.maint_notifications import MaintNotificationsConfig

    off = MaintNotificationsConfig(enabled=False)
    probe = kind.make(servers)
    if not hasattr(probe.connection_pool, "_maint_notifications_pool_handler"):
        return
    async with wrapped(kind, servers, [], maint_notifications_config=off) as client:
        for pool in (client.connection_pool, database(client, servers, 1).at().pool):
            assert not pool.maint_notifications_enabled()


def client_command(client: Any, *args: Any) -> Command:
    """A command of nobody's."""
    return middleware_of(client).client.command(*args)


def text(reply: Any) -> str:
    """A reply as text, decoded or not."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)
