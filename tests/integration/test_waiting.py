"""Flows that wait, do other I/O, or share one send: ``Sleep``, ``Call``, ``Once``, everywhere."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration import awaiting
from tests.integration.at_places import Own, Refused, as_number, get_at, places
from tests.integration.each_kind import each_kind, only_one, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.pass_through import PassThrough
from tests.integration.servers import Servers

from redis_middleware import Call, Command, Flow, Once, Place, Sleep


@each_kind()
async def test_sleep(kind: Kind, servers: Servers) -> None:
    """A flow may wait before and after its command; in a pipeline all wait together."""

    def sleepy(command: Command) -> Flow:
        assert (yield Sleep(0.01)) is None
        reply = yield command
        assert (yield Sleep(0.01)) is None
        return reply

    async with wrapped(kind, servers, [Own(sleepy)], **only_one(kind)) as client:
        await awaiting.settle(client.set("{k}1", 5))
        for place in places(kind):
            started = time.monotonic()
            assert as_number(await get_at(place, client, "{k}1")) == 5
            assert time.monotonic() - started >= 0.02
        pipe = client.pipeline(transaction=False)
        for _ in range(50):
            pipe.get("{k}1")
        started = time.monotonic()
        assert [int(reply) for reply in await awaiting.settle(pipe.execute())] == [5] * 50
        assert time.monotonic() - started < 0.5


@each_kind()
async def test_call(kind: Kind, servers: Servers) -> None:
    """A flow may have functions called; an async client awaits them or uses a thread."""
    threads: list[bool] = []

    def look_up() -> str:
        threads.append(threading.current_thread() is threading.main_thread())
        return "looked up"

    async def look_up_async() -> str:
        await asyncio.sleep(0)
        return "awaited"

    def fail() -> None:
        raise Refused("from the call")

    def calling(command: Command) -> Flow:
        first = yield Call(look_up)
        second = yield Call(look_up, look_up_async)
        try:
            yield Call(fail)
        except Refused as error:
            third = str(error)
        reply = yield command
        fourth = yield Call(look_up)
        return [first, second, third, as_number(reply), fourth]

    second = "awaited" if kind.is_async else "looked up"
    async with wrapped(kind, servers, [Own(calling)], **only_one(kind)) as client:
        await awaiting.settle(client.set("{k}1", 5))
        for place in places(kind):
            replies = await get_at(place, client, "{k}1")
            assert replies == ["looked up", second, "from the call", 5, "looked up"]
    assert set(threads) == {not kind.is_async}


@each_kind()
async def test_failing_call(kind: Kind, servers: Servers) -> None:
    """What a call raises and the flow lets pass refuses the command, the whole pipeline."""

    def fail() -> None:
        raise Refused("from the call")

    def calling(command: Command) -> Flow:
        yield Call(fail)
        return (yield command)

    control = kind.control(servers)
    async with wrapped(kind, servers, [Own(calling)], **only_one(kind)) as client:
        for place in places(kind):
            with pytest.raises(Refused, match="from the call"):
                await get_at(place, client, "{k}1")
        assert "get" not in control.command_counts()
        assert "set" not in control.command_counts()


@each_kind()
async def test_once_alone(kind: Kind, servers: Servers) -> None:
    """Without anybody else a ``Once`` is its command; also with failures."""

    def once(command: Command) -> Flow:
        return (yield Once(command.keys, command))

    inner = PassThrough()
    async with wrapped(kind, servers, [Own(once), inner], **only_one(kind)) as client:
        await awaiting.settle(client.set("{k}1", 5))
        await awaiting.settle(client.hset("{k}hash", "f", 5))
        inner.commands.clear()
        for place in places(kind):
            assert as_number(await get_at(place, client, "{k}1")) == 5
            try:
                failure = await get_at(place, client, "{k}hash")
            except Exception as error:
                failure = error
            assert "WRONGTYPE" in str(failure)
        assert inner.names.count("GET") == 2 * len(places(kind))


@each_kind()
async def test_once_in_one_pipeline(kind: Kind, servers: Servers) -> None:
    """Commands of one pipeline share a send, outside of transactions."""

    def once(command: Command) -> Flow:
        reply = yield Once(command.keys, command)
        return None if reply is None else int(reply)

    control = kind.control(servers)
    async with wrapped(kind, servers, [Own(once)], **only_one(kind)) as client:
        await awaiting.settle(client.set("{k}1", 5))
        for transaction in (False, True) if kind.has_transactions else (False,):
            pipe = client.pipeline(transaction=transaction)
            for _ in range(10):
                pipe.get("{k}1")
            assert await awaiting.settle(pipe.execute()) == [5] * 10
        if not kind.is_fake:
            assert control.calls("get") == (11 if kind.has_transactions else 1)


def _slow_once(command: Command) -> Flow:
    def slow_reply() -> None:
        time.sleep(0.05)

    async def slow_reply_async() -> None:
        await asyncio.sleep(0.05)

    if command.place is Place.PIPELINE or command.options.get("leads"):
        return (yield command)
    yield Call(slow_reply, slow_reply_async)
    return (yield command)


async def together(kind: Kind, functions: list[Callable[[], Any]]) -> list[Any]:
    """Call functions at the same time, in threads or as tasks; give replies and failures."""
    if kind.is_async:
        results = await asyncio.gather(
            *[awaiting.settle(function()) for function in functions], return_exceptions=True
        )
        return list(results)
    outcomes: list[Any] = [None] * len(functions)

    def call(index: int) -> None:
        try:
            outcomes[index] = functions[index]()
        except Exception as error:
            outcomes[index] = error

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return outcomes


CONCURRENT = [kind for kind in WRITING if not kind.is_single and not kind.is_fake]


@each_kind(CONCURRENT)
async def test_once_of_many_callers(kind: Kind, servers: Servers) -> None:
    """Concurrent callers share one send, with copies of their own; a failure is shared too."""

    def once(command: Command) -> Flow:
        return (yield Once(command.keys, command))

    control = kind.control(servers)
    plugins = [Own(once, "LRANGE"), Own(_slow_once, "LRANGE")]
    plugins[1].name = "slow"
    async with wrapped(kind, servers, plugins) as client:
        await awaiting.settle(client.rpush("{k}list", "a", "b"))
        await awaiting.settle(client.set("{k}string", "a"))
        replies = await together(kind, [lambda: client.lrange("{k}list", 0, -1)] * 8)
        assert all(len(reply) == 2 for reply in replies)
        assert len({id(reply) for reply in replies}) == 8
        failures = await together(kind, [lambda: client.lrange("{k}string", 0, -1)] * 8)
        assert all("WRONGTYPE" in str(failure) for failure in failures)
        assert len({id(failure) for failure in failures}) == 8
        assert control.calls("lrange") < 8


@each_kind(CONCURRENT)
async def test_once_of_crossing_pipelines(kind: Kind, servers: Servers) -> None:
    """Pipelines that lead one ``Once`` and follow the other's do not block each other."""

    def once(command: Command) -> Flow:
        yield Sleep(0.001)
        return (yield Once(command.keys, command))

    async with wrapped(kind, servers, [Own(once)]) as client:
        for number in range(10):
            await awaiting.settle(client.set(f"key-{number}", number))

        def pipeline(numbers: list[int]) -> Callable[[], Any]:
            def execute() -> Any:
                pipe = client.pipeline(transaction=False)
                for number in numbers:
                    pipe.get(f"key-{number}")
                return pipe.execute()

            return execute

        orders = [list(range(10)), list(reversed(range(10)))] * 4
        replies = await together(kind, [pipeline(order) for order in orders])
        assert [[int(reply) for reply in row] for row in replies] == orders


@each_kind([kind for kind in CONCURRENT if kind.is_async])
async def test_once_of_a_cancelled_leader(kind: Kind, servers: Servers) -> None:
    """When the leader is cancelled, one of those who followed it sends in its place."""

    def once(command: Command) -> Flow:
        return (yield Once("key", command))

    inner = PassThrough()
    async with wrapped(kind, servers, [Own(once, "BLPOP"), inner]) as client:
        leader = asyncio.create_task(client.blpop(["{k}list"], 5))
        await awaiting.until(lambda: "BLPOP" in inner.names, is_async=True)
        followers = [asyncio.create_task(client.blpop(["{k}list"], 5)) for _ in range(3)]
        await asyncio.sleep(0.02)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        await awaiting.until(lambda: inner.names.count("BLPOP") == 2, is_async=True)
        await asyncio.sleep(0.02)
        await client.rpush("{k}list", "x")
        replies = await asyncio.wait_for(asyncio.gather(*followers), 5)
        assert len({str(reply) for reply in replies}) == 1
        assert await client.llen("{k}list") == 0
