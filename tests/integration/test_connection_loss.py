"""Lost connections and exhausted pools: what the application sees, and how it goes on."""

from __future__ import annotations

from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.integration import awaiting
from tests.integration.contract import Run, contract
from tests.integration.kinds import ESSENTIAL, MAIN, WRITING

REAL = [kind for kind in MAIN if not kind.is_fake]
WRITABLE = [kind for kind in WRITING if not kind.is_fake]
TRANSACTIONAL = [kind for kind in WRITABLE if kind.has_transactions]
POOLED = [kind for kind in WRITABLE if not kind.is_single]


def once() -> Retry:
    """No second attempt."""
    return Retry(NoBackoff(), 0)


@contract(REAL, counts=False)
async def test_killed_between_commands(run: Run) -> None:
    """redis-py's own retries make nothing of a connection that was lost while idle."""
    await run.record(run.client.get, "{k}1")
    run.control.kill_connections(run.name)
    await run.record(run.client.get, "{k}1")
    run.control.kill_connections(run.name)
    pipe = run.client.pipeline(transaction=False)
    pipe.get("{k}1").get("{k}2")
    await run.record(pipe.execute)


@contract(REAL, counts=False, retry=once())
async def test_killed_without_retries(run: Run) -> None:
    """Without retries the loss is raised, and the next command connects anew."""
    for _ in range(2):
        await run.record(run.client.get, "{k}1")
        run.control.kill_connections(run.name)
        await run.record(run.client.get, "{k}1")
    await run.record(run.client.get, "{k}1")


@contract(ESSENTIAL, counts=False, retry=once())
async def test_killed_while_blocked(run: Run) -> None:
    """A connection that is lost while its command waits."""
    await run.record(run.client.get, "{k}1")
    run.later(0.05, lambda: run.control.kill_connections(run.name))
    await run.record(run.client.blpop, ["{k}list"], 5)
    await run.record(run.client.rpush, "{k}list", "x")
    await run.record(run.client.blpop, ["{k}list"], 5)


@contract(TRANSACTIONAL, counts=False, retry=once())
async def test_killed_before_pipeline(run: Run) -> None:
    """Pipelines and transactions without retries: raised, and the pipeline is empty afterwards."""
    for transaction in (False, True):
        await run.record(run.client.get, "{k}1")
        pipe = run.client.pipeline(transaction=transaction)
        pipe.set("{k}1", 1).get("{k}1")
        run.control.kill_connections(run.name)
        await run.record(pipe.execute, raise_on_error=False)
        run.note(len(pipe))
        pipe.get("{k}1")
        await run.record(pipe.execute)


@contract(TRANSACTIONAL, counts=False)
async def test_killed_while_watching(run: Run) -> None:
    """The watch is lost with the connection, also with retries: nothing is executed."""
    for read_after in (True, False):
        pipe = run.client.pipeline(transaction=True)
        await run.record(pipe.watch, "{k}1")
        await run.record(pipe.get, "{k}1")
        run.control.kill_connections(run.name)
        if read_after:
            await run.record(pipe.get, "{k}1")
        else:
            pipe.multi()
            pipe.set("{k}1", 1)
            await run.record(pipe.execute)
        await awaiting.settle(pipe.reset())
        await run.record(run.client.get, "{k}1")


@contract(POOLED, counts=False, max_connections=1, retry=once())
async def test_exhausted_pool(run: Run) -> None:
    """Without a connection left everything is refused, and what was queued is not lost."""
    holder = run.client.pipeline(transaction=True)
    if not run.kind.has_transactions:
        return
    await run.record(holder.watch, "{k}1")
    pipe = run.client.pipeline(transaction=True)
    pipe.set("{k}1", 1)
    if not run.kind.is_cluster:
        # A cluster client reinitializes itself with connections of its own.
        await run.record(run.client.get, "{k}1")
        await run.record(pipe.execute)
        run.note(len(pipe))
    await awaiting.settle(holder.reset())
    await run.record(pipe.execute)
    await run.record(run.client.get, "{k}1")
