"""The cache's counts as metrics, for plugins that export such."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.local_cache.statistics import Statistics

__all__ = ["metrics_of"]

_COUNTERS: Final = {
    "hits": ("{read}", "Reads that were answered from memory."),
    "misses": ("{read}", "Reads of keys that a rule names which were not answered from memory."),
    "stale_hits": ("{read}", "Hits after the end of their entry, while it was renewed."),
    "served_on_error": ("{read}", "Replies from memory because the server was not reached."),
    "stored": ("{reply}", "Replies that were kept."),
    "refused": ("{reply}", "Replies that were too large, nil or impossible to copy."),
    "overtaken": ("{reply}", "Replies whose key was invalidated while they were read."),
    "evicted": ("{entry}", "Entries that made room for others."),
    "invalidated": ("{entry}", "Entries that were dropped because their key changed."),
    "refreshes": ("{entry}", "Entries that were renewed in the background."),
}


def metrics_of(statistics: Statistics) -> Iterator[Metric]:
    """The metrics ``local_cache.*``; their only attribute is ``rule``, a rule's pattern."""
    rules = statistics.rules.items()
    for name, (unit, description) in _COUNTERS.items():
        readings = [Reading(getattr(counts, name), {"rule": rule}) for rule, counts in rules]
        yield Metric(f"local_cache.{name}", Kind.COUNTER, unit, description, readings)
    ratios = [Reading(counts.hit_ratio, {"rule": rule}) for rule, counts in rules]
    yield Metric("local_cache.hit_ratio", Kind.GAUGE, "1", "Hits among the reads.", ratios)
    sizes = [Reading(counts.bytes, {"rule": rule}) for rule, counts in rules]
    taken = "Memory that the entries take, about."
    yield Metric("local_cache.size", Kind.UP_DOWN_COUNTER, "By", taken, sizes)
    single = (
        ("entries", Kind.UP_DOWN_COUNTER, "{entry}", "Replies in memory.", statistics.entries),
        ("losses", Kind.COUNTER, "{loss}", "Lost invalidation connections.", statistics.losses),
        ("messages", Kind.COUNTER, "{message}", "Invalidation messages.", statistics.messages),
        ("is_off", Kind.GAUGE, "1", "1 while nothing is cached.", int(not statistics.is_on)),
    )
    for name, kind, unit, description, value in single:
        yield Metric(f"local_cache.{name}", kind, unit, description, [Reading(value)])
