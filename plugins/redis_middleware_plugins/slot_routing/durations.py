"""How long things took lately: averages that follow quickly, and percentiles."""

from __future__ import annotations

from math import frexp
from typing import Final

__all__ = ["Average", "Durations"]

_PARTS: Final = 8
"""Into so many buckets each doubling of a duration is divided."""


class Average:
    """A moving average that forgets by time, not by number: half of it is newer than ``memory``.

    A value that comes ``t`` seconds after the one before has the weight ``t / (t + memory)``: of
    many a second each counts little, and one after a long silence counts for nearly all.

    Args:
        memory: seconds.

    Attributes:
        value: seconds; ``None`` before the first one.
        at: when the last value was added.
    """

    __slots__ = ("at", "memory", "value")

    def __init__(self, memory: float = 1.0) -> None:
        self.memory = memory
        self.value: float | None = None
        self.at = 0.0

    def add(self, seconds: float, now: float) -> None:
        """Add a duration that was measured at ``now``."""
        before = self.value
        if before is None:
            self.value = seconds
        else:
            passed = now - self.at
            # Several at one moment still count, as if a thousandth of the memory lay between them.
            if passed < self.memory / 1000:
                passed = self.memory / 1000
            self.value = before + (seconds - before) * (passed / (passed + self.memory))
        self.at = now


class Durations:
    """Durations of the last minute or two, in buckets that are at most 13% wide.

    Args:
        window: seconds; what is older than two of them is forgotten.
    """

    __slots__ = ("_begun", "_earlier", "_now", "window")

    def __init__(self, window: float = 60.0) -> None:
        self.window = window
        self._begun: float | None = None
        self._now: dict[int, int] = {}
        self._earlier: dict[int, int] = {}

    def add(self, seconds: float, now: float) -> None:
        """Add a duration that was measured at ``now``."""
        self._turn(now)
        mantissa, exponent = frexp(seconds)
        # The mantissa is from 0.5 up to 1, or 0 with the duration.
        bucket = exponent * _PARTS + int((mantissa * 2 - 1) * _PARTS) if mantissa else -(10**6)
        counts = self._now
        counts[bucket] = counts.get(bucket, 0) + 1

    def _turn(self, now: float) -> None:
        begun = self._begun
        if begun is None:
            self._begun = now
        elif now - begun >= self.window:
            self._earlier = self._now if now - begun < 2 * self.window else {}
            self._now = {}
            self._begun = now

    def quantiles(self, shares: tuple[float, ...], now: float) -> tuple[float, ...]:
        """The durations that these shares of all do not exceed: at most 13% too high.

        Args:
            shares: from 0 to 1.
            now: the time.

        Returns:
            Seconds, one for each share; 0 without any duration.
        """
        self._turn(now)
        counts = dict(self._earlier)
        for bucket, count in list(self._now.items()):
            counts[bucket] = counts.get(bucket, 0) + count
        total = sum(counts.values())
        ordered = sorted(counts)
        return tuple([_quantile(ordered, counts, total * share) for share in shares])


def _quantile(ordered: list[int], counts: dict[int, int], wanted: float) -> float:
    seen = 0
    for bucket in ordered:
        seen += counts[bucket]
        if seen >= wanted:
            exponent, part = divmod(bucket, _PARTS)
            # The upper end of the bucket.
            return 0.0 if bucket < -(10**5) else (1 + (part + 1) / _PARTS) * 2.0 ** (exponent - 1)
    return 0.0
