"""Tests of one wrapped client, for each kind: written once for sync and async."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.integration import awaiting
from tests.integration.kinds import WRITING, Kind
from tests.integration.servers import Servers

from redis_middleware import wrap

__all__ = ["each_kind", "numbered_commands_work", "only_one", "wrapped"]

_numbers = itertools.count(1)

KindTest = Callable[[Kind, Servers], Awaitable[None]]


def each_kind(
    kinds: Iterable[Kind] | None = None,
) -> Callable[[KindTest], Callable[[Kind, Servers], None]]:
    """Make a test of a coroutine function, for each kind of client.

    Args:
        kinds: the kinds; by default those that can write and differ in more than their transport.
    """
    chosen = WRITING if kinds is None else list(kinds)

    def decorate(scenario: KindTest) -> Callable[[Kind, Servers], None]:
        async def whole(kind: Kind, servers: Servers) -> None:
            await scenario(kind, servers)

        def test(kind: Kind, servers: Servers) -> None:
            awaiting.run(whole(kind, servers), is_async=kind.is_async)

        test.__name__ = scenario.__name__
        test.__doc__ = scenario.__doc__
        test.__module__ = scenario.__module__
        marked: Callable[[Kind, Servers], None] = pytest.mark.parametrize(
            "kind", chosen, ids=[str(kind) for kind in chosen]
        )(test)
        return marked

    return decorate


@asynccontextmanager
async def wrapped(
    kind: Kind, servers: Servers, plugins: Sequence[object], **options: Any
) -> AsyncIterator[Any]:
    """A wrapped client on a server without keys; all its connections are closed after the block.

    Args:
        kind: the kind of client.
        servers: the run's servers.
        plugins: what it is wrapped with, outermost first.
        options: of redis-py's.
    """
    control = kind.control(servers)
    if not kind.is_fake:
        options.setdefault("client_name", f"wrapped-{next(_numbers)}")
    client = wrap(kind.make(servers, **options), {}, plugins=plugins)
    if kind.is_async and kind.is_cluster:
        await client.initialize()
    control.clear()
    try:
        yield client
    finally:
        await awaiting.settle(client.aclose() if kind.is_async else client.close())
        if not kind.is_cluster:
            await awaiting.settle(client.connection_pool.disconnect())


def only_one(kind: Kind) -> dict[str, int]:
    """Options for one connection (to each node): one that is not given back is missed at once."""
    return {"max_connections": 2 if kind.is_single else 1}


async def numbered_commands_work(client: Any, commands: int = 100) -> None:
    """Send numbered commands one after the other: each must get its own reply."""
    for number in range(commands):
        key = f"numbered-{number}"
        await awaiting.settle(client.set(key, number))
        assert int(await awaiting.settle(client.get(key))) == number
