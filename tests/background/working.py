"""A plugin whose background work tells what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from redis_middleware import Flow, Middleware, Sleep, hookimpl

__all__ = ["Worker", "eventually", "workers"]

LIMIT = 10.0
"""Seconds after which a test gives up waiting."""


def eventually(holds: Callable[[], Any]) -> bool:
    """Wait until something holds."""
    deadline = time.monotonic() + LIMIT
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def workers() -> list[threading.Thread]:
    """The threads of background work."""
    return [
        thread for thread in threading.enumerate() if thread.name.startswith("redis-middleware:")
    ]


class Worker:
    """Works in the background, and notes its starts, turns and ends.

    Args:
        work: makes a flow, in place of the plugin's own; called with the plugin.
        name: the plugin's name.
    """

    def __init__(self, work: Callable[[Worker], Flow] | None = None, name: str = "worker") -> None:
        self.name = name
        self.middleware: Middleware
        self.starts = 0
        self.turns = 0
        self.ends = 0
        self.ended_by: list[str] = []
        self._work = work or Worker.turn_around

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Ask for the work."""
        self.middleware = middleware
        middleware.run_in_background(self.work)

    def work(self) -> Flow:
        """The work."""
        self.starts += 1
        try:
            return (yield from self._work(self))
        except BaseException as error:
            self.ended_by.append(type(error).__name__)
            raise
        finally:
            self.ends += 1

    def turn_around(self) -> Flow:
        """Send something every now and then."""
        while True:
            yield self.middleware.client.command("INCR", f"turns:{self.name}")
            self.turns += 1
            yield Sleep(0.01)

    @property
    def runs(self) -> bool:
        """Whether the work is going on, and gets somewhere."""
        turns = self.turns
        return eventually(lambda: self.turns > turns + 1)
