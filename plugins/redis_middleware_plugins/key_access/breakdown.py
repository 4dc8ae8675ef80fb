"""Accesses by group, slot, node and command, from a closer look at some of them.

To tell a key's group and slot takes longer than to count it, so only so many accesses per second
are looked at closely; each stands for those passed over since the last one. With few accesses all
are looked at, and the shares are exact; else their standard error is reported.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis_middleware_plugins.key_access.groups import OVERFLOW

__all__ = ["DIMENSIONS", "Breakdown", "Part", "Parts", "parts_of"]

DIMENSIONS: Final = ("groups", "slots", "nodes", "commands")
"""What accesses are told apart by, in the order in which ``Breakdown.look`` takes them."""


_SLOTS_FACTOR: Final = 16


@dataclass(frozen=True, slots=True)
class Part:
    """One group, slot, node or command.

    Attributes:
        name: its name; ``"overflow"`` for all that there was no room for.
        accesses: how many accesses it had in the window, estimated.
        share: of all accesses, from 0 to 1.
        error: the standard error of the share; 0 where every access was looked at.
    """

    name: str
    accesses: float
    share: float
    error: float


@dataclass(slots=True)
class Parts:
    """Accesses by dimension and name over some time.

    Attributes:
        counts: for each dimension the accesses by name.
        looked_at: how many accesses were looked at.
        total: how many they stand for.
    """

    counts: dict[str, dict[str, float]] = field(
        default_factory=lambda: {dimension: {} for dimension in DIMENSIONS}
    )
    looked_at: int = 0
    total: float = 0.0

    def add(self, other: Parts, most: int, dimensions: Sequence[str] = DIMENSIONS) -> None:
        """Add others, so that there are no more than ``most`` names, 16 times as many slots."""
        for dimension in dimensions:
            counts = other.counts.get(dimension, {})
            mine = self.counts.setdefault(dimension, {})
            for name, count in counts.items():
                count_in(mine, name, count, _limit(dimension, most))
        self.looked_at += other.looked_at
        self.total += other.total


def _limit(dimension: str, most: int) -> int:
    # Of slots there are many, but never more than 16,384.
    return most * _SLOTS_FACTOR if dimension == "slots" else most


def count_in(counts: dict[str, float], name: str, count: float, most: int) -> None:
    """Count under a name, or under the overflow where there are ``most`` names already."""
    if name in counts:
        counts[name] += count
    else:
        name = name if len(counts) < most else OVERFLOW
        counts[name] = counts.get(name, 0.0) + count


def parts_of(parts: Parts, dimension: str) -> tuple[Part, ...]:
    """The names of a dimension with their shares of all accesses, the largest first."""
    counts: Mapping[str, float] = parts.counts.get(dimension, {})
    # Another process tells its heaviest names only; and it may tell a total that is too small.
    total = max(parts.total, sum(counts.values()))
    if not total:
        return ()
    is_exact = parts.looked_at >= parts.total
    made = []
    for name, count in counts.items():
        share = count / total
        error = 0.0 if is_exact else math.sqrt(share * (1 - share) / max(parts.looked_at, 1))
        made.append(Part(name, count, share, error))
    return tuple(sorted(made, key=lambda part: -part.accesses))


class Breakdown:
    """Counts by dimension over a sliding window, and groups since the start; for several threads.

    Args:
        most: how many names each dimension has at most; the rest is the overflow.
        length: of the window, in seconds.
    """

    def __init__(self, most: int, length: float) -> None:
        self._most = most
        self._length = length
        self._steps: deque[tuple[float, Parts]] = deque()
        self._live = Parts()
        self._groups: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def groups(self) -> dict[str, float]:
        """Accesses by group since the start, up to the last step, for counters of metrics."""
        with self._lock:
            return dict(self._groups)

    def look(self, names: tuple[str | None, ...], stands_for: float) -> None:
        """Count one access under its group, slot, node and command; ``None`` leaves one out."""
        with self._lock:
            live = self._live
            live.looked_at += 1
            live.total += stands_for
            for dimension, name in zip(DIMENSIONS, names, strict=True):
                if name is not None:
                    most = _limit(dimension, self._most)
                    count_in(live.counts[dimension], name, stands_for, most)

    def step(self, now: float) -> None:
        """End a step of the window."""
        with self._lock:
            ended, self._live = self._live, Parts()
            for name, count in ended.counts["groups"].items():
                count_in(self._groups, name, count, self._most)
            self._steps.append((now, ended))
            while self._steps and self._steps[0][0] <= now - self._length:
                self._steps.popleft()

    def view(self, dimensions: Sequence[str] = DIMENSIONS) -> Parts:
        """The whole window, up to what is being counted now, by these dimensions."""
        whole = Parts()
        with self._lock:
            for parts in (*[step for _, step in self._steps], self._live):
                whole.add(parts, self._most, dimensions)
        return whole
