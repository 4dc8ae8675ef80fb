"""One way of writing for sync and async clients: scenarios are coroutines that await either.

Around a sync client nothing in a scenario ever suspends, so it runs to its end without a loop.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

__all__ = ["collect", "entered", "gathered", "pause", "run", "settle", "until"]

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result], *, is_async: bool) -> Result:
    """Run a scenario to its end: in an event loop of its own, or without one."""
    if is_async:
        return asyncio.run(coroutine)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    coroutine.close()
    raise AssertionError("a scenario around a sync client awaited something")


async def settle(value: Any) -> Any:
    """The value, or what it gives where it is a coroutine or a future.

    Clients and pipelines of redis.asyncio can be awaited too; they are left as they are.
    """
    if inspect.iscoroutine(value) or asyncio.isfuture(value):
        return await value
    return value


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter a context manager by the protocol that it has."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def collect(iterable: Any) -> list[Any]:
    """The elements of an iterable of either kind."""
    if hasattr(iterable, "__aiter__"):
        return [element async for element in iterable]
    return list(iterable)


async def pause(seconds: float, *, is_async: bool) -> None:
    """Wait."""
    if is_async:
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)


async def until(condition: Any, *, is_async: bool, within: float = 5.0) -> Any:
    """Poll until the condition, a function, gives something true; give that."""
    deadline = time.monotonic() + within
    while True:
        result = await settle(condition())
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} gave nothing true within {within} s")
        await pause(0.005, is_async=is_async)


def gathered(values: list[Any]) -> Any:
    """Await several coroutines together."""
    return asyncio.gather(*values)
