"""Commands, pipelines and transactions that a plugin sends to servers of its choice."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError, DataError, RedisError, ResponseError, WatchError
from tests.integration import awaiting
from tests.integration.at_places import Own, as_number
from tests.integration.each_kind import each_kind, only_one, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.servers import Servers

from redis_middleware import Batch, Command, Flow, Middleware, Place, hookimpl, middleware_of
from redis_middleware.redispy.servers import never_sent
from redis_middleware.redispy.view import ServerAddress

PLAIN = [
    kind
    for kind in WRITING
    if kind.deployment == "standalone" and not kind.is_single and not kind.is_variant
]


class ToDatabases:
    """Sends what concerns keys that begin with a digit to the database of that number."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Make the targets."""
        where = middleware.client.address_of()
        assert where is not None
        self.servers = {
            key: middleware.client.servers(f"redis://{where}/{key}") for key in ("1", "2")
        }

    def server(self, key: bytes) -> Any:
        """Where a key's commands go."""
        servers = self.servers.get(key[:1].decode())
        return None if servers is None else servers.at()

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Choose."""
        if command.place is Place.TRANSACTION or not command.keys:
            return None
        return self._routed(command)

    def _routed(self, command: Command) -> Flow:
        if command.name == "MGET":
            replies = yield [
                command.replace(("GET", key), target=self.server(key)) for key in command.keys
            ]
            return replies
        command.target = self.server(command.keys[0])
        try:
            return (yield command)
        except Exception as error:
            self.failures.append(error)
            raise

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Choose for transactions as a whole."""
        if batch.place is Place.TRANSACTION:
            batch.target = self.server(batch.commands[0].keys[0])
        return (yield batch)


async def databases(kind: Kind, servers: Servers) -> dict[int, set[bytes]]:
    """The keys of each database."""
    found = {}
    for number in (0, 1, 2):
        client = kind.make(servers, db=number)
        found[number] = {
            client.get_encoder().encode(key) for key in await awaiting.settle(client.keys())
        }
        await awaiting.settle(client.aclose() if kind.is_async else client.close())
    return found


@each_kind(PLAIN)
async def test_single_commands(kind: Kind, servers: Servers) -> None:
    """They go where the plugin says, those without a target where the client goes."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        for number, key in enumerate(("own", "1a", "2a", "1b")):
            await awaiting.settle(client.set(key, number))
            assert as_number(await awaiting.settle(client.get(key))) == number
        assert await databases(kind, servers) == {0: {b"own"}, 1: {b"1a", b"1b"}, 2: {b"2a"}}


@each_kind(PLAIN)
async def test_fan_out(kind: Kind, servers: Servers) -> None:
    """Replies are in order, and a failure is one of them."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        keys = ["1a", "own", "2a", "1b", "2b", "missing"]
        for number, key in enumerate(keys[:-1]):
            await awaiting.settle(client.set(key, number))
        replies = await awaiting.settle(client.mget(keys))
        assert [None if reply is None else as_number(reply) for reply in replies] == [
            *range(5),
            None,
        ]
        await awaiting.settle(client.lpush("1list", "x"))
        replies = await awaiting.settle(client.mget(["1list", "1a"]))
        assert isinstance(replies[0], ResponseError)
        assert as_number(replies[1]) == 0


@each_kind(PLAIN)
async def test_pipeline(kind: Kind, servers: Servers) -> None:
    """Its commands are spread, its replies in order and made what redis-py makes of them."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        pipe = client.pipeline(transaction=False)
        for number, key in enumerate(("1a", "own", "2a", "1b")):
            pipe.set(key, number)
        pipe.hset("1hash", "field", "value").hgetall("1hash").get("2a").get("own").mget("1a", "2a")
        replies = await awaiting.settle(pipe.execute())
        assert replies[:5] == [True, True, True, True, 1]
        assert isinstance(replies[5], dict)
        assert [as_number(reply) for reply in (*replies[6:8], *replies[8])] == [2, 1, 0, 2]
        pipe.get("1a").incr("2hash").lpush("2a", "x").get("own")
        with pytest.raises(ResponseError, match=r"Command # 3 \(LPUSH 2a x\)"):
            await awaiting.settle(pipe.execute())
        pipe.get("1a").lpush("2a", "x").get("own")
        replies = await awaiting.settle(pipe.execute(raise_on_error=False))
        assert [type(reply) is ResponseError for reply in replies] == [False, True, False]


@each_kind(PLAIN)
async def test_large_pipeline(kind: Kind, servers: Servers) -> None:
    """Values beyond what fits a socket's buffers, and every type of argument."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        pipe = client.pipeline(transaction=False)
        big = b"x" * 3_000_000
        view = await _taken(client, memoryview(big))
        some = await _taken(client, bytearray(b"yz"))
        for key in ("1a", "2a", "own"):
            pipe.set(key, big).set(f"{key}:view", view).set(f"{key}:float", 1.5)
            pipe.set(f"{key}:bytes", some).strlen(key).get(f"{key}:float")
        replies = await awaiting.settle(pipe.execute())
        assert len(replies) == 18
        for position in (0, 6, 12):
            assert replies[position : position + 5] == [True, True, True, True, len(big)]
            assert replies[position + 5] in (b"1.5", "1.5")


async def _taken(client: Any, value: Any) -> Any:
    """The value; its bytes where this version of redis-py refuses its type."""
    try:
        await awaiting.settle(client.set("taken", value))
    except DataError:
        return bytes(value)
    return value


@each_kind(PLAIN)
async def test_transaction(kind: Kind, servers: Servers) -> None:
    """It goes to one server as a whole, with its watched keys."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        for key in ("1a", "own", "2a"):
            pipe = client.pipeline()
            pipe.set(key, 1).incr(key)
            assert await awaiting.settle(pipe.execute()) == [True, 2]

            async def doubled(key: str) -> Any:
                pipe = client.pipeline()
                async with awaiting.entered(pipe):
                    await awaiting.settle(pipe.watch(key))
                    value = int(await awaiting.settle(pipe.get(key)))
                    pipe.multi()
                    pipe.set(key, value * 2).get(key)
                    return await awaiting.settle(pipe.execute())

            replies = await doubled(key)
            assert as_number(replies[1]) == 4
        found = await databases(kind, servers)
        assert found == {0: {b"own"}, 1: {b"1a"}, 2: {b"2a"}}


@each_kind(PLAIN)
async def test_part_of_a_transaction(kind: Kind, servers: Servers) -> None:
    """A command cannot leave its transaction: that is an error, and nothing is sent."""

    def leave(command: Command) -> Flow:
        command.target = command.client.servers().at()
        return (yield command)

    async with wrapped(kind, servers, [Own(leave)]) as client:
        pipe = client.pipeline()
        pipe.set("own", 1).get("own")
        with pytest.raises(RedisError, match=r"batch\.target"):
            await awaiting.settle(pipe.execute())
        assert await awaiting.settle(client.exists("own")) == 0


@each_kind(PLAIN)
async def test_another_client_in_a_pipeline(kind: Kind, servers: Servers) -> None:
    """A client of the application's can be the target of a pipeline's commands."""
    other = kind.make(servers, db=1)

    def redirect(command: Command) -> Flow:
        command.target = other
        return (yield command)

    async with wrapped(kind, servers, [Own(redirect)]) as client:
        await awaiting.settle(client.set("k", 1))
        await awaiting.settle(other.set("k", 2))
        pipe = client.pipeline(transaction=False)
        pipe.get("k").exists("k").get("k")
        replies = await awaiting.settle(pipe.execute())
        assert [as_number(reply) for reply in replies] == [2, 1, 2]
    await awaiting.settle(other.aclose() if kind.is_async else other.close())


@each_kind(PLAIN)
async def test_one_pipeline_for_several_servers_in_turn(kind: Kind, servers: Servers) -> None:
    """A pipeline used again has a connection to where it goes then; each is given back."""
    async with wrapped(kind, servers, [ToDatabases()], **only_one(kind)) as client:
        pipe = client.pipeline()
        for _ in range(3):
            for key in ("1a", "own", "2a"):
                await awaiting.settle(pipe.watch(key))
                await awaiting.settle(pipe.unwatch())
                pipe.set(key, 1)
                assert await awaiting.settle(pipe.execute()) == [True]
                assert await awaiting.settle(client.exists(key)) == 1


@each_kind(PLAIN)
async def test_watched_elsewhere(kind: Kind, servers: Servers) -> None:
    """A pipeline that watches a key of one server cannot go on at another."""
    async with wrapped(kind, servers, [ToDatabases()]) as client:
        pipe = client.pipeline()
        await awaiting.settle(pipe.watch("1a"))
        with pytest.raises(RedisError, match="on one server only"):
            await awaiting.settle(pipe.get("2a"))
        await awaiting.settle(pipe.reset())
        await awaiting.settle(pipe.watch("1a"))
        await awaiting.settle(client.set("1a", "changed"))
        pipe.multi()
        pipe.set("1a", "lost")
        with pytest.raises(WatchError):
            await awaiting.settle(pipe.execute())


@each_kind(PLAIN)
async def test_unreachable(kind: Kind, servers: Servers) -> None:
    """What could not be sent at all is told from what may have been; others are not concerned."""
    plugin = ToDatabases()
    async with wrapped(kind, servers, [plugin]) as client:
        nobody = middleware_of(client).client.servers()
        for key in ("1", "2"):
            plugin.servers[key] = nobody
        unreachable = nobody.at(ServerAddress("127.0.0.1", 1))
        plugin.server = lambda key: unreachable if key[:1] == b"1" else None  # type: ignore[method-assign]
        with pytest.raises(ConnectionError):
            await awaiting.settle(client.set("1a", 1))
        assert never_sent(plugin.failures.pop())
        pipe = client.pipeline(transaction=False)
        pipe.set("own", 1).set("1a", 1).get("own")
        replies = await awaiting.settle(pipe.execute(raise_on_error=False))
        assert replies[0] is True
        assert isinstance(replies[1], ConnectionError)
        assert as_number(replies[2]) == 1
        assert never_sent(plugin.failures.pop())
        await awaiting.settle(client.lpush("list", "x"))
        with pytest.raises(ResponseError):
            await awaiting.settle(client.get("list"))
        assert not never_sent(plugin.failures.pop())


@each_kind(PLAIN)
async def test_closing(kind: Kind, servers: Servers) -> None:
    """With the client its servers' connections are closed, and made anew on the next use."""
    plugin = ToDatabases()
    async with wrapped(kind, servers, [plugin]) as client:
        name = client.connection_pool.connection_kwargs["client_name"]
        await awaiting.settle(client.set("1a", 1))
        control = kind.control(servers)
        assert control.connections(name)
        await awaiting.settle(client.aclose() if kind.is_async else client.close())
        control.wait_for_connections(name, 0)
        assert as_number(await awaiting.settle(client.get("1a"))) == 1
