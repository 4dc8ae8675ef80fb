"""Calls that are cancelled on their way leave nothing behind that another call could read."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.plugins.slot_routing.routed import routed_async

from redis_middleware.embedded import Cluster

pytestmark = pytest.mark.server

_KEYS = [f"key:{number}" for number in range(200)]
_TASKS = 8
_CALLS = 150


async def _call(client: Any, dice: random.Random) -> tuple[list[str], list[Any]]:
    """Read some keys, one way or the other; each holds its own name."""
    keys = dice.sample(_KEYS, 10)
    kind = dice.randrange(4)
    if kind == 0:
        return keys[:1], [await client.get(keys[0])]
    if kind == 1:
        return keys, await client.mget(keys)
    if kind == 2:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
        return keys, await pipe.execute()
    pipe = client.pipeline(transaction=True)
    pipe.get(keys[0])
    return keys[:1], await pipe.execute()


async def test_cancelled_calls(clean_cluster: Cluster) -> None:
    """Tasks cancel calls after no time at all, some time and never; replies are always right."""
    cancelled = completed = 0

    async def work(client: Any, seed: int) -> None:
        nonlocal cancelled, completed
        dice = random.Random(seed)
        for _ in range(_CALLS):
            patience = dice.choice([0.0, dice.random() * 0.005, 10.0])
            try:
                keys, replies = await asyncio.wait_for(_call(client, dice), patience)
            except TimeoutError:
                cancelled += 1
            else:
                completed += 1
                assert replies == [key.encode() for key in keys]

    async with routed_async(clean_cluster) as client:
        await client.mset({key: key for key in _KEYS})
        await asyncio.gather(*[work(client, seed) for seed in range(_TASKS)])
        assert await client.mget(_KEYS) == [key.encode() for key in _KEYS]
    assert cancelled > 100
    assert completed > 100
