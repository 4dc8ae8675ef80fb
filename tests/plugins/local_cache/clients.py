"""Wrapped clients with the plugin, and what tests wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from redis_middleware import middleware_of, wrap
from redis_middleware_plugins.local_cache import LocalCache

WITHIN = 10.0
"""Seconds within which what must happen has happened, also on a busy machine."""


def cached(
    client: Any, rules: Any = "*", *, plugins: list[Any] | None = None, **settings: Any
) -> Any:
    """The client, wrapped; ``rules`` is a pattern, or a list of tables."""
    tables = [{"keys": rules}] if isinstance(rules, str) else rules
    table = {"rules": tables, **settings}
    return wrap(client, {"local_cache": table}, plugins=plugins or [LocalCache])


def cache_of(client: Any) -> LocalCache:
    """The plugin of a wrapped client."""
    plugin: LocalCache = middleware_of(client).plugins["local_cache"]
    return plugin


def wait_until(holds: Callable[[], object], what: str = "") -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it does not within the time.
    """
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN} s: {what}"
        time.sleep(0.005)


async def wait_until_async(holds: Callable[[], object], what: str = "") -> None:
    """Wait in an event loop until it holds."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN} s: {what}"
        await asyncio.sleep(0.005)


def is_on(client: Any) -> Callable[[], bool]:
    """Tells whether the client's cache is on."""
    plugin = cache_of(client)
    return lambda: plugin.state == "on" and plugin.store.is_open
