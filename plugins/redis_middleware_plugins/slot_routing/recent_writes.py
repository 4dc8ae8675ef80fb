"""Which keys this client wrote a moment ago, in a memory that does not grow."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

__all__ = ["RecentWrites"]

_PLACES: Final = 1 << 16
_MASK: Final = _PLACES - 1


class RecentWrites:
    """Remembers when keys were written, for a time.

    There are 65,536 places of 8 bytes each, and a key has the place that its hash says: two keys
    with the same one count as written when either was. That errs on the safe side only: a key that
    was written is never taken for one that was not. At 1,000 different keys a second and a memory
    of one second, 1.5% of the other keys are taken for written.

    Args:
        seconds: for how long a write is remembered.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._written = array("d", [float("-inf")]) * _PLACES
        self._all = float("-inf")

    def add(self, keys: Iterable[bytes], now: float) -> None:
        """Remember that keys were written, or are about to be."""
        written = self._written
        for key in keys:
            written[hash(key) & _MASK] = now

    def add_all(self, now: float) -> None:
        """Remember that any key may have been written, as by FLUSHALL."""
        self._all = now

    def has(self, key: bytes, now: float) -> bool:
        """Whether the key may have been written within the time."""
        since = now - self.seconds
        return self._written[hash(key) & _MASK] > since or self._all > since
