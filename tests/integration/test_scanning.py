"""Cursors: ``scan_iter`` and its relatives, of every kind of client."""

from __future__ import annotations

from tests.integration.contract import Run, call, contract
from tests.integration.kinds import WRITING


@contract(WRITING)
async def test_iterators(run: Run) -> None:
    """Everything is found, by iterators that run their commands while they are consumed."""
    client = run.client
    await run.record_each(
        client,
        call("mset", {f"{{i}}{number}": number for number in range(50)}),
        call("hset", "{i}hash", mapping={str(number): number for number in range(600)}),
        call("sadd", "{i}set", *[f"member-{number}" for number in range(200)]),
        call("zadd", "{i}zset", {f"member-{number}": number for number in range(200)}),
    )
    await run.collect(client.scan_iter(match="{i}*", count=10), sort=True)
    await run.collect(client.scan_iter(_type="zset"), sort=True)
    await run.collect(client.scan_iter(match="missing*"))
    await run.collect(client.hscan_iter("{i}hash", count=100), sort=True)
    await run.collect(client.hscan_iter("{i}missing"))
    await run.collect(client.sscan_iter("{i}set", count=50), sort=True)
    await run.collect(client.zscan_iter("{i}zset", count=50), sort=True)
    await run.collect(client.zscan_iter("{i}zset", match="member-1*"), sort=True)


@contract(WRITING)
async def test_wrong_type(run: Run) -> None:
    """An error in the midst of an iteration is raised where it is consumed."""
    await run.record(run.client.set, "{i}string", "x")

    async def consume() -> None:
        await run.collect(run.client.hscan_iter("{i}string"))

    await run.record(consume)


@contract(WRITING)
async def test_abandoned(run: Run) -> None:
    """An iterator that is dropped in the midst keeps no connection."""
    await run.record(run.client.mset, {f"{{i}}{number}": number for number in range(50)})
    iterator = run.client.scan_iter(count=5)
    if run.kind.is_async:
        await anext(iterator)
        await iterator.aclose()
    else:
        next(iterator)
    del iterator
