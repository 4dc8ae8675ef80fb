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


def check(client: Any, other: Any) -> None:
    """Hits, own writes seen at once, and those of the other client soon, in pipelines too."""
    wait_until(is_on(client), "on")
    counts = cache_of(client).statistics().rules["*"]
    other.set("{k}1", "first")
    wait_until(lambda: client.get("{k}1") == b"first" and counts.hits, "a hit")
    client.set("{k}1", "mine")
    assert client.get("{k}1") == b"mine"
    other.set("{k}1", "theirs")
    wait_until(lambda: client.get("{k}1") == b"theirs", "the write of another client is seen")
    other.rpush("{k}list", 1, 2)
    wait_until(lambda: client.lrange("{k}list", 0, -1) == [b"1", b"2"], "the list is there")
    client.mget("{k}1", "{k}2")
    pipe = client.pipeline(transaction=False)
    pipe.get("{k}1")
    pipe.set("{k}1", "in a pipeline")
    pipe.get("{k}1")
    replies = pipe.execute()
    assert [replies[0], replies[2]] == [b"theirs", b"in a pipeline"]
    assert client.eval("return redis.call('SET', KEYS[1], 'scripted')", 1, "{k}1") == b"OK"
    assert client.get("{k}1") == b"scripted"


async def check_async(client: Any, other: Any) -> None:
    """The same for asyncio clients."""
    await client.ping()
    await wait_until_async(is_on(client), "on")
    counts = cache_of(client).statistics().rules["*"]
    await other.set("{k}1", "first")
    await _read_until(client, b"first")
    while not counts.hits:
        assert await client.get("{k}1") == b"first"
    await client.set("{k}1", "mine")
    assert await client.get("{k}1") == b"mine"
    await other.set("{k}1", "theirs")
    await _read_until(client, b"theirs")
    pipe = client.pipeline(transaction=False)
    pipe.get("{k}1")
    pipe.set("{k}1", "in a pipeline")
    pipe.get("{k}1")
    replies = await pipe.execute()
    assert [replies[0], replies[2]] == [b"theirs", b"in a pipeline"]
    await client.eval("return redis.call('SET', KEYS[1], 'scripted')", 1, "{k}1")
    assert await client.get("{k}1") == b"scripted"


async def _read_until(client: Any, value: bytes) -> None:
    deadline = time.monotonic() + WITHIN
    while await client.get("{k}1") != value:
        assert time.monotonic() < deadline, f"{value!r} is not read"
