"""A heavy-hitters sketch in pure Python: Misra-Gries with the error kept for each key.

Misra and Gries ("Finding repeated elements", 1982) keep a number of counters; when there is no
room, all go down by as much as makes room. Here that amount, the ``absent`` of the sketch, is kept
beside the counters in place of being taken off, as Manku and Motwani do in lossy counting
("Approximate frequency counts over data streams", 2002): a key that comes in gets it as the most
that can have been missed of it, and leaves when its count and what was missed do not exceed it any
more. So a key's count is exact since it came in, lower and upper bound always hold, and the
heaviest keys, which come in early and stay, are counted exactly.

Keys have a second way to stay, by bytes: one that is seldom accessed but moves most of the bytes
is not lost among many that are accessed more often.
"""

from __future__ import annotations

from array import array
from itertools import chain, compress
from operator import add, not_

from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["MisraGries"]


class MisraGries:
    """The sketch; see :class:`~redis_middleware_plugins.key_access.sketches.AccessSketch`.

    With N accesses counted the bounds of a key are at most ``2 N / counters`` apart, mostly much
    less; its bytes likewise at most ``8 / counters`` of all bytes.

    Args:
        counters: how many keys it holds at most; about 0.3 KiB each with keys of 30 bytes.

    Raises:
        ValueError: there are fewer than 16 counters.
    """

    __slots__ = ("_absent", "_absent_size", "_counters", "_entries", "_gone")

    def __init__(self, counters: int) -> None:
        if counters < 16:
            raise ValueError(f"a sketch of {counters} counters is of no use: give it at least 16")
        self._counters = counters
        # key: [reads, writes, size, missed, missed_size]
        self._entries: dict[bytes, list[int]] = {}
        self._absent = 0
        self._absent_size = 0
        self._gone = [0, 0, 0]

    def add(self, key: bytes, kind: int, size: int, weight: int = 1) -> None:
        """Count an access of a kind, 0 for reading and 1 for writing."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._counters:
                self._make_room()
            entry = self._entries[key] = [0, 0, 0, self._absent, self._absent_size]
        if weight == 1:
            entry[kind] += 1
            entry[2] += size
        else:
            entry[kind] += weight
            entry[2] += size * weight

    def _make_room(self) -> None:
        """Drop the keys that are neither in the upper half by accesses nor the eighth by bytes."""
        # Each line runs over all keys, so all of it is left to functions of C.
        numbers = list(chain.from_iterable(self._entries.values()))
        reads, writes, sizes, missed, missed_sizes = [numbers[at::5] for at in range(5)]
        uppers = list(map(add, map(add, reads, writes), missed))
        upper_sizes = list(map(add, sizes, missed_sizes))
        absent = sorted(uppers)[len(uppers) // 2]
        absent_size = sorted(upper_sizes)[len(uppers) * 7 // 8]
        leaves = [
            upper <= absent and size <= absent_size
            for upper, size in zip(uppers, upper_sizes, strict=True)
        ]
        stays = list(map(not_, leaves))
        self._entries = dict(compress(self._entries.items(), stays))
        gone = self._gone
        gone[0] += sum(compress(reads, leaves))
        gone[1] += sum(compress(writes, leaves))
        gone[2] += sum(compress(sizes, leaves))
        self._absent = max(compress(uppers, leaves), default=self._absent)
        self._absent_size = max(self._absent_size, max(compress(upper_sizes, leaves), default=0))

    def summary(self, begin: float, end: float) -> Summary:
        """What was counted so far, with bounds that hold for every key."""
        entries = self._entries
        numbers = array("q", list(chain.from_iterable(entries.values())))
        reads, writes, size = self._gone
        return Summary(
            tuple(entries),
            numbers,
            self._absent,
            self._absent_size,
            reads + sum(numbers[0::5]),
            writes + sum(numbers[1::5]),
            size + sum(numbers[2::5]),
            # With no room ever made, every key is still there.
            len(entries) if not self._absent else max(len(entries), self._counters),
            begin,
            end,
        )
