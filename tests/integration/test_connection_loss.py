"""Lost connections and exhausted pools: what the application sees, and how it goes on."""

from __future__ import annotations

import threading
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.integration import awaiting
from tests.integration.contract import Run, contract
from tests.integration.each_kind import each_kind, numbered_commands_work, wrapped
from tests.integration.kinds import ESSENTIAL, MAIN, WRITING, Kind
from tests.integration.servers import Servers

from redis_middleware import Command, Flow, hookimpl

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
    # Other keys each time: what was read before may be answered without a connection.
    await run.record(run.client.get, "{k}1")
    run.control.kill_connections(run.name)
    await run.record(run.client.get, "{k}2")
    run.control.kill_connections(run.name)
    pipe = run.client.pipeline(transaction=False)
    pipe.get("{k}3").get("{k}4")
    await run.record(pipe.execute)


@contract(REAL, counts=False, retry=once())
async def test_killed_without_retries(run: Run) -> None:
    """Without retries the loss is raised, and the next command connects anew."""
    for number in range(2):
        await run.record(run.client.get, f"{{k}}{number}")
        run.control.kill_connections(run.name)
        # Another key: what was read before may be answered without a connection.
        await run.record(run.client.get, f"{{k}}after {number}")
    await run.record(run.client.get, "{k}0")


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


class Reconnecting:
    """Sends once more what was lost with a connection.

    Attributes:
        losses: how often that was.
    """

    name = "reconnecting"

    def __init__(self) -> None:
        self.losses = 0

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """A retry is another ``yield``."""
        try:
            return (yield command)
        except redis.ConnectionError:
            self.losses += 1
            return (yield command)


@each_kind(WRITABLE)
async def test_plugin_that_tries_again(kind: Kind, servers: Servers) -> None:
    """A plugin sees the loss, and its second send goes over a new connection; pipelines too."""
    plugin = Reconnecting()
    name = f"lost-{kind}".replace(" ", "-")
    options = {"client_name": name, "retry": once()}
    async with wrapped(kind, servers, [plugin], **options) as client:
        await awaiting.settle(client.set("{k}1", 1))

        def pipeline() -> Any:
            pipe = client.pipeline(transaction=False)
            pipe.blpop(["{k}list"], 5).get("{k}1")
            return pipe.execute()

        for block, flows in ((lambda: client.blpop(["{k}list"], 5), 1), (pipeline, 2)):
            plugin.losses = 0
            timer = threading.Timer(0.05, lose_and_push, [kind, servers, name])
            timer.start()
            reply = await awaiting.settle(block())
            assert "x" in str(reply)
            timer.join()
            # A cluster client may find another way by itself.
            assert plugin.losses == flows or kind.is_cluster
        await numbered_commands_work(client, 20)


def lose_and_push(kind: Kind, servers: Servers, name: str) -> None:
    """Kill the client's connections; once it has new ones, end its waiting."""
    control = kind.control(servers)
    control.kill_connections(name)
    control.wait_until(lambda: control.blocked() > 0, "the command is sent again")
    pusher = servers.cluster_client if kind.is_cluster else control.nodes[0]
    pusher.rpush("{k}list", "x")
