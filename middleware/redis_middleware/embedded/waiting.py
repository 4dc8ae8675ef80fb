"""Waits for something that servers do among themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from redis import RedisError

from redis_middleware.embedded.errors import ServerStartError
from redis_middleware.embedded.server import Server

__all__ = ["wait_until_nothing_missing"]

_POLL_EVERY = 0.02


def wait_until_nothing_missing(
    missing: Callable[[], str | None], *, timeout: float, servers: Iterable[Server]
) -> None:
    """Call ``missing`` until it returns None.

    Args:
        missing: says what is not there yet; a server's error that it raises says so too.
        timeout: seconds to wait.
        servers: the servers whose logs the error quotes.

    Raises:
        ServerStartError: something is still missing at the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            problem = missing()
        except RedisError as error:
            problem = str(error)
        if problem is None:
            return
        if time.monotonic() > deadline:
            logs = "\n".join(f"{server!r}: {server.quoted_log()}" for server in servers)
            raise ServerStartError(f"after {timeout:g} s: {problem}\n{logs}")
        time.sleep(_POLL_EVERY)
