"""Which keys are hot: entering fast and by certain counts, leaving slowly, told as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import compress
from operator import add
from typing import Final, Literal

from redis_middleware_plugins.key_access.bounds import Bounds, bounds_of
from redis_middleware_plugins.key_access.summary import Counts, Summary

__all__ = ["AccessKind", "HotKey", "HotKeyEvent", "HotKeys", "Source", "Thresholds", "kind_of"]

AccessKind = Literal["read", "write", "mixed"]
Source = Literal["process", "fleet"]

_FEWEST: Final = 16
"""With so many accesses, ten times as many as the average key's, chance is as good as ruled out:
on a uniform load it brings that about less than once in 10^10 looks at a key."""
_ONE_SIDED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a key is hot.

    It is hot if it has ``least_rate``, and either ``rate`` or both ``share`` and
    ``times_average``.

    Attributes:
        share: of all accesses, from 0 to 1.
        times_average: so many times the accesses of the average key.
        rate: accesses per second that make a key hot whatever the others have.
        least_rate: accesses per second below which no key is hot.
        leave_at: the part of each of these at which a hot key cools down.
    """

    share: float = 0.02
    times_average: float = 10.0
    rate: float = 1000.0
    least_rate: float = 10.0
    leave_at: float = 0.5

    def fewest(self, total: Summary, scale: float = 1.0) -> float:
        """How many accesses a key must have in the time of the summary to be hot."""
        # A burst of a millisecond does not make a rate.
        seconds = max(total.seconds, 1.0)
        relative = max(
            self.share * total.accesses,
            self.times_average * total.accesses / max(total.distinct, 1),
        )
        return scale * max(self.least_rate * seconds, min(self.rate * seconds, relative))


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key that is hot.

    Attributes:
        key: as on the wire; a very long one shortened.
        name: how it is called where the process is left: plain, masked or hashed.
        kind: ``"read"`` or ``"write"`` for nine tenths of its accesses, else ``"mixed"``.
        rate: accesses per second.
        share: of all accesses, from 0 to 1.
        slot: its hash slot; ``None`` where only a hash or mask of the key is known.
        node: the server that it is on, where known.
        source: ``"process"`` where this process's own accesses tell, ``"fleet"`` where those of
            all processes together do.
    """

    key: bytes
    name: str
    kind: AccessKind
    rate: Bounds
    share: Bounds
    slot: int | None
    node: str | None
    source: Source = "process"


@dataclass(frozen=True, slots=True)
class HotKeyEvent:
    """A key became hot or cooled down.

    Attributes:
        change: which of the two.
        hot_key: the key, with its rate and share at the time.
        at: when, in seconds since 1970.
    """

    change: Literal["became hot", "cooled down"]
    hot_key: HotKey
    at: float


def kind_of(counts: Counts) -> AccessKind:
    """What a key is mostly accessed for."""
    accesses = counts.accesses
    if counts.reads >= _ONE_SIDED * accesses:
        return "read"
    return "write" if counts.writes >= _ONE_SIDED * accesses else "mixed"


class HotKeys:
    """The keys that are hot now.

    Args:
        thresholds: from where on.
        describe: makes a ``HotKey`` of a key, what was counted of it, and the sums it is part of.
        wall_clock: seconds since 1970.
        cool_after: how long a key must have stayed below to have cooled down, in seconds.

    Attributes:
        thresholds: from where on keys are hot.
        current: the keys that are hot now.
    """

    def __init__(
        self,
        thresholds: Thresholds,
        describe: Callable[[bytes, Counts, Summary], HotKey],
        wall_clock: Callable[[], float],
        cool_after: float,
    ) -> None:
        self.thresholds = thresholds
        self.current: dict[bytes, HotKey] = {}
        self._cool_after = cool_after
        self._last_hot: dict[bytes, float] = {}
        self._describe = describe
        self._wall_clock = wall_clock

    def enter(self, *parts: Summary) -> list[HotKeyEvent]:
        """Look for keys that became hot, within summaries of times that follow each other."""
        total = _sums(parts)
        fewest = max(self.thresholds.fewest(total), _FEWEST)
        events = []
        # A key with so many in all has that many divided by the parts in one of them.
        for key in {key for part in parts for key in _heavy(part, fewest / len(parts))}:
            if key in self.current:
                continue
            found = [part.find(key) for part in parts]
            counts = Counts._make(map(sum, zip(*found, strict=True)))
            if bounds_of(counts.accesses, counts.missed, total.weight).lower >= fewest:
                hot = self.current[key] = self._describe(key, counts, total)
                self._last_hot[key] = total.end
                events.append(HotKeyEvent("became hot", hot, self._wall_clock()))
        return events

    def leave(self, step: Summary, now: float) -> list[HotKeyEvent]:
        """Look for keys that have cooled down, within what was counted since the last time.

        A key has cooled down when it stayed below the thresholds' part ``leave_at`` for as long as
        ``cool_after`` says, with all that may have been missed of it.
        """
        fewest = self.thresholds.fewest(step, self.thresholds.leave_at)
        events = []
        for key, before in list(self.current.items()):
            counts = step.find(key)
            hot = self.current[key] = replace(
                self._describe(key, counts, step), source=before.source
            )
            if counts.accesses + counts.missed >= fewest:
                self._last_hot[key] = now
            elif now - self._last_hot[key] >= self._cool_after:
                del self.current[key], self._last_hot[key]
                events.append(HotKeyEvent("cooled down", hot, self._wall_clock()))
        return events


def _heavy(summary: Summary, fewest: float) -> Iterator[bytes]:
    numbers = summary.numbers
    counted = map(add, numbers[0::5], numbers[1::5])
    return compress(summary.keys, [count >= fewest for count in counted])


def _sums(parts: tuple[Summary, ...]) -> Summary:
    if len(parts) == 1:
        return parts[0]
    return Summary(
        (),
        parts[0].numbers[:0],
        0,
        0,
        sum([part.reads for part in parts]),
        sum([part.writes for part in parts]),
        sum([part.size for part in parts]),
        max([part.distinct for part in parts]),
        parts[0].begin,
        parts[-1].end,
        max([part.weight for part in parts]),
    )
