"""Servers as targets where something goes wrong: nothing is lost, no reply is another's."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import ConnectionError, DataError, RedisError, ResponseError
from tests.integration import awaiting
from tests.integration.each_kind import each_kind, only_one, wrapped
from tests.integration.kinds import KINDS, Kind, kinds
from tests.integration.servers import Servers

from redis_middleware import Batch, Command, Flow, Place, hookimpl, middleware_of, unwrap, wrap
from redis_middleware.commands import key_slot
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
    kept = []
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
            assert middleware_of(client).client.server_pools[-1:] == [found[0].pool]
            kept.append(deployment)


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


class Asking:
    """Sends everything to a server that has to be asked."""

    def __init__(self) -> None:
        self.target: Any = None

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Choose."""
        if command.place is not Place.TRANSACTION:
            command.target = self.target
        return (yield command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Choose for transactions as a whole."""
        if batch.place is Place.TRANSACTION:
            batch.target = self.target
        return (yield batch)


@each_kind(PLAIN)
async def test_asking(kind: Kind, servers: Servers) -> None:
    """In a slot on its way to it a server is asked: for commands, transactions, watched keys."""
    slot = key_slot(b"{ask}")
    cluster = servers.cluster
    others = [node for node in cluster.primaries if node is not cluster.primary_of(slot)]
    migration = cluster.migration(slot, others[0])
    plugin = Asking()
    migration.start()
    try:
        async with wrapped(kind, servers, [plugin], **only_one(kind)) as client:
            plugin.target = middleware_of(client).client.servers(others[0].url).at().asking
            assert await awaiting.settle(client.set("{ask}1", 1)) is True
            pipe = client.pipeline(transaction=False)
            replies = await awaiting.settle(pipe.set("{ask}2", 2).get("{ask}1").execute())
            assert [text(reply) for reply in replies] == ["True", "1"]
            pipe = client.pipeline()
            replies = await awaiting.settle(pipe.incr("{ask}1").get("{ask}2").execute())
            assert [text(reply) for reply in replies] == ["2", "2"]
            await awaiting.settle(pipe.watch("{ask}1"))
            assert text(await awaiting.settle(pipe.get("{ask}1"))) == "2"
            pipe.multi()
            pipe.set("{ask}1", 3).get("{ask}2")
            replies = await awaiting.settle(pipe.execute())
            assert [text(reply) for reply in replies] == ["True", "2"]
    finally:
        for node in (migration.target, migration.source):
            node.command("CLUSTER SETSLOT", slot, "STABLE")
        cluster.flush()


def _own_class(base: Any, *, is_async: bool) -> Any:
    """A class of connections that packs and reads in a way of its own."""

    class Own(base):  # type: ignore[misc]
        def pack_commands(self, commands: Any) -> Any:
            return super().pack_commands([(*args[:-1], b"own-" + args[-1]) for args in commands])

        def read_response(self, *args: Any, **kwargs: Any) -> Any:
            read = super().read_response(*args, **kwargs)
            return _marked_when_read(read) if is_async else _marked(read)

    return Own


async def _marked_when_read(reading: Any) -> Any:
    return _marked(await reading)


def _marked(reply: Any) -> Any:
    return (b"<" + reply + b">") if isinstance(reply, bytes) and reply.startswith(b"v") else reply


@each_kind(kinds(lambda kind: kind.name in ("tcp", "async tcp")))
async def test_connections_of_an_own_class(kind: Kind, servers: Servers) -> None:
    """What the application's class does to requests and replies is done to all of them."""
    module: Any = redis.asyncio if kind.is_async else redis
    where = servers.standalone
    bare = kind.make(servers)
    for number in (1, 2, 3):
        await awaiting.settle(bare.set(f"own-{number}", f"v{number}"))
    made = _own_class(module.Connection, is_async=kind.is_async)
    pool = module.ConnectionPool(connection_class=made, host=where.host, port=where.port)
    targets: dict[str, Any] = {}
    client = wrap(module.Redis.from_pool(pool), {}, plugins=[FanOut(lambda key: targets["all"])])
    targets["all"] = (
        middleware_of(client).client.servers().at(ServerAddress(where.host, where.port))
    )
    replies = await awaiting.settle(client.mget(["1", "2", "3"]))
    assert replies == [b"<v1>", b"<v2>", b"<v3>"]
    for each in (client, bare):
        await awaiting.settle(each.aclose() if kind.is_async else each.close())


@each_kind(kinds(lambda kind: kind.name == "client-side cache"))
async def test_client_side_cache(kind: Kind, servers: Servers) -> None:
    """The client's own server answers fan-outs where redis-py keeps a cache of its own."""
    targets: dict[str, Any] = {}
    plugins = [FanOut(lambda key: targets["own"])]
    async with wrapped(kind, servers, plugins, **only_one(kind)) as client:
        targets["own"] = middleware_of(client).client.servers().at()
        for key in ("a", "b", "c"):
            client.set(key, key)
        assert [text(reply) for reply in client.mget(["a", "b", "c"])] == ["a", "b", "c"]


@each_kind(PLAIN)
async def test_each_connection_is_observed_once(kind: Kind, servers: Servers) -> None:
    """Those of servers asked for before the plugin came, and after; again when they are lost."""

    class Observer:
        def __init__(self) -> None:
            self.made: list[Any] = []

        @hookimpl
        def redis_connect(self, connection: Any) -> Flow:
            made = yield connection
            self.made.append(connection.raw.db)
            return made

    name, control, observer = "observed-once", kind.control(servers), Observer()
    async with wrapped(kind, servers, [], client_name=name, **only_one(kind)) as client:
        early = [database(client, servers, number).at() for number in (1, 2)]
        ping = client_command(client, "PING")
        await awaiting.settle(early[0].send(ping))
        middleware_of(client).add(observer)
        late = [database(client, servers, number).at() for number in (3, 4)]
        for server in (*early, *late):
            await awaiting.settle(server.send(ping))
            await awaiting.settle(server.asking.send(ping))
        assert observer.made == [2, 3, 4]
        control.kill_connections(name)
        control.wait_for_connections(name, 0)
        # The loop has to look at its sockets once.
        await awaiting.pause(0.005, is_async=kind.is_async)
        for server in (*early, *late):
            await awaiting.settle(server.send(ping))
        assert observer.made == [2, 3, 4, 1, 2, 3, 4]
        await awaiting.settle(client.ping())
        assert observer.made[7:] == [0]


@each_kind(kinds(lambda kind: kind.name.removeprefix("async ") == "resp3"))
async def test_pushes_between_replies(kind: Kind, servers: Servers) -> None:
    """What a server tells of its own accord is never taken for a reply."""

    class Tracking:
        @hookimpl
        def redis_connect(self, connection: Any) -> Flow:
            yield connection
            yield connection.command("CLIENT", "TRACKING", "ON")
            return connection

    class Spread:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            command.target = targets.get("t")
            return (yield command)

    targets: dict[str, Any] = {}
    async with wrapped(kind, servers, [Spread(), Tracking()], **only_one(kind)) as client:
        targets["t"] = database(client, servers, 1).at()
        for number in range(20):
            pipe = client.pipeline(transaction=False)
            for key in ("a", "b", "c"):
                pipe.set(key, f"{key}{number}").get(key).incrby(f"n{key}", 2)
            replies = await awaiting.settle(pipe.execute())
            assert [text(reply) for reply in replies] == [
                word
                for key in ("a", "b", "c")
                for word in ("True", f"{key}{number}", str(2 * number + 2))
            ]


def client_command(client: Any, *args: Any) -> Command:
    """A command of nobody's."""
    return middleware_of(client).client.command(*args)


def text(reply: Any) -> str:
    """A reply as text, decoded or not."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)
