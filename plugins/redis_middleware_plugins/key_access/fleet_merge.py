"""Putting the statistics of all processes together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from redis_middleware_plugins.key_access.bounds import bounds_of
from redis_middleware_plugins.key_access.breakdown import Parts, parts_of
from redis_middleware_plugins.key_access.fleet_payload import Payload
from redis_middleware_plugins.key_access.hot import HotKey, HotKeys, Thresholds, kind_of
from redis_middleware_plugins.key_access.long_keys import slot_of
from redis_middleware_plugins.key_access.privacy import key_text
from redis_middleware_plugins.key_access.report import (
    FleetStatus,
    KeyFacts,
    Report,
    imbalance_of,
    window_report,
)
from redis_middleware_plugins.key_access.summary import Counts, Summary, empty_summary, merge
from redis_middleware_plugins.key_access.windows import Window

__all__ = ["FleetMerge"]

_KEPT = 256
_STEP = 0.9
_MOST_NAMES = 1000


class FleetMerge:
    """Merges what the processes tell into one report, with bounds that hold for all of them.

    Args:
        length: of the sliding window, in seconds.
        thresholds: from where on a key is hot in the whole fleet.
        node_of: gives the server that a slot is on, where known.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        length: float,
        thresholds: Thresholds,
        node_of: Callable[[int], str | None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._window = Window(length, _KEPT)
        self._node_of = node_of
        self._wall_clock = wall_clock
        self._hot = HotKeys(thresholds, self._describe, wall_clock, length)
        self._numbers: dict[str, int] = {}
        self._latest: deque[Payload] = deque()
        self._is_plain = True
        self._end: float | None = None

    def add(self, payloads: Sequence[Payload], now: float) -> None:
        """Take up what the processes told since the last time.

        Args:
            payloads: the latest of each process; one that was taken up before is left out.
            now: seconds of the caller's clock.
        """
        if self._end is not None and now - self._end < _STEP:
            # Processes tell of whole steps: in a shorter time only some of them have a new one.
            return
        fresh = [
            payload for payload in payloads if self._numbers.get(payload.member) != payload.number
        ]
        self._numbers = {payload.member: payload.number for payload in payloads}
        self._latest = deque(payloads)
        self._is_plain = all(payload.form == "plain" for payload in payloads)
        seconds = max([payload.summary.seconds for payload in fresh], default=1.0)
        begin = now - seconds if self._end is None else self._end
        self._end = now
        parts = [payload.summary for payload in fresh]
        step = merge(parts, begin, now) if parts else empty_summary(begin, now)
        self._window.add(step)
        self._hot.enter(step)
        self._hot.leave(step, now)

    def report(self, limit: int, status: FleetStatus) -> Report:
        """What is known of the whole fleet.

        Args:
            limit: how many keys and so on are reported at most.
            status: how sharing goes, as the process sees it that merges.
        """
        now = self._end or 0.0
        summary = self._window.view(empty_summary(now, now))
        parts = Parts()
        for payload in self._latest:
            parts.add(payload.parts, _MOST_NAMES)
        nodes = parts_of(parts, "nodes")
        return Report(
            at=self._wall_clock(),
            windows=(window_report(self._window.length, summary, limit, self._facts_of),),
            hot=tuple(self._hot.current.values()),
            groups=parts_of(parts, "groups")[:limit],
            slots=parts_of(parts, "slots")[:limit],
            nodes=nodes,
            commands=parts_of(parts, "commands")[:limit],
            imbalance=imbalance_of(nodes),
            bugs=0,
            fleet=status,
        )

    def _slot_and_node(self, key: bytes) -> tuple[int | None, str | None]:
        if not self._is_plain:
            return None, None
        slot = slot_of(key)
        return slot, self._node_of(slot)

    def _describe(self, key: bytes, counts: Counts, total: Summary) -> HotKey:
        accesses = bounds_of(counts.accesses, counts.missed, total.weight)
        rate, share = accesses.per(total.seconds), accesses.per(total.accesses)
        slot, node = self._slot_and_node(key)
        return HotKey(key, key_text(key), kind_of(counts), rate, share, slot, node, "fleet")

    def _facts_of(self, key: bytes) -> KeyFacts:
        slot, node = self._slot_and_node(key)
        return KeyFacts(key_text(key), slot, node, None, key in self._hot.current)
