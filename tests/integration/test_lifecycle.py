"""The life of a client: further clients, closing, using again, blocks, monitors."""

from __future__ import annotations

from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, contract
from tests.integration.kinds import MAIN, kinds

REAL = [kind for kind in MAIN if not kind.is_fake]
PLAIN = [kind for kind in REAL if not kind.is_cluster]


@contract(kinds(lambda kind: not kind.is_cluster or kind.is_async))
async def test_closed_and_used_again(run: Run) -> None:
    """A closed client connects again when it is used; closing twice is no error.

    A closed cluster client of the sync kind finds its nodes again at times only.
    """
    client = run.client
    for _ in range(2):
        await run.record(client.get, "{l}1")
        await run.close(client)
        await run.close(client)
    await run.record(client.get, "{l}1")
    pipe = client.pipeline(transaction=False)
    pipe.get("{l}1")
    await run.close(client)
    await run.record(pipe.execute)


@contract(REAL)
async def test_block(run: Run) -> None:
    """``with client:`` gives the client itself, and closes its connections."""
    name = f"{run.name}-block"
    made = run.make(client_name=name)
    async with awaiting.entered(made) as client:
        run.note(client is made)
        await run.record(client.get, "{l}1")
        assert run.control.connections(name)
    run.control.wait_for_connections(name, 0)


@contract(PLAIN)
async def test_client_of_one_connection(run: Run) -> None:
    """``client()`` makes a client of the same pool that keeps to one connection."""
    if run.kind.deployment == "replica":
        return
    single = run.client.client()
    run.note(type(single).__name__)
    await run.record(single.set, "{l}1", 1)
    first = await awaiting.settle(single.client_id())
    second = await awaiting.settle(single.client_id())
    run.note(first == second)
    pipe = single.pipeline()
    pipe.get("{l}1")
    await run.record(pipe.execute)
    deeper = single.client()
    await run.record(deeper.get, "{l}1")
    await run.close(deeper)
    await run.close(single)


@contract(PLAIN, counts=False)
async def test_monitor(run: Run) -> None:
    """A monitor sees what others send."""
    other = run.make()
    async with awaiting.entered(run.client.monitor()) as monitor:
        await awaiting.settle(other.execute_command("ECHO", "marker"))
        run.note(await awaiting.settle(_command(monitor)))
    await run.close(other)


async def _command(monitor: Any) -> Any:
    while True:
        seen = await awaiting.settle(monitor.next_command())
        if "marker" in seen["command"]:
            return seen["command"]


@contract(kinds(lambda kind: kind.is_cluster and kind.is_async), counts=False)
async def test_initialized_by_the_first_command(run: Run) -> None:
    """A cluster client of redis.asyncio finds its nodes with its first command."""
    for use in ("command", "pipeline", "several"):
        client = run.make()
        if use == "command":
            await run.record(client.set, "a", 1)
        elif use == "pipeline":
            await run.record(client.pipeline().get("a").execute)
        else:
            run.note(await awaiting.gathered([client.get("a") for _ in range(5)]))
        await run.close(client)
