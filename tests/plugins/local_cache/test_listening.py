"""The connection for invalidations when it is slow, broken, or not the right one to listen at."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import warnings

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Cluster, SentinelDeployment, Server, standalone
from redis_middleware.redispy.dedicated import DedicatedConnection
from redis_middleware.redispy.steps import drive_async


class _SlowWay:
    """Passes connections on to a server; what that says may come late.

    Attributes:
        delay: seconds.
    """

    def __init__(self, to: int) -> None:
        self.delay = 0.0
        self._to = to
        self._told: list[asyncio.StreamWriter] = []

    async def pass_on(self, asking: asyncio.StreamReader, told: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        answering, asked = await asyncio.open_connection("127.0.0.1", self._to)
        self._told.append(told)
        loop = asyncio.get_running_loop()

        async def ask() -> None:
            while data := await asking.read(65536):
                asked.write(data)
            asked.close()

        asks = loop.create_task(ask())
        while data := await answering.read(65536):
            loop.call_later(self.delay, told.write, data)
        told.close()
        await asks

    def reset(self) -> None:
        """Break all connections, as a crash of the server's machine does."""
        for told in self._told:
            at_once = struct.pack("ii", 1, 0)
            told.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            told.transport.abort()


async def test_messages_that_lag_behind(clean_standalone: Server) -> None:
    """Messages that keep coming, and come late, do not keep the cache on: it would be as late."""
    way = _SlowWay(clean_standalone.port)
    relay = await asyncio.start_server(way.pass_on, "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    async with (
        relay,
        redis.asyncio.Redis(port=clean_standalone.port) as other,
        cached(redis.asyncio.Redis(port=port), check_every=0.1) as client,
    ):
        await client.ping()
        await wait_until_async(is_on(client), "on")
        for _ in range(400):
            way.delay = min(way.delay + 0.01, 1.0)
            await other.set("another", "x")
            if cache_of(client).statistics().losses:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("nobody noticed that messages come late")
        assert not is_on(client)()


async def test_connection_that_was_reset(clean_standalone: Server) -> None:
    """Hits look whether a message waits, also while the event loop closes a broken socket."""
    way = _SlowWay(clean_standalone.port)
    relay = await asyncio.start_server(way.pass_on, "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    async with relay, redis.asyncio.Redis(port=port) as client:
        connection = DedicatedConnection(middleware_of(wrap(client, {})).client)
        await drive_async(connection.open())
        assert not connection.has_pending()
        way.reset()
        for _ in range(20):
            await asyncio.sleep(0)
            connection.has_pending()
        assert connection.has_pending(), "that it is lost is still to be received"
        connection.close()


async def test_closing_leaves_nothing_open(clean_standalone: Server) -> None:
    """Neither Python nor redis-py finds a connection that nobody closed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with cached(redis.asyncio.Redis(port=clean_standalone.port)) as client:
            await client.ping()
            await wait_until_async(is_on(client), "on")
        del client
        gc.collect()
    assert [str(each.message) for each in caught if each.category is ResourceWarning] == []


@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
@pytest.mark.parametrize("falls_back", [False, True], ids=["strict", "falls back"])
def test_replicas_that_sentinel_chooses(
    clean_sentinel: SentinelDeployment, mode: str, falls_back: bool
) -> None:
    """Each connection may go to another replica, and nobody listens at all of them."""
    replicas = Sentinel(clean_sentinel.addresses).slave_for(clean_sentinel.service_name)
    with cached(replicas, invalidation=mode, fall_back_to_ttl=falls_back) as client:
        cache = cache_of(client)
        wait_until(lambda: cache.state == ("on" if falls_back else "refused"), "refused")
        assert "replica" in cache.statistics().reason
        client.get("k")
        client.get("k")
        assert cache.statistics().hits == falls_back


async def test_a_cluster_whose_nodes_are_not_known_yet(
    clean_cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A client of redis.asyncio finds them with its first command: nothing is lost till then."""
    server = clean_cluster.nodes[0]
    client = cached(redis.asyncio.RedisCluster(server.host, server.port))
    await asyncio.sleep(0.2)
    assert cache_of(client).state == "connecting"
    await client.set("key", 1)
    await wait_until_async(is_on(client), "on")
    await client.aclose()
    assert not caplog.records


def test_one_loss_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """That the connection was closed, and that none can be made then, is one thing."""
    with standalone() as server:
        client = cached(redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)))
        client.get("key")
        wait_until(is_on(client), "on")
        server.kill()
        cache = cache_of(client)
        wait_until(lambda: "refused" in cache.statistics().reason, "tried again")
    client.close()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert messages[0].startswith("local_cache is off (lost): ")
