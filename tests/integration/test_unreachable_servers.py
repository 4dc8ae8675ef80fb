"""Servers that do not answer, are gone, or come back: a server that these tests disturb."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.integration.contract import Run, contract
from tests.integration.kinds import MAIN
from tests.integration.servers import Servers

from redis_middleware.embedded import standalone

STANDALONE = [kind for kind in MAIN if kind.deployment == "standalone"]


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Return servers of which the single one may be disturbed."""
    with standalone() as server:
        own = Servers(request)
        own.standalone = server
        yield own


def once() -> Retry:
    """No second attempt."""
    return Retry(NoBackoff(), 0)


@contract(STANDALONE, counts=False, socket_timeout=0.05, retry=once())
async def test_paused(run: Run) -> None:
    """A server that does not answer is a time-out; late replies are never taken for others."""
    client = run.client
    await run.record(client.set, "a", 1)
    run.servers.standalone.pause()
    try:
        await run.record(client.incr, "a")
        pipe = client.pipeline()
        pipe.incr("a").get("a")
        await run.record(pipe.execute)
        run.note(len(pipe))
    finally:
        run.servers.standalone.resume()
    await run.until(lambda: run.control.nodes[0].ping())
    await run.record(client.set, "a", 5)
    await run.record(client.get, "a")


@contract(STANDALONE, counts=False, retry=once())
async def test_restarted(run: Run) -> None:
    """A server that is gone refuses; when it is back the client goes on by itself."""
    client = run.client
    pipe = client.pipeline()
    await run.record(client.set, "a", 1)
    run.servers.standalone.kill()
    try:
        await run.record(client.get, "a")
        pipe.set("a", 2)
        await run.record(pipe.execute)
        run.note(len(pipe))
        await run.record(pipe.watch, "a")
    finally:
        run.servers.standalone.restart()
    await run.record(client.get, "a")
    await run.record(pipe.execute)
    await run.record(client.get, "a")
