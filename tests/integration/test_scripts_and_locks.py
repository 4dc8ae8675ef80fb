"""Scripts, functions and locks, of every kind of client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, call, contract
from tests.integration.kinds import ESSENTIAL, MAIN, WRITING

ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
FAIL = "return redis.error_reply('FAILED on purpose')"
LIBRARY = """#!lua name=library
redis.register_function('add', function(keys, args)
  return redis.call('INCRBY', keys[1], args[1])
end)
"""
# fakeredis needs an interpreter of Lua for scripts and locks.
SCRIPTING = [kind for kind in WRITING if not kind.is_fake]


@contract(MAIN)
async def test_eval(run: Run) -> None:
    """EVAL and EVALSHA, their errors, and whether scripts are there."""
    client = run.client
    await run.record_each(
        client,
        call("eval", ADD, 1, "{s}1", 5),
        call("eval", "return {1, 'a', {2}, false}", 0),
        call("eval", FAIL, 0),
        call("eval", "nonsense", 0),
        call("eval_ro", ADD, 1, "{s}1", 5),
        call("evalsha", "0" * 40, 0),
        call("script_exists", "0" * 40),
    )
    sha = await run.record(client.script_load, ADD)
    if isinstance(sha, str | bytes):
        await run.record_each(
            client, call("evalsha", sha, 1, "{s}1", 5), call("script_exists", sha)
        )
    await run.record_each(client, call("script_flush"), call("script_kill"))


@contract(MAIN)
async def test_registered_scripts(run: Run) -> None:
    """A registered script loads itself where it is not yet; also with another client, and anew."""
    add = run.client.register_script(ADD)
    fail = run.client.register_script(FAIL)
    other = run.make()
    await run.record(add, keys=["{s}1"], args=[5])
    await run.record(add, keys=["{s}1"], args=[5], client=other)
    await run.record(add, keys=["{s}1"], args=["text"])
    await run.record(fail)
    await run.record(run.client.script_flush)
    await run.record(add, keys=["{s}1"], args=[5])
    await run.close(other)


@contract([kind for kind in SCRIPTING if not kind.is_cluster])
async def test_scripts_in_pipelines(run: Run) -> None:
    """Scripts inside pipelines and transactions are loaded before their commands are sent."""
    add = run.client.register_script(ADD)
    for transaction in (True, False):
        for _ in range(2):
            pipe = run.client.pipeline(transaction=transaction)
            pipe.set("{s}1", 1)
            await run.record(awaited_call(add, keys=["{s}1"], args=[5], client=pipe))
            pipe.eval(ADD, 1, "{s}1", 1)
            await run.record(pipe.execute)
        await run.record(run.client.script_flush)
    async with awaiting.entered(run.client.pipeline()) as pipe:
        await run.record(pipe.watch, "{s}1")
        await run.record(add, keys=["{s}1"], args=[5], client=pipe)
        pipe.multi()
        await run.record(awaited_call(add, keys=["{s}1"], args=[5], client=pipe))
        await run.record(pipe.execute)


def awaited_call(script: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
    """A call whose result is the pipeline, which is no outcome."""

    async def queued() -> str:
        return type(await awaiting.settle(script(**arguments))).__name__

    return queued


@contract(SCRIPTING)
async def test_functions(run: Run) -> None:
    """Functions: loaded, called, read-only, missing."""
    await run.record_each(
        run.client,
        call("function_load", LIBRARY),
        call("function_load", LIBRARY),
        call("function_load", LIBRARY, replace=True),
        call("fcall", "add", 1, "{f}1", 2),
        call("fcall_ro", "add", 1, "{f}1", 2),
        call("fcall", "missing", 0),
        call("function_delete", "library"),
        call("function_delete", "library"),
    )


@contract(SCRIPTING)
async def test_locks(run: Run) -> None:
    """A lock taken, extended, asked after, released, and taken by others or lost meanwhile."""
    client = run.client
    lock = client.lock("lock", timeout=10)
    await run.record(lock.acquire)
    await run.record(lock.locked)
    await run.record(lock.owned)
    await run.record(lock.extend, 5)
    await run.record(lock.reacquire)
    other = client.lock("lock", timeout=10, blocking=False)
    await run.record(other.acquire)
    await run.record(other.owned)
    await run.record(other.release)
    await run.record(lock.release)
    await run.record(lock.release)
    await run.record(other.acquire)
    await run.record(client.delete, "lock")
    await run.record(other.extend, 1)
    await run.record(other.release)
    async with awaiting.entered(client.lock("lock", timeout=10)) as held:
        await run.record(held.owned)
        await run.record(client.exists, "lock")
    await run.record(client.exists, "lock")
    await run.record(_lose, run)


async def _lose(run: Run) -> None:
    async with awaiting.entered(run.client.lock("lock", timeout=10)):
        await awaiting.settle(run.client.delete("lock"))


@contract(ESSENTIAL, counts=False)
async def test_waiting_for_locks(run: Run) -> None:
    """A lock that somebody else holds is waited for, and given up after a while."""
    client = run.client
    await run.record(client.set, "lock", "somebody else's")
    lock = client.lock("lock", timeout=10, sleep=0.01)
    await run.record(lock.acquire, blocking_timeout=0.03)
    run.later(0.03, lambda: run.control.delete("lock"))
    await run.record(lock.acquire, blocking_timeout=5)
    await run.record(lock.release)
    async with awaiting.entered(client.lock("lock", timeout=10)) as held:
        waiting = client.lock("lock", blocking_timeout=0.02, sleep=0.01)
        await run.record(_enter, waiting)
        await run.record(held.owned)


async def _enter(lock: Any) -> None:
    async with awaiting.entered(lock):
        raise AssertionError("somebody else holds the lock")
