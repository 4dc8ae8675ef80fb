"""Redis modules: ``json()``, ``ft()``, ``ts()`` and others, and their pipelines.

The servers of the tests have no modules: their errors show that the commands arrived.
"""

from __future__ import annotations

from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, call, contract
from tests.integration.kinds import MAIN, WRITING, kinds

REAL = [kind for kind in WRITING if not kind.is_fake]


@contract(MAIN)
async def test_json(run: Run) -> None:
    """JSON documents: written, read, and errors where the server does not know them."""
    await run.record_each(
        run.client.json(),
        call("set", "doc", "$", {"a": [1, 2], "b": None}),
        call("get", "doc"),
        call("get", "doc", "$.a", "$.b"),
        call("arrappend", "doc", "$.a", 3),
        call("numincrby", "doc", "$.a[0]", 1),
        call("mget", ["doc"], "$.a"),
        call("delete", "doc", "$.b"),
        call("get", "missing"),
    )


@contract(WRITING)
async def test_other_modules(run: Run) -> None:
    """Searches, time series, filters, sketches and vector sets."""
    client = run.client
    await run.record_each(client.ts(), call("create", "t"), call("add", "t", 1, 2.5))
    await run.record_each(client.ts(), call("get", "t"), call("range", "t", 0, 10))
    await run.record_each(client.ft("index"), call("info"), call("search", "query"))
    await run.record_each(client.bf(), call("add", "filter", "x"), call("exists", "filter", "x"))
    await run.record_each(client.cf(), call("add", "filter", "x"))
    await run.record_each(client.cms(), call("initbydim", "sketch", 10, 5))
    await run.record_each(client.topk(), call("reserve", "top", 3, 10, 3, 0.9))
    await run.record_each(client.tdigest(), call("create", "digest"))
    if hasattr(client, "vset"):
        vectors = client.vset()
        await run.record_each(vectors, call("vadd", "v", [1.0, 2.0], "x"), call("vcard", "v"))


@contract(REAL)
async def test_pipelines_of_modules(run: Run) -> None:
    """The pipelines of a module's commands: their errors, and those they are mixed with."""
    # redis.asyncio gives sync pipelines for the others, which fail.
    for module in ("ft",) if run.kind.is_async else ("json", "ts", "ft"):
        for options in ({"transaction": False}, {"transaction": True}, {}):
            await run.record(made(run.client, module), options)
            pipe = await run.record(made(run.client, module), options, keep=True)
            if isinstance(pipe, Exception):
                continue
            await run.record(queued(pipe, module))
            await run.record(pipe.execute, raise_on_error=False)
            await run.record(queued(pipe, module))
            await run.record(pipe.execute)
            await awaiting.settle(pipe.reset())


def made(client: Any, module: str) -> Any:
    """What makes a pipeline of a module, or fails to: cluster clients cannot make all of them."""

    def make(options: dict[str, Any], keep: bool = False) -> Any:
        pipe = getattr(client, module)().pipeline(**options)
        return pipe if keep else type(pipe).__name__

    return make


def queued(pipe: Any, module: str) -> Any:
    """What queues commands of the module's and of its client's in a pipeline."""

    async def queue() -> int:
        # Some are coroutines in redis.asyncio, which queue when they are awaited.
        if module == "json":
            await awaiting.settle(pipe.set("doc", "$", {"a": 1}))
            await awaiting.settle(pipe.get("doc"))
        elif module == "ts":
            await awaiting.settle(pipe.add("t", 1, 2.5))
            await awaiting.settle(pipe.get("t"))
        else:
            await awaiting.settle(pipe.add_document("1", title="x"))
            await awaiting.settle(pipe.execute_command("FT.INFO", "index"))
        return len(pipe)

    return queue


@contract(kinds(lambda kind: kind.is_fake or kind.deployment == "replica"))
async def test_elsewhere(run: Run) -> None:
    """The same where there is no server, or one that may not be written to."""
    await run.record_each(run.client.ts(), call("add", "t", 1, 2.5), call("get", "t"))
    await run.record_each(run.client.ft("index"), call("search", "query"))
