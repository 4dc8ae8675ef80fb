"""What key_access knows at one moment, as data classes and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from redis_middleware_plugins.key_access.bounds import Bounds, bounds_of
from redis_middleware_plugins.key_access.breakdown import Part
from redis_middleware_plugins.key_access.hot import AccessKind, HotKey, kind_of
from redis_middleware_plugins.key_access.summary import Counts, Summary

__all__ = [
    "FleetStatus",
    "KeyFacts",
    "KeyReport",
    "Report",
    "WindowReport",
    "imbalance_of",
    "window_report",
]


class KeyFacts(NamedTuple):
    """What is known of a key besides its counts.

    Attributes:
        name: how it is called where the process is left.
        slot: its hash slot, where known.
        node: the server that it is on, where known.
        group: its group, where known.
        is_hot: whether it is hot now.
    """

    name: str
    slot: int | None
    node: str | None
    group: str | None
    is_hot: bool


@dataclass(frozen=True, slots=True)
class KeyReport:
    """One key in one window.

    Attributes:
        key: as on the wire, or where it came from another process in the form in which it left
            that; a very long one shortened. Not part of JSON.
        name: how it is called where the process is left: plain, masked or hashed.
        kind: what it is mostly accessed for.
        accesses: how many accesses it had.
        reads: how many only read.
        writes: how many may write.
        size: the bytes of arguments and replies; with sampling an estimate, whose bounds only
            tell what may have been missed besides.
        rate: accesses per second.
        share: of all accesses, from 0 to 1.
        slot: its hash slot; ``None`` where only a hash or mask of the key is known.
        node: the server that it is on, where known.
        group: its group; ``None`` likewise.
        is_hot: whether it is hot now.
    """

    key: bytes
    name: str
    kind: AccessKind
    accesses: Bounds
    reads: Bounds
    writes: Bounds
    size: Bounds
    rate: Bounds
    share: Bounds
    slot: int | None
    node: str | None
    group: str | None
    is_hot: bool


@dataclass(frozen=True, slots=True)
class WindowReport:
    """One sliding window.

    Attributes:
        length: how long it is, in seconds, by the settings.
        seconds: how much of it there is, with the step that is being counted.
        accesses: how many accesses there were, of all keys.
        reads: how many only read.
        writes: how many may write.
        size: bytes of arguments and replies.
        rate: accesses per second.
        distinct: there were at least so many keys.
        absent: a key that is not among those counted had at most so many accesses.
        sampling: one in so many commands was counted, at the sparsest.
        keys: the top keys, by accesses.
        by_size: the top keys by bytes.
    """

    length: float
    seconds: float
    accesses: int
    reads: int
    writes: int
    size: int
    rate: float
    distinct: int
    absent: Bounds
    sampling: int
    keys: tuple[KeyReport, ...]
    by_size: tuple[KeyReport, ...]


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """How sharing statistics goes.

    Attributes:
        member: the name of this process in the fleet.
        sent: how often its statistics were sent.
        dropped: how often they could not be, and were dropped.
        leads: whether this process merges those of all.
        members: how many processes there are, as told last; 0 where nobody told yet.
    """

    member: str
    sent: int
    dropped: int
    leads: bool
    members: int


@dataclass(frozen=True, slots=True)
class Report:
    """What is known at one moment.

    Attributes:
        at: when, in seconds since 1970.
        windows: the sliding windows, the shortest first.
        hot: the keys that are hot now, by this process's accesses or by the fleet's.
        groups: accesses by group of keys, in the shortest window, the largest first.
        slots: by hash slot.
        nodes: by server.
        commands: by command.
        imbalance: the accesses of the most accessed node over those of the least accessed one;
            ``None`` where fewer than two are known.
        bugs: how many subscribers' errors there were.
        fleet: how sharing goes; ``None`` where it is not enabled.
    """

    at: float
    windows: tuple[WindowReport, ...]
    hot: tuple[HotKey, ...]
    groups: tuple[Part, ...]
    slots: tuple[Part, ...]
    nodes: tuple[Part, ...]
    commands: tuple[Part, ...]
    imbalance: float | None
    bugs: int
    fleet: FleetStatus | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values that JSON has; keys by their names only."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Bounds | Part | FleetStatus):
        return asdict(value)
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    if hasattr(value, "__dataclass_fields__"):
        names = [field.name for field in fields(value) if field.name != "key"]
        return {name: _plain(getattr(value, name)) for name in names}
    return value


def imbalance_of(nodes: Sequence[Part]) -> float | None:
    """The largest over the smallest."""
    if len(nodes) < 2:
        return None
    return max(node.accesses for node in nodes) / min(node.accesses for node in nodes)


def window_report(
    length: float,
    summary: Summary,
    limit: int,
    facts_of: Callable[[bytes], KeyFacts],
) -> WindowReport:
    """Report on a window.

    Args:
        length: how long the window is, in seconds.
        summary: what was counted in it.
        limit: how many keys are reported at most.
        facts_of: gives what is known of a key.
    """
    weight = summary.weight

    def key_report(key: bytes, counts: Counts) -> KeyReport:
        facts = facts_of(key)
        accesses = bounds_of(counts.accesses, counts.missed, weight)
        return KeyReport(
            key=key,
            name=facts.name,
            kind=kind_of(counts),
            accesses=accesses,
            reads=bounds_of(counts.reads, counts.missed, weight),
            writes=bounds_of(counts.writes, counts.missed, weight),
            size=Bounds(counts.size, counts.size, counts.size + counts.missed_size),
            rate=accesses.per(summary.seconds),
            share=accesses.per(summary.accesses),
            slot=facts.slot,
            node=facts.node,
            group=facts.group,
            is_hot=facts.is_hot,
        )

    return WindowReport(
        length,
        summary.seconds,
        summary.accesses,
        summary.reads,
        summary.writes,
        summary.size,
        summary.accesses / summary.seconds if summary.seconds > 0 else 0.0,
        summary.distinct,
        bounds_of(0, summary.absent, weight),
        weight,
        tuple([key_report(*item) for item in summary.heaviest(limit)]),
        tuple([key_report(*item) for item in summary.largest(limit)]),
    )
