"""Adding up what a scan finds: totals, top lists, percentiles, groups, slots and nodes."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import compress
from typing import Any, NamedTuple

from redis_middleware.commands import key_slot
from redis_middleware.key_display import printable
from redis_middleware_plugins.size_guard.bigkeys.histogram import Histogram
from redis_middleware_plugins.size_guard.bigkeys.samples import KeysOfKind

__all__ = ["OTHER_GROUPS", "WITHOUT_PREFIX", "BigKey", "KindReport", "Report", "Totals"]

WITHOUT_PREFIX = "(no prefix)"
OTHER_GROUPS = "(other groups)"
_MOST_GROUPS = 10_000


class BigKey(NamedTuple):
    """One key of a top list.

    Attributes:
        size: bytes in memory.
        elements: elements; 0 for strings and other types that have none.
        key: the key as text, with what cannot be printed escaped.
        persistent: whether it has no time to live.
        node: the server that was asked.
    """

    size: int
    elements: int
    key: str
    persistent: bool
    node: str


class Totals:
    """Numbers of keys and their bytes."""

    def __init__(self, count: int = 0, size: int = 0, persistent: int = 0) -> None:
        self.count = count
        self.size = size
        self.persistent = persistent

    def add(self, count: int, size: int, persistent: int) -> None:
        """Count keys."""
        self.count += count
        self.size += size
        self.persistent += persistent

    def as_dict(self) -> dict[str, int]:
        """As plain values."""
        return {"count": self.count, "bytes": self.size, "without_ttl": self.persistent}

    @classmethod
    def of_dict(cls, values: dict[str, int]) -> Totals:
        """What ``as_dict`` was made of."""
        return cls(values["count"], values["bytes"], values["without_ttl"])


class KindReport:
    """What was found of one type of keys."""

    def __init__(self, top: int) -> None:
        self._top = top
        self.totals = Totals()
        self.elements = 0
        self.sizes = Histogram()
        self.lengths = Histogram()
        self._largest: list[tuple[int, BigKey]] = []
        self._longest: list[tuple[int, BigKey]] = []

    @property
    def largest(self) -> list[BigKey]:
        """The keys with the most bytes, the largest first."""
        return [key for _, key in sorted(self._largest, reverse=True)]

    @property
    def longest(self) -> list[BigKey]:
        """The keys with the most elements, the longest first; none for strings."""
        return [key for _, key in sorted(self._longest, reverse=True)]

    def add(self, found: KeysOfKind, node: str) -> None:
        """Add keys of this type."""
        self.totals.add(len(found.keys), sum(found.sizes), sum(found.persistent))
        self.elements += sum(found.elements)
        self.sizes.add_all(found.sizes)
        self.lengths.add_all(found.elements)
        self._rank(self._largest, found.sizes, found, node)
        if found.elements:
            self._rank(self._longest, found.elements, found, node)

    def _rank(
        self, heap: list[tuple[int, BigKey]], measures: list[int], found: KeysOfKind, node: str
    ) -> None:
        floor = heap[0][0] if len(heap) >= self._top else -1
        if max(measures) <= floor:
            return
        for index, measure in enumerate(measures):
            if measure <= floor:
                continue
            key = BigKey(
                found.sizes[index],
                found.elements[index] if found.elements else 0,
                printable(found.keys[index]),
                bool(found.persistent[index]),
                node,
            )
            # A key may come twice in a scan.
            if any((known.key, known.node) == (key.key, node) for _, known in heap):
                continue
            heapq.heappush(heap, (measure, key))
            if len(heap) > self._top:
                heapq.heappop(heap)
                floor = heap[0][0]

    def as_state(self) -> dict[str, Any]:
        """Everything, as plain values that JSON has."""
        return {
            "totals": self.totals.as_dict(),
            "elements": self.elements,
            "sizes": dict(self.sizes.counts),
            "lengths": dict(self.lengths.counts),
            "largest": self._largest,
            "longest": self._longest,
        }

    @classmethod
    def of_state(cls, state: dict[str, Any], top: int) -> KindReport:
        """What ``as_state`` was made of."""
        report = cls(top)
        report.totals = Totals.of_dict(state["totals"])
        report.elements = state["elements"]
        report.sizes = Histogram({int(at): count for at, count in state["sizes"].items()})
        report.lengths = Histogram({int(at): count for at, count in state["lengths"].items()})
        report._largest = [(measure, BigKey(*key)) for measure, key in state["largest"]]
        report._longest = [(measure, BigKey(*key)) for measure, key in state["longest"]]
        return report


class Report:
    """What a scan found so far.

    Args:
        top: how many keys the top lists of each type have.
        separator: what ends the parts of a key's name.
        depth: how many parts make a prefix group.
        by_slot: whether to add up by slot, as for a cluster.
    """

    def __init__(
        self, top: int = 20, separator: str = ":", depth: int = 1, *, by_slot: bool = False
    ) -> None:
        self.top = top
        self.separator = separator
        self.depth = depth
        self.by_slot = by_slot
        self.kinds: dict[str, KindReport] = {}
        self.nodes: dict[str, Totals] = {}
        self._groups: dict[bytes | None, Totals] = {}
        self._slots: dict[int, Totals] = {}
        self._separator = separator.encode()

    @property
    def totals(self) -> Totals:
        """All keys."""
        totals = Totals()
        for kind in self.kinds.values():
            totals.add(kind.totals.count, kind.totals.size, kind.totals.persistent)
        return totals

    @property
    def largest_size(self) -> int:
        """The bytes of the largest key; 0 without any."""
        return max((kind.largest[0].size for kind in self.kinds.values()), default=0)

    @property
    def groups(self) -> dict[str, Totals]:
        """The groups of keys by prefix, those with the most bytes first."""
        named = {
            OTHER_GROUPS if prefix is None else _shown(prefix): totals
            for prefix, totals in self._groups.items()
        }
        return dict(sorted(named.items(), key=lambda item: -item[1].size))

    @property
    def slots(self) -> dict[int, Totals]:
        """The slots of a cluster, those with the most bytes first."""
        return dict(sorted(self._slots.items(), key=lambda item: -item[1].size))

    def add(self, found: KeysOfKind, node: str) -> None:
        """Add keys of one type."""
        if not found.keys:
            return
        kind = self.kinds.get(found.kind)
        if kind is None:
            kind = self.kinds[found.kind] = KindReport(self.top)
        kind.add(found, node)
        totals = self.nodes.setdefault(node, Totals())
        totals.add(len(found.keys), sum(found.sizes), sum(found.persistent))
        prefixes = self._prefixes(found.keys)
        counts = Counter(prefixes)
        sizes: defaultdict[bytes, int] = defaultdict(int)
        for prefix, size in zip(prefixes, found.sizes, strict=True):
            sizes[prefix] += size
        persistent = Counter(compress(prefixes, found.persistent))
        for prefix, count in counts.items():
            self._group(prefix).add(count, sizes[prefix], persistent[prefix])
        if self.by_slot:
            for key, size, forever in zip(found.keys, found.sizes, found.persistent, strict=True):
                self._slots.setdefault(key_slot(key), Totals()).add(1, size, forever)

    def _prefixes(self, keys: list[bytes]) -> list[bytes]:
        separator, depth = self._separator, self.depth
        if depth == 1:
            return [
                before if sep else b""
                for before, sep, _ in [key.partition(separator) for key in keys]
            ]
        return [separator.join(key.split(separator)[:-1][:depth]) for key in keys]

    def _group(self, prefix: bytes) -> Totals:
        totals = self._groups.get(prefix)
        if totals is None:
            kept = prefix if len(self._groups) < _MOST_GROUPS else None
            totals = self._groups.setdefault(kept, Totals())
        return totals

    def as_state(self) -> dict[str, Any]:
        """Everything, as plain values that JSON has, for going on later."""
        return {
            "top": self.top,
            "separator": self.separator,
            "depth": self.depth,
            "by_slot": self.by_slot,
            "kinds": {name: kind.as_state() for name, kind in self.kinds.items()},
            "nodes": {name: totals.as_dict() for name, totals in self.nodes.items()},
            "groups": [
                [None if prefix is None else prefix.hex(), totals.as_dict()]
                for prefix, totals in self._groups.items()
            ],
            "slots": {slot: totals.as_dict() for slot, totals in self._slots.items()},
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Report:
        """What ``as_state`` was made of."""
        report = cls(state["top"], state["separator"], state["depth"], by_slot=state["by_slot"])
        report.kinds = {
            name: KindReport.of_state(kind, report.top) for name, kind in state["kinds"].items()
        }
        report.nodes = {name: Totals.of_dict(each) for name, each in state["nodes"].items()}
        report._groups = {
            None if prefix is None else bytes.fromhex(prefix): Totals.of_dict(each)
            for prefix, each in state["groups"]
        }
        report._slots = {int(slot): Totals.of_dict(each) for slot, each in state["slots"].items()}
        return report


def _shown(prefix: bytes) -> str:
    return printable(prefix) if prefix else WITHOUT_PREFIX
