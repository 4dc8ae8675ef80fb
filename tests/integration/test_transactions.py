"""Transactions of every kind of client: queued, under WATCH, by ``transaction()``, aborted."""

from __future__ import annotations

from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, call, contract
from tests.integration.kinds import KINDS, WRITING, kinds
from tests.integration.test_pipelines import queue

TRANSACTIONAL = [kind for kind in WRITING if kind.has_transactions]
EVERY = kinds(lambda kind: kind.has_transactions and kind.deployment != "replica")
PLAIN = [kind for kind in TRANSACTIONAL if not kind.is_cluster]

GOOD = (
    call("set", "{a}1", 1),
    call("incr", "{a}1"),
    call("get", "{a}missing"),
    call("hset", "{a}h", mapping={"x": 1}),
    call("hgetall", "{a}h"),
    call("zadd", "{a}z", {"m": 1.5}),
    call("zrange", "{a}z", 0, -1, withscores=True),
)
FAILING = (
    call("set", "{a}1", "text"),
    call("incr", "{a}1"),
    call("lpush", "{a}1", "x"),
    call("get", "{a}1"),
)


def transaction(run: Run) -> Any:
    """A pipeline that is a transaction."""
    return run.client.pipeline(transaction=True)


@contract(EVERY)
async def test_replies(run: Run) -> None:
    """The replies of a transaction in order, those of plain and of cluster clients."""
    pipe = transaction(run)
    queue(pipe, *GOOD)
    run.note(len(pipe))
    await run.record(pipe.execute)
    run.note(len(pipe))


@contract(TRANSACTIONAL)
async def test_errors(run: Run) -> None:
    """Errors of single commands: the first one raised and annotated, or all among the replies."""
    pipe = transaction(run)
    queue(pipe, *FAILING)
    await run.record(pipe.execute)
    queue(pipe, *FAILING)
    await run.record(pipe.execute, raise_on_error=False)
    await run.record(run.client.get, "{a}1")


@contract(TRANSACTIONAL)
async def test_bad_command_aborts(run: Run) -> None:
    """A command that the server does not take at all aborts the transaction: nothing is done."""
    for raise_on_error in (True, False):
        pipe = transaction(run)
        queue(pipe, call("set", "{a}1", 1), call("execute_command", "GET", "{a}1", "{a}2"))
        await run.record(pipe.execute, raise_on_error)
    await run.record(run.client.get, "{a}1")


@contract(TRANSACTIONAL)
async def test_use_again(run: Run) -> None:
    """A transaction can be used again after execute, an error, reset, and discard."""
    pipe = transaction(run)
    for calls in (GOOD, FAILING, GOOD):
        queue(pipe, *calls)
        await run.record(pipe.execute)
        run.note(len(pipe))
    queue(pipe, *GOOD)
    await awaiting.settle(pipe.reset())
    run.note(len(pipe))
    await run.record(pipe.execute)
    async with awaiting.entered(transaction(run)) as pipe:
        pipe.set("{a}dropped", 1)
    run.note(len(pipe))


@contract(TRANSACTIONAL)
async def test_watched_key_unchanged(run: Run) -> None:
    """Under WATCH commands are sent at once; MULTI begins to queue; EXEC does it."""
    await run.record(run.client.set, "{w}1", 5)
    async with awaiting.entered(transaction(run)) as pipe:
        await run.record(pipe.watch, "{w}1")
        value = await run.record(pipe.get, "{w}1")
        await run.record(pipe.hgetall, "{w}missing")
        await run.record(pipe.lpush, "{w}1", "wrong type")
        pipe.multi()
        pipe.set("{w}1", int(value) + 1)
        pipe.get("{w}1")
        await run.record(pipe.execute)
        await run.record(pipe.watch, "{w}1", "{w}2")
        await run.record(pipe.unwatch)
        pipe.set("{w}2", 1)
        await run.record(pipe.execute)


@contract(TRANSACTIONAL)
async def test_watched_key_changed(run: Run) -> None:
    """A watched key that somebody else changed is a WatchError, and the pipeline goes on after."""
    client = run.client
    await run.record(client.set, "{w}1", 5)
    other = run.make()
    async with awaiting.entered(transaction(run)) as pipe:
        for changes in (True, False):
            await run.record(pipe.watch, "{w}1")
            await run.record(pipe.get, "{w}1")
            if changes:
                await run.record(other.set, "{w}1", 6)
            pipe.multi()
            pipe.set("{w}1", 7)
            await run.record(pipe.execute)
            await run.record(client.get, "{w}1")
    await run.close(other)


@contract(TRANSACTIONAL)
async def test_watch_with_nothing_queued(run: Run) -> None:
    """An EXEC without commands still tells whether a watched key changed."""
    other = run.make()
    async with awaiting.entered(transaction(run)) as pipe:
        await run.record(pipe.watch, "{w}1")
        await run.record(other.set, "{w}1", 6)
        pipe.multi()
        await run.record(pipe.execute)
        await run.record(pipe.watch, "{w}1")
        pipe.multi()
        await run.record(pipe.execute)
        await run.record(pipe.execute)
    await run.close(other)


@contract(TRANSACTIONAL)
async def test_leaving_while_watching(run: Run) -> None:
    """Reset, and leaving the block, end the watch and give the connection back."""
    async with awaiting.entered(transaction(run)) as pipe:
        await run.record(pipe.watch, "{w}1")
        await run.record(pipe.get, "{w}1")
    pipe = transaction(run)
    await run.record(pipe.watch, "{w}1")
    await awaiting.settle(pipe.reset())
    pipe.set("{w}1", 1)
    await run.record(pipe.execute)
    pipe = transaction(run)
    await run.record(pipe.watch, "{w}1")
    await run.record(pipe.unwatch)
    await awaiting.settle(pipe.reset())


@contract(TRANSACTIONAL)
async def test_wrong_order(run: Run) -> None:
    """MULTI within MULTI, WATCH after MULTI, MULTI after commands: refused as ever."""
    pipe = transaction(run)
    pipe.set("{w}1", 1)
    await run.record(pipe.multi)
    pipe = transaction(run)
    await run.record(pipe.watch, "{w}1")
    await run.record(pipe.multi)
    await run.record(pipe.multi)
    await run.record(pipe.watch, "{w}1")
    await awaiting.settle(pipe.reset())
    pipe = run.client.pipeline(transaction=False)
    await run.record(pipe.watch, "{w}1")
    await awaiting.settle(pipe.reset())


@contract(PLAIN)
async def test_discard(run: Run) -> None:
    """DISCARD under WATCH is an error of the server's, in a transaction it aborts it."""
    async with awaiting.entered(transaction(run)) as pipe:
        await run.record(pipe.watch, "{w}1")
        pipe.multi()
        pipe.set("{w}1", 1)
        await run.record(pipe.discard)
        await run.record(pipe.execute)


@contract(TRANSACTIONAL)
async def test_transaction_method(run: Run) -> None:
    """``client.transaction()`` watches, calls the function again after a change, and executes."""
    if not hasattr(run.client, "transaction"):
        return
    client = run.client
    await run.record(client.set, "{w}1", 1)
    other = run.make()
    attempts: list[int] = []

    def body(pipe: Any) -> Any:
        return _read_change_write(pipe, other, attempts)

    def sync_body(pipe: Any) -> Any:
        return awaiting.run(_read_change_write(pipe, other, attempts), is_async=False)

    function = body if run.kind.is_async else sync_body
    await run.record(client.transaction, function, "{w}1")
    await run.record(client.transaction, function, "{w}1", value_from_callable=True)
    await run.record(client.transaction, lambda pipe: pipe.set("{w}2", 1) and None)
    await run.record(client.transaction, _raising, "{w}1")
    run.note(len(attempts))
    await run.close(other)


async def _read_change_write(pipe: Any, other: Any, attempts: list[int]) -> str:
    value = int(await awaiting.settle(pipe.get("{w}1")))
    attempts.append(value)
    if len(attempts) == 1:
        await awaiting.settle(other.set("{w}1", 10))
    pipe.multi()
    pipe.set("{w}1", value + 1)
    pipe.get("{w}1")
    return "from the function"


def _raising(pipe: Any) -> None:
    raise LookupError("from the function")


@contract(kinds(lambda kind: kind.is_cluster and kind.has_transactions))
async def test_slots(run: Run) -> None:
    """Keys of several slots, or none, in a cluster's transaction are refused as ever."""
    for calls in (
        (call("set", "a", 1), call("set", "b", 1)),
        (call("ping"),),
        (call("set", "a", 1), call("ping")),
        (call("mset", {"a": 1, "b": 1}),),
    ):
        pipe = transaction(run)
        for method, args, kwargs in calls:
            await run.record(getattr(pipe, method), *args, **kwargs)
        await run.record(pipe.execute)
        await awaiting.settle(pipe.reset())
    pipe = transaction(run)
    await run.record(pipe.watch, "a")
    await run.record(pipe.get, "b")
    await run.record(pipe.watch, "b")
    await awaiting.settle(pipe.reset())


@contract(KINDS)
async def test_empty(run: Run) -> None:
    """A transaction without commands sends nothing."""
    if run.kind.has_transactions:
        await run.record(transaction(run).execute)
    await run.record(run.client.pipeline().execute)
