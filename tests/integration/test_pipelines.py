"""Pipelines that are not transactions, of every kind of client."""

from __future__ import annotations

from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, call, contract
from tests.integration.kinds import KINDS, WRITING


def queue(pipe: Any, *calls: Any) -> None:
    """Call methods of a pipeline, which only queue."""
    for method, args, kwargs in calls:
        getattr(pipe, method)(*args, **kwargs)


MIXED = (
    call("set", "a", 1),
    call("incr", "a"),
    call("get", "missing"),
    call("hset", "h", mapping={"x": 1}),
    call("hgetall", "h"),
    call("zadd", "z", {"m": 1.5}),
    call("zrange", "z", 0, -1, withscores=True),
    call("sadd", "s", "x"),
    call("smembers", "s"),
    call("set", "text", "äöü"),
    call("get", "text"),
)
FAILING = (
    call("set", "a", "text"),
    call("incr", "a"),
    call("lpush", "a", "x"),
    call("get", "a"),
)


@contract(KINDS)
async def test_replies(run: Run) -> None:
    """The replies of a pipeline, in order, and the keys it wrote."""
    pipe = run.client.pipeline(transaction=False)
    queue(pipe, *MIXED)
    run.note(len(pipe))
    await run.record(pipe.execute)
    run.note(len(pipe))


@contract()
async def test_first_error_is_raised(run: Run) -> None:
    """The first error as a reply is raised, and says which command of the pipeline it was."""
    pipe = run.client.pipeline(transaction=False)
    queue(pipe, *FAILING)
    await run.record(pipe.execute)
    await run.record(run.client.get, "a")


@contract()
async def test_errors_among_replies(run: Run) -> None:
    """Without ``raise_on_error`` the errors are among the replies."""
    pipe = run.client.pipeline(transaction=False)
    queue(pipe, *FAILING)
    await run.record(pipe.execute, raise_on_error=False)
    queue(pipe, *FAILING)
    await run.record(pipe.execute, False)


@contract(WRITING)
async def test_use_again(run: Run) -> None:
    """A pipeline is empty, and can be used again, after execute, an error and reset."""
    pipe = run.client.pipeline(transaction=False)
    for calls in (MIXED, FAILING, MIXED):
        queue(pipe, *calls)
        await run.record(pipe.execute)
        run.note(len(pipe))
    queue(pipe, *MIXED)
    await awaiting.settle(pipe.reset())
    run.note(len(pipe))
    await run.record(pipe.execute)
    queue(pipe, call("get", "a"))
    await run.record(pipe.execute)


@contract(WRITING)
async def test_context_manager(run: Run) -> None:
    """Leaving the block drops what was queued; the commands can be chained."""
    async with awaiting.entered(run.client.pipeline(transaction=False)) as pipe:
        pipe.set("a", 1).incr("a").get("a")
        await run.record(pipe.execute)
        pipe.set("dropped", 1)
    run.note(len(pipe))
    run.note(bool(pipe))
    async with awaiting.entered(run.client.pipeline(transaction=False)) as pipe:
        await run.record(pipe.execute)


@contract(WRITING)
async def test_commands_of_all_sorts(run: Run) -> None:
    """Commands without keys, of two words, unknown ones, with names in lower case and in bytes."""
    client = run.client
    for calls in (
        [call("echo", "x")],
        [call("ping")],
        [call("config_get", "maxmemory")],
        [call("execute_command", "CONFIG", "GET", "maxmemory"), call("get", "a")],
        [call("execute_command", "get", "a")],
        [call("execute_command", "NO.SUCH", "a"), call("get", "a")],
        [call("execute_command", "GET"), call("get", "a")],
        [call("set", "a", object())],
        [call("set", "a", None), call("get", "a")],
        [call("mset", {"{m}a": 1, "{m}b": 2}), call("mget", "{m}a", "{m}b")],
        [call("mset", {"a": 1, "b": 2})],
        [call("delete", "a", "b")],
        [call("delete", "a"), call("exists", "a")],
        [call("eval", "return 1", 0)],
        [call("dbsize")],
        [call("keys", "*")],
        [call("info")],
        [call("client_id")],
    ):
        pipe = client.pipeline(transaction=False)
        for method, args, kwargs in calls:
            await run.record(_queue_only(pipe, method), *args, **kwargs)
        if calls[0].method in ("info", "client_id"):
            await awaiting.settle(pipe.execute(raise_on_error=False))
        else:
            await run.record(pipe.execute, raise_on_error=False)


def _queue_only(pipe: Any, method: str) -> Any:
    def queue_only(*args: Any, **kwargs: Any) -> str:
        queued = getattr(pipe, method)(*args, **kwargs)
        if hasattr(queued, "close"):
            # Of redis.asyncio's cluster some methods are coroutines that are refused.
            queued.close() if not hasattr(queued, "execute") else None
        return type(queued).__name__

    return queue_only


@contract(WRITING)
async def test_large(run: Run) -> None:
    """A thousand commands, each reply where it belongs."""
    pipe = run.client.pipeline(transaction=False)
    for number in range(500):
        pipe.set(f"key-{number}", number)
        pipe.get(f"key-{number}")
    replies = await awaiting.settle(pipe.execute())
    assert [int(reply) for reply in replies[1::2]] == list(range(500))
    assert replies[::2] == [True] * 500


@contract(WRITING)
async def test_response_callbacks(run: Run) -> None:
    """The application's own response callbacks and options of redis-py's are applied."""
    run.client.set_response_callback("GET", lambda reply, **options: (reply, sorted(options)))
    await run.record(run.client.set, "a", 1)
    await run.record(run.client.get, "a")
    pipe = run.client.pipeline(transaction=False)
    queue(
        pipe,
        call("get", "a"),
        call("zadd", "z", {"m": 1.5}),
        call("zrange", "z", 0, -1, withscores=True, score_cast_func=str),
        call("hset", "h", "a", 1),
    )
    await run.record(pipe.execute)
