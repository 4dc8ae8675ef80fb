"""Commands that wait, and time-outs of the socket."""

from __future__ import annotations

from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.integration.contract import Run, contract
from tests.integration.kinds import ESSENTIAL


@contract(ESSENTIAL)
async def test_waiting(run: Run) -> None:
    """A command that waits gets what another client writes meanwhile, or nothing."""
    client = run.client
    await run.record(client.blpop, ["{b}list"], 0.01)
    other = run.servers_client()
    run.later(0.03, lambda: other.rpush("{b}list", "x"))
    await run.record(client.blpop, ["{b}missing", "{b}list"], 5)
    run.later(0.03, lambda: other.xadd("{b}stream", {"a": 1}, id="1-1"))
    await run.record(client.xread, {"{b}stream": 0}, block=5000)
    run.later(0.03, lambda: other.zadd("{b}zset", {"a": 1}))
    await run.record(client.bzpopmin, "{b}zset", 5)
    await run.record(client.bzpopmin, "{b}zset", 0.01)


@contract(ESSENTIAL, counts=False, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
async def test_socket_timeout(run: Run) -> None:
    """A reply that comes too late is a time-out, and never the reply to another command."""
    client = run.client
    await run.record(client.set, "{b}1", "value")
    await run.record(client.blpop, ["{b}list"], 0.4)
    await run.record(client.get, "{b}1")
    await run.record(client.rpush, "{b}list", "x")
    await run.record(client.lrange, "{b}list", 0, -1)
