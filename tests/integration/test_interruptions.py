"""Interrupts: Ctrl-C and cancelled tasks reach every flow, and leave the connections clean."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration import awaiting
from tests.integration.at_places import Own, get_at, places
from tests.integration.each_kind import each_kind, numbered_commands_work, only_one, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.pools import connections_in_use
from tests.integration.servers import Servers

from redis_middleware import Batch, Call, Command, Flow, Once, Place, Sleep, hookimpl

SYNC = [kind for kind in WRITING if not kind.is_async and not kind.is_fake]
ASYNC = [kind for kind in WRITING if kind.is_async and not kind.is_fake]


class Witness:
    """Takes down how each of its flows ended.

    Attributes:
        ended: what each flow was ended by, the name of an exception or ``"reply"``.
        finished: how many ``finally`` blocks ran.
    """

    def __init__(self, name: str = "witness") -> None:
        self.name = name
        self.ended: list[str] = []
        self.started = 0
        self.finished = 0

    def _watched(self, item: Any) -> Flow:
        self.started += 1
        try:
            reply = yield item
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        else:
            self.ended.append("reply")
            return reply
        finally:
            self.finished += 1

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Around every command."""
        return (yield from self._watched(command))

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Around every batch."""
        return (yield from self._watched(batch))


async def clean(kind: Kind, client: Any) -> None:
    """No connection is missing, and none has somebody else's reply in it."""
    assert connections_in_use(client) <= kind.is_single
    await numbered_commands_work(client)


def interrupt_soon() -> threading.Timer:
    """Send this process a Ctrl-C in a moment."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.05, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    return timer


@each_kind([kind for kind in SYNC if kind.deployment != "primary"])
async def test_interrupted_while_waiting_for_a_reply(kind: Kind, servers: Servers) -> None:
    """Ctrl-C in the midst of a command, single or in a pipeline: every flow sees it once.

    Connections of redis-py to what a sentinel watches stay open then, with the reply in them; a
    bare client has the same mix-up afterwards.
    """
    witnesses = [Witness("outer"), Witness("inner")]

    def single(client: Any) -> None:
        client.blpop(["{k}list"], 5)

    def pipeline(client: Any) -> None:
        pipe = client.pipeline(transaction=False)
        pipe.set("{k}1", 1).blpop(["{k}list"], 5).get("{k}1")
        pipe.execute()

    for block, flows in ((single, 1), (pipeline, 4)):
        async with wrapped(kind, servers, witnesses, **only_one(kind)) as client:
            await awaiting.settle(client.get("key"))
            for witness in witnesses:
                witness.__init__(witness.name)  # type: ignore[misc]
            timer = interrupt_soon()
            with pytest.raises(KeyboardInterrupt):
                block(client)
            timer.join()
            for witness in witnesses:
                assert witness.ended == ["KeyboardInterrupt"] * flows
                assert witness.finished == witness.started == flows
            await clean(kind, client)
            assert client.llen("{k}list") == 0


def _interrupt() -> None:
    raise KeyboardInterrupt


async def _interrupt_async() -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt


@each_kind(SYNC)
async def test_interrupted_in_a_call(kind: Kind, servers: Servers) -> None:
    """Ctrl-C while a flow's function is called, or while it sleeps: at every place."""

    def calling(command: Command) -> Flow:
        yield Call(_interrupt)
        return (yield command)

    def calling_after(command: Command) -> Flow:
        reply = yield command
        yield Call(_interrupt)
        return reply

    def swallowing(command: Command) -> Flow:
        try:
            yield Call(_interrupt)
        except KeyboardInterrupt:
            return b"swallowed"
        return (yield command)

    for flow in (calling, calling_after, swallowing):
        witness = Witness()
        async with wrapped(kind, servers, [witness, Own(flow)], **only_one(kind)) as client:
            for place in places(kind):
                with pytest.raises(KeyboardInterrupt):
                    await get_at(place, client, "{k}1")
            assert witness.finished == witness.started
            assert witness.ended.count("KeyboardInterrupt") >= len(places(kind))
            assert connections_in_use(client) <= kind.is_single
            for number in range(20):
                reply = client.set("{k}2", number, get=True)
                assert reply is None or int(reply) == number - 1


async def cancelled(kind: Kind, start: Callable[[], Any], after: float = 0.03) -> None:
    """Cancel something a moment after its start."""
    task = asyncio.ensure_future(_awaited(start))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _awaited(start: Callable[[], Any]) -> Any:
    return await start()


@each_kind(kind for kind in ASYNC if kind.keeps_connections)
async def test_cancelled_while_waiting_for_a_reply(kind: Kind, servers: Servers) -> None:
    """A cancelled task, in the midst of a command or a pipeline: every flow sees it once."""
    witnesses = [Witness("outer"), Witness("inner")]

    def pipeline(client: Any) -> Any:
        pipe = client.pipeline(transaction=False)
        pipe.set("{k}1", 1).blpop(["{k}list"], 5).get("{k}1")
        return pipe.execute()

    def single(client: Any) -> Any:
        return client.blpop(["{k}list"], 5)

    for block, flows in ((single, 1), (pipeline, 4)):
        async with wrapped(kind, servers, witnesses, **only_one(kind)) as client:
            await client.get("key")
            for witness in witnesses:
                witness.__init__(witness.name)  # type: ignore[misc]
            await cancelled(kind, lambda block=block: block(client))  # type: ignore[misc]
            for witness in witnesses:
                assert witness.ended == ["CancelledError"] * flows
                assert witness.finished == witness.started == flows
            await clean(kind, client)


@each_kind(ASYNC)
async def test_cancelled_in_a_flow(kind: Kind, servers: Servers) -> None:
    """A task that is cancelled while a flow sleeps, calls, or follows another one's send."""

    async def wait() -> None:
        await asyncio.sleep(5)

    def sleeping(command: Command) -> Flow:
        yield Sleep(5)
        return (yield command)

    def calling(command: Command) -> Flow:
        yield Call(_interrupt, wait)
        return (yield command)

    def after(command: Command) -> Flow:
        reply = yield command
        yield Sleep(5)
        return reply

    for flow in (sleeping, calling, after):
        witness = Witness()
        async with wrapped(kind, servers, [witness, Own(flow)], **only_one(kind)) as client:
            for place in places(kind):
                await cancelled(kind, lambda place=place: get_at(place, client, "{k}1"))  # type: ignore[misc]
            assert witness.finished == witness.started
            assert witness.ended.count("CancelledError") >= len(places(kind))
            assert connections_in_use(client) <= kind.is_single
            for number in range(20):
                reply = await client.set("{k}2", number, get=True)
                assert reply is None or int(reply) == number - 1


@each_kind([kind for kind in ASYNC if not kind.is_single])
async def test_cancelled_follower(kind: Kind, servers: Servers) -> None:
    """A follower that is cancelled takes nothing from the leader or the other followers."""

    def once(command: Command) -> Flow:
        return (yield Once("key", command))

    async with wrapped(kind, servers, [Own(once, "BLPOP")]) as client:
        await client.get("key")
        tasks = [asyncio.ensure_future(client.blpop(["{k}list"], 5)) for _ in range(4)]
        await asyncio.sleep(0.03)
        tasks[2].cancel()
        await asyncio.sleep(0.01)
        await client.rpush("{k}list", "x")
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert isinstance(outcomes.pop(2), asyncio.CancelledError)
        assert len({str(outcome) for outcome in outcomes}) == 1
        assert "x" in str(outcomes[0])


@each_kind(ASYNC)
async def test_timeouts_of_the_application(kind: Kind, servers: Servers) -> None:
    """``asyncio.timeout`` around a command whose plugin waits before it tries again.

    The time-out ends while it waits: a bare client of redis.asyncio swallows now and then a
    cancellation that hits it while it gives back a connection.
    """

    def stubborn(command: Command) -> Flow:
        while True:
            try:
                return (yield command)
            except Exception:
                yield Sleep(5)

    witness = Witness()
    async with wrapped(kind, servers, [witness, Own(stubborn)], **only_one(kind)) as client:
        await client.hset("{k}hash", "f", 1)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.get("{k}hash")
        assert time.monotonic() - started < 2
        assert witness.ended[-1] == "CancelledError"
        await clean(kind, client)


@each_kind([kind for kind in ASYNC if kind.has_transactions])
async def test_cancelled_while_watching(kind: Kind, servers: Servers) -> None:
    """A task that is cancelled under WATCH gives its connection back when it leaves the block."""
    witness = Witness()

    def slow(command: Command) -> Flow:
        yield Sleep(5)
        return (yield command)

    async with wrapped(kind, servers, [witness, Own(slow)], **only_one(kind)) as client:
        await cancelled(kind, lambda: get_at(Place.WATCH, client, "{k}1"))
        assert witness.ended == ["reply", "CancelledError"]
        assert connections_in_use(client) <= kind.is_single
