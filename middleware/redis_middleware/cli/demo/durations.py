"""How long requests took, in little room."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final

__all__ = ["Durations"]

_STEPS: Final = 50
"""Durations are kept in buckets, so many to a factor of e: each is right to one percent."""


class Durations:
    """Durations in seconds, more than 0."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._buckets = Counter([round(math.log(each) * _STEPS) for each in seconds])

    def __len__(self) -> int:
        return self._buckets.total()

    def add(self, other: Durations) -> None:
        """Add those of another one."""
        self._buckets.update(other._buckets)

    def percentile(self, share: float) -> float:
        """The duration, in seconds, that this share of them did not exceed; 0 without any."""
        wanted = share * len(self)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return math.exp(bucket / _STEPS)
        return 0.0
