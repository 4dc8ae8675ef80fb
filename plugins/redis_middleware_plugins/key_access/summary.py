"""What counting over some time came to: the heaviest keys with bounds, the rest as sums.

Every sketch gives its result in this form, and so does every process of a fleet; windows, fleets
and reports are merged summaries. What is missing of a key is bounded, never guessed: a key of the
summary was accessed at least ``accesses`` and at most ``accesses + missed`` times, a key that is
not in it at most ``absent`` times. Merging keeps these bounds true.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from operator import add
from typing import Final, NamedTuple

__all__ = ["Counts", "Summary", "empty_summary", "merge"]

_COLUMNS: Final = 5


class Counts(NamedTuple):
    """What was counted of one key.

    Attributes:
        reads: accesses that only read.
        writes: accesses that may write.
        size: bytes of arguments and replies.
        missed: how many more accesses there can have been at most.
        missed_size: how many more bytes there can have been at most.
    """

    reads: int
    writes: int
    size: int
    missed: int
    missed_size: int

    @property
    def accesses(self) -> int:
        """Reads and writes: the lower bound."""
        return self.reads + self.writes


@dataclass(slots=True, eq=False)
class Summary:
    """The heaviest keys of a span of time; treat it as immutable.

    Attributes:
        keys: the keys, in no order.
        numbers: the five numbers of :class:`Counts` for each key, one after the other: an array
            takes a third of the memory that objects would.
        absent: the most accesses that a key which is not here can have had.
        absent_size: the most bytes that a key which is not here can have had.
        reads: accesses of all keys that only read.
        writes: accesses of all keys that may write.
        size: bytes of all keys.
        distinct: there were at least so many different keys.
        begin: when counting began, in seconds of the clock.
        end: when it ended.
        weight: every so manyeth access was counted, as so many; the largest of all parts. 1 where
            nothing was left out: bounds are certain then.
    """

    keys: tuple[bytes, ...]
    numbers: array[int]
    absent: int
    absent_size: int
    reads: int
    writes: int
    size: int
    distinct: int
    begin: float
    end: float
    weight: int = 1

    @property
    def accesses(self) -> int:
        """Accesses of all keys."""
        return self.reads + self.writes

    @property
    def seconds(self) -> float:
        """How long counting took."""
        return self.end - self.begin

    def __len__(self) -> int:
        return len(self.keys)

    def items(self) -> Iterator[tuple[bytes, Counts]]:
        """The keys with what was counted of them."""
        return map(self._item, range(len(self.keys)))

    def _item(self, index: int) -> tuple[bytes, Counts]:
        at = index * _COLUMNS
        return self.keys[index], Counts._make(self.numbers[at : at + _COLUMNS])

    def heaviest(self, limit: int) -> list[tuple[bytes, Counts]]:
        """The keys that were accessed most, as far as is certain, with what was counted of them."""
        accesses = list(map(add, self.numbers[0::_COLUMNS], self.numbers[1::_COLUMNS]))
        return self._largest(limit, accesses)

    def largest(self, limit: int) -> list[tuple[bytes, Counts]]:
        """The keys that moved most bytes, likewise."""
        return self._largest(limit, self.numbers[2::_COLUMNS])

    def _largest(self, limit: int, by: Sequence[int]) -> list[tuple[bytes, Counts]]:
        found = nlargest(limit, range(len(self.keys)), key=by.__getitem__)
        return [self._item(index) for index in found]

    def find(self, key: bytes) -> Counts:
        """What was counted of a key, of one that is not here too."""
        try:
            at = self.keys.index(key) * _COLUMNS
        except ValueError:
            return Counts(0, 0, 0, self.absent, self.absent_size)
        return Counts._make(self.numbers[at : at + _COLUMNS])

    def top(self, limit: int) -> Summary:
        """The keys with the most accesses and, an eighth of them, those with the most bytes.

        What is left out makes ``absent`` and ``absent_size`` larger, so the bounds stay true.

        Args:
            limit: how many keys are kept at most.
        """
        if len(self.keys) <= limit:
            return self
        # Each line runs over many keys, so as much as possible is left to functions of C.
        reads, writes, sizes, missed, missed_sizes = [
            self.numbers[column::_COLUMNS] for column in range(_COLUMNS)
        ]
        uppers = list(map(add, map(add, reads, writes), missed))
        upper_sizes = list(map(add, sizes, missed_sizes))
        indexes = range(len(self.keys))
        kept = nlargest(limit - limit // 8, indexes, key=uppers.__getitem__)
        chosen = set(kept)
        for index in nlargest(limit, indexes, key=upper_sizes.__getitem__):
            if len(kept) == limit:
                break
            if index not in chosen:
                kept.append(index)
                chosen.add(index)
        left_out = [index for index in indexes if index not in chosen]
        absent = max(map(uppers.__getitem__, left_out))
        absent_size = max(map(upper_sizes.__getitem__, left_out))
        selected: array[int] = array("q")
        for index in kept:
            selected.extend(self.numbers[index * _COLUMNS : (index + 1) * _COLUMNS])
        return Summary(
            tuple([self.keys[index] for index in kept]),
            selected,
            max(absent, self.absent),
            max(absent_size, self.absent_size),
            self.reads,
            self.writes,
            self.size,
            max(self.distinct, len(self.keys)),
            self.begin,
            self.end,
            self.weight,
        )


def empty_summary(begin: float, end: float) -> Summary:
    """The summary of a time without accesses."""
    return Summary((), array("q"), 0, 0, 0, 0, 0, 0, begin, end)


def merge(parts: Sequence[Summary], begin: float, end: float) -> Summary:
    """Put summaries together: of times that follow each other, or of processes side by side.

    A key that some of the parts do not have can have been accessed in each of these as often as
    its ``absent`` says.

    Args:
        parts: what is put together.
        begin: when the whole began.
        end: when the whole ended.
    """
    if len(parts) == 1:
        (only,) = parts
        if only.begin == begin and only.end == end:
            return only
    absent = sum([part.absent for part in parts])
    absent_size = sum([part.absent_size for part in parts])
    found: dict[bytes, list[int]] = {}
    for part in parts:
        # Relative to the sums above, of which each part that has the key takes its own share.
        less, less_size = part.absent, part.absent_size
        numbers = iter(part.numbers)
        columns: Iterable[tuple[int, ...]] = zip(*[numbers] * _COLUMNS, strict=True)
        for key, (reads, writes, size, missed, missed_size) in zip(part.keys, columns, strict=True):
            counts = found.get(key)
            if counts is None:
                found[key] = [
                    reads,
                    writes,
                    size,
                    absent + missed - less,
                    absent_size + missed_size - less_size,
                ]
            else:
                counts[0] += reads
                counts[1] += writes
                counts[2] += size
                counts[3] += missed - less
                counts[4] += missed_size - less_size
    return Summary(
        tuple(found),
        array("q", list(chain.from_iterable(found.values()))),
        absent,
        absent_size,
        sum([part.reads for part in parts]),
        sum([part.writes for part in parts]),
        sum([part.size for part in parts]),
        max([len(found), *[part.distinct for part in parts]]),
        begin,
        end,
        max([1, *[part.weight for part in parts]]),
    )
