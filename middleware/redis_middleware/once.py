"""Sharing one send among concurrent callers, threads and tasks alike."""

from __future__ import annotations

import copy
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Any

__all__ = ["Lead", "LeaderInterruptedError", "OnceRegistry", "fresh_copy"]


class LeaderInterruptedError(Exception):
    """The leader was interrupted or cancelled: whoever followed it starts again."""


class Lead(Future[Any]):
    """The reply that a leader will have.

    Attributes:
        followers: how many callers have come to wait for it.
    """

    followers = 0


class OnceRegistry:
    """Which keys have a leader just now, and where its followers wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leads: dict[Hashable, Lead] = {}

    def __len__(self) -> int:
        """How many keys have a leader."""
        return len(self._leads)

    @property
    def followers(self) -> int:
        """How many callers have come to wait for a reply that is not there yet."""
        with self._lock:
            return sum(lead.followers for lead in self._leads.values())

    def join(self, key: Hashable) -> tuple[Lead, bool]:
        """The future of the key's reply, and whether the caller leads (and must end it)."""
        with self._lock:
            lead = self._leads.get(key)
            if lead is not None:
                lead.followers += 1
                return lead, False
            lead = self._leads[key] = Lead()
            # A running future cannot be cancelled by one of those who wait for it.
            lead.set_running_or_notify_cancel()
            return lead, True

    def publish(self, key: Hashable, lead: Lead, outcome: Any) -> None:
        """End a lead with its reply, or with its failure where that is an exception."""
        with self._lock:
            if self._leads.get(key) is lead:
                del self._leads[key]
        if isinstance(outcome, Exception):
            lead.set_exception(outcome)
        else:
            # The leader is free to change its reply while the followers still copy theirs.
            lead.set_result(fresh_copy(outcome) if lead.followers else None)

    def abandon(self, key: Hashable, lead: Lead) -> None:
        """End a lead that was interrupted: its followers start again."""
        self.publish(key, lead, LeaderInterruptedError())

    def forget(self) -> None:
        """Start anew after a fork: the leaders' threads are not in this process."""
        self._lock = threading.Lock()
        self._leads = {}


def fresh_copy(reply: Any) -> Any:
    """A reply that shares no container with the given one.

    Strings, numbers and other values that cannot be changed are not copied; what cannot be copied
    is shared.
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
    try:
        return copy.deepcopy(reply)
    except Exception:
        # Its class may refuse with any error.
        return reply


_UNCHANGEABLE = frozenset({bytes, str, int, float, bool, type(None), complex, frozenset})
