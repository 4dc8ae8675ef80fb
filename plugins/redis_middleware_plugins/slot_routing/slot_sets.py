"""Sets of slots, as whole numbers: bit 7 is set where slot 7 is in the set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["lowest", "runs", "slot_set"]


def slot_set(ranges: Iterable[tuple[int, int]]) -> int:
    """The set of the slots in these ranges, each given by its first and last slot."""
    slots = 0
    for first, last in ranges:
        slots |= ((1 << (last + 1 - first)) - 1) << first
    return slots


def lowest(slots: int) -> int:
    """The lowest slot of a set that is not empty."""
    return (slots & -slots).bit_length() - 1


def runs(slots: int) -> Iterator[tuple[int, int]]:
    """First and last slot of each range of a set, in order."""
    first = 0
    while slots:
        gap = lowest(slots)
        slots >>= gap
        length = lowest(~slots)
        slots >>= length
        first += gap
        yield first, first + length - 1
        first += length
