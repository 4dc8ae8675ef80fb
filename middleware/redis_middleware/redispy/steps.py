"""Work on connections, written once for sync and async clients.

Generators yield what redis-py's methods gave: an awaitable where the client is async, else the
value itself.
"""

from __future__ import annotations

from collections.abc import Generator
from inspect import GEN_SUSPENDED, getgeneratorstate
from typing import Any

from redis_middleware.flow import Call

__all__ = ["Steps", "call_of", "drive", "drive_async"]

Steps = Generator[Any, Any, Any]
"""Work on connections, for ``drive`` or ``drive_async``."""


def drive(steps: Steps) -> Any:
    """Run steps of a sync client."""
    value = None
    try:
        while True:
            value = steps.send(value)
    except StopIteration as stop:
        return stop.value
    except BaseException as error:
        if getgeneratorstate(steps) == GEN_SUSPENDED:
            # An interrupt, between two steps: they end with it, and give up their connections.
            steps.throw(error)
            while True:
                steps.send(None)
        raise


async def drive_async(steps: Steps) -> Any:
    """Run steps of an async client."""
    try:
        step = steps.send(None)
        while True:
            try:
                value = await step
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        return stop.value


def call_of(steps: Steps) -> Call:
    """What a flow yields to have steps run, once, and be given what they return."""
    return Call(lambda: drive(steps), lambda: drive_async(steps))
