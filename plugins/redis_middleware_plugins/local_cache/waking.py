"""Waking a background flow from the path of a command."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

__all__ = ["Wakeup"]

_LONGEST_WAIT: Final = 0.5
"""Seconds; so soon a thread notices that it is to end."""


class Wakeup:
    """Lets one flow wait until there is something to do; ``set`` may be called from anywhere."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def set(self) -> None:
        """Wake the flow."""
        if self._event.is_set():
            return
        self._event.set()
        if self._waiter is not None:
            loop, event = self._waiter
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def wait(self) -> None:
        """Wait until it is set, or for a moment; then it is not set any more."""
        self._event.wait(_LONGEST_WAIT)
        self._event.clear()

    async def wait_async(self) -> None:
        """Wait until it is set, in an event loop; then it is not set any more."""
        event = asyncio.Event()
        self._waiter = (asyncio.get_running_loop(), event)
        try:
            if not self._event.is_set():
                await event.wait()
        finally:
            self._waiter = None
            self._event.clear()
