"""Background work beside async clients: in tasks of the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.background.working import LIMIT, Worker

from redis_middleware import Call, Flow, Sleep, hookimpl, middleware_of, unwrap, wrap
from redis_middleware.embedded import Server


def tasks() -> list[asyncio.Task[Any]]:
    """The tasks of background work."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("redis-middleware:")]


async def eventually(holds: Callable[[], Any]) -> bool:
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + LIMIT
    while not holds():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


async def runs(worker: Worker) -> bool:
    """Whether its work is going on, and gets somewhere."""
    turns = worker.turns
    return await eventually(lambda: worker.turns > turns + 1)


@pytest.fixture
async def client(clean_standalone: Server) -> AsyncIterator[redis.asyncio.Redis]:
    """Return a client that is not wrapped yet."""
    client = redis.asyncio.Redis(port=clean_standalone.port)
    yield client
    unwrap(client)
    await client.aclose()


async def test_it_runs_in_a_task_that_says_whose_it_is(client: redis.asyncio.Redis) -> None:
    """From ``wrap`` on, where that is inside of a running loop."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert [task.get_name() for task in tasks()] == ["redis-middleware:worker:work"]
    assert await runs(worker)
    assert int(await client.get("turns:worker") or 0) >= 2


async def test_nothing_runs_where_no_plugin_asks(client: redis.asyncio.Redis) -> None:
    """No task is started, by wrapping or by commands."""

    class PassThrough:
        @hookimpl
        def redis_command(self, command: Any) -> Flow:
            return (yield command)

    before = asyncio.all_tasks()
    wrap(client, plugins=[PassThrough])
    await client.ping()
    pipe = client.pipeline()
    pipe.get("k")
    await pipe.execute()
    assert asyncio.all_tasks() == before


def test_a_client_wrapped_before_there_is_a_loop(clean_standalone: Server) -> None:
    """The work starts with its first connection, and again in another loop."""
    worker = Worker()
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), plugins=[worker])
    assert worker.starts == 0

    async def use() -> None:
        await client.ping()
        assert await runs(worker)
        await client.aclose()
        assert not tasks()

    asyncio.run(use())
    assert (worker.starts, worker.ends) == (1, 1)
    asyncio.run(use())
    assert (worker.starts, worker.ends) == (2, 2)


def test_the_end_of_the_loop_ends_it(clean_standalone: Server) -> None:
    """``asyncio.run`` cancels it like any task; in another loop it starts anew."""
    worker = Worker()
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), plugins=[worker])

    async def use() -> None:
        await client.ping()
        assert await runs(worker)
        await client.connection_pool.disconnect()

    asyncio.run(use())
    assert worker.ended_by == ["CancelledError"]
    asyncio.run(use())
    assert (worker.starts, worker.ends) == (2, 2)
    unwrap(client)


async def swallows_its_cancellation() -> None:
    """As ``asyncio.wait_for`` does before Python 3.12 where what it waits for is just done."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(LIMIT)


def listens(worker: Worker) -> Flow:
    """Work all of whose waits swallow cancellations."""
    while True:
        worker.turns += 1
        yield Call(lambda: None, swallows_its_cancellation)


async def test_aclose_ends_what_swallowed_its_cancellation(client: redis.asyncio.Redis) -> None:
    """A cancellation that got lost on the way to the flow is not the last word."""
    worker = Worker(listens)
    wrap(client, plugins=[worker])
    assert await eventually(lambda: worker.turns)
    await client.aclose()
    assert not tasks()
    assert (worker.turns, worker.ended_by) == (1, ["Stopped"])


def test_the_end_of_the_loop_ends_what_swallowed_it(clean_standalone: Server) -> None:
    """``asyncio.run`` cancels each task once, and waits until it has ended."""
    worker = Worker(listens)

    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), plugins=[worker])

    async def use() -> None:
        await client.ping()
        assert await eventually(lambda: worker.turns)
        await client.connection_pool.disconnect()

    asyncio.run(use())
    assert (worker.turns, worker.ended_by) == (1, ["Stopped"])
    unwrap(client)


async def test_aclose_ends_it_and_use_starts_it_again(client: redis.asyncio.Redis) -> None:
    """When ``aclose()`` returns the task is done and its finally blocks have run."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert await runs(worker)
    await client.aclose()
    assert not tasks()
    assert worker.ended_by == ["CancelledError"]
    await client.ping()
    assert await runs(worker)
    assert worker.starts == 2


async def test_unwrapping_ends_it(client: redis.asyncio.Redis) -> None:
    """``unwrap`` cannot wait: the task is cancelled and ends with the loop's next turns."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert await runs(worker)
    unwrap(client)
    assert await eventually(lambda: not tasks())
    assert worker.ends == 1
    await client.ping()
    assert not tasks()


async def test_dropping_the_client_ends_it(clean_standalone: Server) -> None:
    """The task does not keep the client."""
    worker = Worker()
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), plugins=[worker])
    assert await runs(worker)
    pool = client.connection_pool
    del client
    gc.collect()
    assert await eventually(lambda: not tasks())
    assert worker.ends == 1
    await pool.disconnect()


async def test_removing_the_plugin_ends_its_work_only(client: redis.asyncio.Redis) -> None:
    """Work of other plugins goes on."""
    one, other = Worker(name="one"), Worker(name="other")
    wrap(client, plugins=[one, other])
    assert await runs(one)
    assert await runs(other)
    middleware_of(client).remove("one")
    assert await eventually(lambda: one.ends == 1)
    assert await runs(other)


async def test_a_flow_that_fails_is_logged_and_started_again(
    client: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """With the plugin's name, after a growing delay."""

    def work(worker: Worker) -> Flow:
        yield worker.middleware.client.command("PING")
        raise KeyError("missing")

    worker = Worker(work)
    with caplog.at_level(logging.ERROR):
        wrap(client, plugins=[worker])
        assert await eventually(lambda: worker.starts >= 3)
        unwrap(client)
    messages = [record.getMessage() for record in caplog.records]
    for message, delay in zip(messages, ("0.01", "0.02"), strict=False):
        start = f"plugin 'worker', background work 'work' failed and starts anew in {delay} s"
        assert message.startswith(start)


async def test_sends_sleeps_and_calls(client: redis.asyncio.Redis) -> None:
    """The flow of a sync client's work runs unchanged: lists, waits, functions of both kinds."""
    got: list[Any] = []

    async def load() -> str:
        return "awaited"

    def work(worker: Worker) -> Flow:
        view = worker.middleware.client
        got.append((yield [view.command("ECHO", "one"), view.command("NO-SUCH-COMMAND")]))
        yield Sleep(0.01)
        got.append((yield Call(lambda: "called", load)))
        got.append((yield Call(lambda: "in a thread")))

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert await eventually(lambda: worker.ends)
    (echo, error), *calls = got
    assert echo == b"one"
    assert isinstance(error, redis.ResponseError)
    assert calls == ["awaited", "in a thread"]


async def test_a_call_that_blocks_is_cancelled(client: redis.asyncio.Redis) -> None:
    """What is awaited can be interrupted: ``aclose()`` waits for nothing but its end."""
    came = asyncio.Event()

    async def wait() -> None:
        came.set()
        await asyncio.Event().wait()

    def work(worker: Worker) -> Flow:
        yield Call(lambda: None, wait)

    worker = Worker(work)
    wrap(client, plugins=[worker])
    await came.wait()
    async with asyncio.timeout(LIMIT):
        await client.aclose()
    assert worker.ended_by == ["CancelledError"]


async def test_a_cluster_client_has_work_too(clean_cluster: Any) -> None:
    """Its sends go where a cluster client sends them."""
    worker = Worker()
    server = clean_cluster.primaries[0]
    client = wrap(redis.asyncio.RedisCluster(host=server.host, port=server.port), plugins=[worker])
    await client.ping()
    assert await runs(worker)
    await client.aclose()
    assert await eventually(lambda: not tasks())
    assert worker.ends == worker.starts


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")
async def test_tasks_that_run_at_once(clean_standalone: Server) -> None:
    """With ``asyncio.eager_task_factory`` the work connects while it is being started."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(vars(asyncio)["eager_task_factory"])
    worker = Worker()
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), plugins=[worker])
    assert await client.ping()
    assert await runs(worker)
    assert worker.starts == 1
    await client.aclose()
    assert not tasks()
