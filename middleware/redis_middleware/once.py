"""Sharing one send among concurrent callers, threads and tasks alike."""

from __future__ import annotations

import copy
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Any

__all__ = ["LeaderInterruptedError", "OnceRegistry", "fresh_copy"]


class LeaderInterruptedError(Exception):
    """The leader was interrupted or cancelled: whoever followed it starts again."""


class OnceRegistry:
    """Which keys have a leader just now, and where its followers wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[Hashable, Future[Any]] = {}

    def join(self, key: Hashable) -> tuple[Future[Any], bool]:
        """The future of the key's reply, and whether the caller leads (and must end it)."""
        with self._lock:
            future = self._futures.get(key)
            if future is not None:
                return future, False
            future = self._futures[key] = Future()
            # A running future cannot be cancelled by one of those who wait for it.
            future.set_running_or_notify_cancel()
            return future, True

    def publish(self, key: Hashable, future: Future[Any], outcome: Any) -> None:
        """End a lead with its reply, or with its failure where that is an exception."""
        with self._lock:
            if self._futures.get(key) is future:
                del self._futures[key]
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def abandon(self, key: Hashable, future: Future[Any]) -> None:
        """End a lead that was interrupted: its followers start again."""
        self.publish(key, future, LeaderInterruptedError())

    def forget(self) -> None:
        """Start anew after a fork: the leaders' threads are not in this process."""
        self._lock = threading.Lock()
        self._futures = {}


def fresh_copy(reply: Any) -> Any:
    """A reply that shares no container with the given one.

    Strings, numbers and other values that cannot be changed are not copied.
    """
    kind = type(reply)
    if kind is list:
        return [fresh_copy(element) for element in reply]
    if kind is dict:
        return {key: fresh_copy(value) for key, value in reply.items()}
    if kind is tuple:
        return tuple([fresh_copy(element) for element in reply])
    if kind is set:
        return set(reply)
    if kind in _UNCHANGEABLE:
        return reply
    return copy.deepcopy(reply)


_UNCHANGEABLE = frozenset({bytes, str, int, float, bool, type(None), complex, frozenset})
