"""The connection for invalidations when it is slow, broken, or not the right one to listen at."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
import redis.asyncio
from redis.sentinel import Sentinel
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware import middleware_of
from redis_middleware.embedded import SentinelDeployment, Server
from redis_middleware.redispy.dedicated import DedicatedConnection


class _SlowWay:
    """Passes connections on to a server; what that says may come late.

    Attributes:
        port: where it listens.
        delay: seconds.
    """

    def __init__(self, to: int, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        self.delay = 0.0
        self._to = to
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._to))
            for way in ((ours, theirs, False), (theirs, ours, True)):
                threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(self, source: socket.socket, to: socket.socket, is_slow: bool) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(self.delay if is_slow else 0)
                to.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, to):
                end.close()


@contextmanager
def _slow_way(to: int) -> Iterator[_SlowWay]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield _SlowWay(to, listener)
        listener.shutdown(socket.SHUT_RDWR)


def test_messages_that_lag_behind(clean_standalone: Server) -> None:
    """Messages that keep coming, and come late, do not keep the cache on: it would be as late."""
    other = redis.Redis(port=clean_standalone.port)
    with (
        _slow_way(clean_standalone.port) as way,
        cached(redis.Redis(port=way.port), check_every=0.1) as client,
    ):
        wait_until(is_on(client), "on")
        way.delay = 0.6

        def is_noticed() -> bool:
            other.set("another", "x")
            return cache_of(client).statistics().losses > 0

        wait_until(is_noticed, "noticed that messages come late")
        way.delay = 0
    other.close()


async def test_hit_right_after_the_connection_broke(clean_standalone: Server) -> None:
    """A socket that the event loop has just closed is no hindrance for a command."""
    async with cached(redis.asyncio.Redis(port=clean_standalone.port)) as client:
        await client.set("k", "v")
        await wait_until_async(is_on(client), "on")
        connection = DedicatedConnection(middleware_of(client).client)
        await connection.open_async()
        assert not connection.has_pending()
        connection.close()
        for _ in range(3):
            await asyncio.sleep(0)
            assert isinstance(connection.has_pending(), bool)
        assert connection.has_pending(), "what is closed has its end to tell"


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
