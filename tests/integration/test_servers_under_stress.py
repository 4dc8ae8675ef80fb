"""Many callers at several servers while connections are killed: no reply is another key's."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import ConnectionError, TimeoutError

from redis_middleware import Command, Flow, Middleware, hookimpl, wrap
from redis_middleware.embedded import Server, standalone

KEYS = 60
FEW = 5
LOST = (ConnectionError, TimeoutError)


class ByNumber:
    """Spreads keys such as ``key:17`` over servers by their numbers."""

    def __init__(self, where: list[Server]) -> None:
        self._where = where

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Make the targets."""
        view = middleware.client
        self._servers = [
            view.servers(f"redis://{each.host}:{each.port}").at() for each in self._where
        ]
        self.pools = [server.pool for server in self._servers]

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Choose."""
        return self._routed(command) if command.keys else None

    def _routed(self, command: Command) -> Flow:
        if command.name == "MGET":
            return (
                yield [
                    command.replace(("GET", key), target=self._server(key)) for key in command.keys
                ]
            )
        command.target = self._server(command.keys[0])
        return (yield command)

    def _server(self, key: bytes) -> Any:
        return self._servers[int(key.split(b":")[1]) % len(self._servers)]


@pytest.fixture(scope="module")
def three_servers() -> Iterator[list[Server]]:
    """Return three servers of their own, whose connections are killed."""
    with ExitStack() as stack:
        found = [stack.enter_context(standalone()) for _ in range(3)]
        for number in range(KEYS):
            where = found[number % 3]
            with redis.Redis(host=where.host, port=where.port) as client:
                client.set(f"key:{number}", f"value of {number}")
        yield found


class Killer(threading.Thread):
    """Kills one connection after the other, but its own."""

    def __init__(self, where: list[Server], seed: int) -> None:
        super().__init__(daemon=True)
        self._clients = [redis.Redis(host=each.host, port=each.port) for each in where]
        self._random = random.Random(seed)
        self._done = threading.Event()
        self.killed = 0

    def run(self) -> None:
        """Kill."""
        while not self._done.wait(0.003):
            client = self._random.choice(self._clients)
            victims = [each for each in client.client_list() if each["name"] == "victim"]
            if victims:
                victim = self._random.choice(victims)["id"]
                self.killed += client.client_kill_filter(_id=victim)

    def stop(self) -> None:
        """Stop, and close its connections."""
        self._done.set()
        self.join()
        for client in self._clients:
            client.close()


class Outcomes:
    """What came of the callers' commands."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[tuple[int, Any]] = []

    def compare(self, numbers: list[int], replies: list[Any]) -> None:
        """Whether each reply is its key's, or the loss of a connection."""
        for number, reply in zip(numbers, replies, strict=True):
            if isinstance(reply, LOST) and "No connection available" not in str(reply):
                self.counts["lost"] += 1
            elif reply == f"value of {number}".encode():
                self.counts["right"] += 1
            else:
                self.wrong.append((number, reply))


def _numbers(random: random.Random) -> list[int]:
    return [random.randrange(KEYS) for _ in range(random.choice((1, 2, 9, 25)))]


def _queue(pipe: Any, numbers: list[int]) -> Any:
    for number in numbers:
        pipe.get(f"key:{number}")
    return pipe


@pytest.mark.parametrize("pool", ["ConnectionPool", "BlockingConnectionPool of 1"])
def test_threads(three_servers: list[Server], pool: str) -> None:
    """Eight threads; with one connection for all of them nobody waits for ever."""
    seed, rounds = 1, 120
    client = wrap(_client(redis, three_servers[0], pool), {}, plugins=[ByNumber(three_servers)])
    outcomes = Outcomes()
    killer = Killer(three_servers, seed)

    def call(seed: int) -> None:
        chance, done = random.Random(seed), 0
        while done < rounds or killer.killed < FEW:
            done += 1
            numbers = _numbers(chance)
            try:
                if chance.random() < 0.4:
                    replies = client.mget([f"key:{number}" for number in numbers])
                elif chance.random() < 0.7:
                    pipe = _queue(client.pipeline(transaction=False), numbers)
                    replies = pipe.execute(raise_on_error=False)
                else:
                    numbers = numbers[:1]
                    replies = [client.get(f"key:{numbers[0]}")]
            except LOST as error:
                replies = [error] * len(numbers)
            outcomes.compare(numbers, replies)

    killer.start()
    threads = [threading.Thread(target=call, args=(seed + each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    killer.stop()
    client.close()
    assert outcomes.wrong == []
    assert outcomes.counts["right"] > outcomes.counts["lost"]


@pytest.mark.parametrize("pool", ["ConnectionPool", "BlockingConnectionPool of 1"])
def test_tasks(three_servers: list[Server], pool: str) -> None:
    """Fifty tasks, some of them cancelled at any place; every connection is given back."""
    seed, rounds = 1, 15

    async def scenario() -> None:
        plugin = ByNumber(three_servers)
        client = wrap(_client(redis.asyncio, three_servers[0], pool), {}, plugins=[plugin])
        outcomes = Outcomes()
        killer = Killer(three_servers, seed)

        async def one(numbers: list[int], chance: random.Random) -> list[Any]:
            if chance.random() < 0.4:
                return list(await client.mget([f"key:{number}" for number in numbers]))
            if chance.random() < 0.7:
                pipe = _queue(client.pipeline(transaction=False), numbers)
                return list(await pipe.execute(raise_on_error=False))
            del numbers[1:]
            return [await client.get(f"key:{numbers[0]}")]

        async def call(seed: int) -> None:
            chance, done = random.Random(seed), 0
            while done < rounds or killer.killed < FEW:
                done += 1
                numbers = _numbers(chance)
                task = asyncio.ensure_future(one(numbers, chance))
                if chance.random() < 0.3:
                    for _ in range(chance.randrange(30)):
                        await asyncio.sleep(0)
                    outcomes.counts["cancelled"] += task.cancel()
                try:
                    replies = await task
                except asyncio.CancelledError:
                    continue
                except LOST as error:
                    replies = [error] * len(numbers)
                outcomes.compare(numbers, replies)

        killer.start()
        await asyncio.wait_for(asyncio.gather(*[call(seed + each) for each in range(50)]), 60)
        await asyncio.to_thread(killer.stop)
        assert outcomes.wrong == []
        assert outcomes.counts["right"] > outcomes.counts["lost"]
        assert outcomes.counts["cancelled"]
        assert [len(pool._in_use_connections) for pool in plugin.pools] == [0, 0, 0]
        await client.aclose()

    asyncio.run(scenario())


def _client(module: Any, where: Server, pool: str) -> Any:
    settings: dict[str, Any] = {"host": where.host, "port": where.port, "client_name": "victim"}
    if pool != "ConnectionPool":
        settings |= {"max_connections": 1, "timeout": 10}
    made = getattr(module, pool.split()[0])(**settings)
    return module.Redis.from_pool(made)
