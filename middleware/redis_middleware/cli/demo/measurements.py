"""How many operations there were, and how long they took."""

from __future__ import annotations

import math
import threading
from collections import Counter
from typing import Final

__all__ = ["Measurements", "Timings"]

_STEPS: Final = 50
"""Durations are kept in buckets, so many to a factor of e: each is right to one percent."""


class Timings:
    """The durations of one kind of operation.

    Attributes:
        count: how many there were, failures included.
        longest: the longest, in seconds.
        errors: how many failed, by type of exception.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self.errors: Counter[str] = Counter()
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count an operation."""
        self.count += 1
        self.longest = max(self.longest, seconds)
        self._buckets[round(math.log(seconds) * _STEPS)] += 1

    def percentile(self, share: float) -> float:
        """The duration, in seconds, that this share of the operations did not exceed."""
        wanted = share * self.count
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(math.exp(bucket / _STEPS), self.longest)
        return 0.0


class Measurements:
    """The timings of every kind of operation; threads add to it."""

    def __init__(self) -> None:
        self._timings: dict[str, Timings] = {}
        self._lock = threading.Lock()

    def add(self, operation: str, seconds: float, error: Exception | None = None) -> None:
        """Count an operation that took so many seconds, more than 0."""
        with self._lock:
            timings = self._timings.setdefault(operation, Timings())
            timings.add(seconds)
            if error is not None:
                timings.errors[type(error).__name__] += 1

    def of(self, operation: str) -> Timings:
        """The timings of one kind of operation."""
        with self._lock:
            return self._timings.get(operation) or Timings()

    @property
    def count(self) -> int:
        """How many operations there were of all kinds."""
        with self._lock:
            return sum(timings.count for timings in self._timings.values())
