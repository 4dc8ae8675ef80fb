"""Many threads and tasks on one wrapped client: every reply is that of its own request."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

from tests.integration.at_places import as_number
from tests.integration.each_kind import each_kind, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.pools import connections_in_use
from tests.integration.servers import Servers

from redis_middleware import Command, Flow, Once, Place, Sleep, hookimpl

_SECONDS = 1.0

SYNC = [kind for kind in WRITING if kind.name in ("tcp", "single connection", "cluster")]
ASYNC = [
    kind
    for kind in WRITING
    if kind.name in ("async tcp", "async single connection", "async cluster")
]


class Retrying:
    """Sends reads twice now and then."""

    name = "retrying"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Where that is allowed."""
        reply = yield command
        if command.name == "GET" and command.place is not Place.TRANSACTION and _now_and_then():
            reply = yield command
        return reply


class Fanning:
    """Sends a list in place of a read now and then."""

    name = "fanning"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Of which the own reply is one."""
        if command.name == "GET" and _now_and_then():
            key = command.keys[0]
            other = b"other-" + key if command.place is not Place.TRANSACTION else key
            first, _, last = yield [command, command.replace(("EXISTS", other)), command]
            assert first == last
            return first
        return (yield command)


class Sleeping:
    """Sleeps now and then."""

    name = "sleeping"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Before or after."""
        if _now_and_then():
            yield Sleep(0.0005)
        reply = yield command
        if _now_and_then():
            yield Sleep(0)
        return reply


class Sharing:
    """Shares the reads of values that never change."""

    name = "sharing"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """By their key."""
        if command.name == "GET" and command.keys[0].startswith(b"fixed-"):
            return (yield Once(command.keys, command))
        return (yield command)


def _now_and_then() -> bool:
    return random.random() < 0.2


def plugins() -> list[object]:
    """One of each."""
    return [Sharing(), Retrying(), Fanning(), Sleeping()]


class Worker:
    """Writes and reads numbered values under keys of its own, and checks each reply."""

    def __init__(self, number: int, client: Any, kind: Kind) -> None:
        self.number = number
        self.client = client
        self.kind = kind
        self.checked = 0

    def _key(self) -> str:
        return f"{{{self.number}}}{random.randrange(10)}"

    def requests(self) -> Any:
        """What to do next, as generators of calls; each is given its reply."""
        while True:
            key, value = self._key(), random.randrange(10**9)
            match random.randrange(4):
                case 0:
                    yield lambda key=key, value=value: self.client.set(key, value), True
                    yield lambda key=key: self.client.get(key), value
                case 1:
                    fixed = random.randrange(20)
                    yield lambda fixed=fixed: self.client.get(f"fixed-{fixed}"), fixed
                case _:
                    transaction = self.kind.has_transactions and random.random() < 0.5
                    pipe = self.client.pipeline(transaction=transaction)
                    other = f"{{{self.number}}}other"
                    pipe.set(key, value).get(key).set(other, -value).get(other).strlen(other)
                    length = len(str(-value))
                    yield pipe.execute, [None, value, None, -value, length]

    def check(self, reply: Any, expected: Any) -> None:
        """A reply must be the one that is expected."""
        if expected is True:
            assert reply is True
        elif isinstance(expected, list):
            numbers = [None if n in (0, 2) else int(element) for n, element in enumerate(reply)]
            assert numbers == expected
        else:
            assert as_number(reply) == expected
        self.checked += 1


@each_kind(SYNC)
async def test_threads(kind: Kind, servers: Servers) -> None:
    """Eight threads, with plugins that retry, fan out, sleep and share."""
    failures: list[BaseException] = []
    async with wrapped(kind, servers, plugins()) as client:
        for number in range(20):
            client.set(f"fixed-{number}", number)
        until = time.monotonic() + _SECONDS
        workers = [Worker(number, client, kind) for number in range(8)]

        def work(worker: Worker) -> None:
            try:
                for call, expected in worker.requests():
                    worker.check(call(), expected)
                    if time.monotonic() > until:
                        return
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        assert all(worker.checked > 5 for worker in workers)
        assert connections_in_use(client) <= kind.is_single


@each_kind(ASYNC)
async def test_tasks(kind: Kind, servers: Servers) -> None:
    """Fifty tasks, with the same plugins."""
    async with wrapped(kind, servers, plugins()) as client:
        for number in range(20):
            await client.set(f"fixed-{number}", number)
        until = time.monotonic() + _SECONDS
        workers = [Worker(number, client, kind) for number in range(50)]

        async def work(worker: Worker) -> None:
            for call, expected in worker.requests():
                worker.check(await call(), expected)
                if time.monotonic() > until:
                    return

        tasks = [asyncio.create_task(work(worker)) for worker in workers]
        await asyncio.gather(*tasks)
        assert sum(worker.checked for worker in workers) > 100
        assert connections_in_use(client) <= kind.is_single
