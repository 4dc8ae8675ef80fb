"""Histograms of sizes with buckets that are 3% wide, for percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["Histogram"]

_BITS = 6


class Histogram:
    """Counts whole numbers from 0 on in buckets: exact below 64, then 32 an octave.

    Args:
        counts: the numbers of values by bucket, as ``counts`` had them.
    """

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add_all(self, values: Iterable[int]) -> None:
        """Count values."""
        counts = self.counts
        for value, times in Counter(values).items():
            shift = max(value.bit_length() - _BITS, 0)
            counts[(shift << _BITS) + (value >> shift)] += times

    def percentile(self, percent: float) -> int:
        """The smallest number that so many percent of the values are not above; 0 without any.

        It is the upper end of a bucket: at most 3.2% too high, never too low.
        """
        wanted = self.counts.total() * percent / 100
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return _upper_end(bucket)
        return 0

    def by_octave(self) -> dict[int, int]:
        """How many values there are up to each power of two."""
        octaves: Counter[int] = Counter()
        for bucket, count in self.counts.items():
            octaves[1 << (_upper_end(bucket)).bit_length()] += count
        return dict(sorted(octaves.items()))


def _upper_end(bucket: int) -> int:
    shift = bucket >> _BITS
    return ((bucket & ((1 << _BITS) - 1)) + 1 << shift) - 1
