"""cachetools' caches, bounded by the number of entries, that tell what they evict."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from cachetools import Cache, LFUCache, LRUCache, TLRUCache

__all__ = ["bounded_cache"]

Evicted = Callable[[Hashable, Any], None]


class _Telling(Cache):  # type: ignore[type-arg]
    evicted: Evicted

    def popitem(self) -> Any:
        """Evict what comes first."""
        name, entry = super().popitem()
        self.evicted(name, entry)
        return name, entry

    def remove(self, name: Hashable) -> None:
        """Take out an entry that is there, or has just ended."""
        try:
            del self[name]
        except KeyError:
            # cachetools says so of what has ended in the meantime, and takes it out all the same.
            return


class _LRU(_Telling, LRUCache):  # type: ignore[type-arg]
    """Evicts what was not read for longest."""


class _LFU(_Telling, LFUCache):  # type: ignore[type-arg]
    """Evicts what is read least."""


class _TTL(_Telling, TLRUCache):  # type: ignore[type-arg]
    """Evicts what has ended, then what was not read for longest."""

    def __setitem__(self, name: Hashable, entry: Any) -> None:
        super().__setitem__(name, entry)
        if name not in self:
            # It has ended already.
            self.evicted(name, entry)

    def expire(self, time: float | None = None) -> Any:
        """Evict all that has ended."""
        expired = list(super().expire(time))
        for name, entry in expired:
            self.evicted(name, entry)
        return expired


def bounded_cache(
    eviction: str, max_entries: int, clock: Callable[[], float], evicted: Evicted
) -> Any:
    """A cache of at most so many entries.

    Args:
        eviction: ``"lru"``, ``"lfu"`` or ``"ttl"``.
        max_entries: how many there may be.
        clock: seconds from any fixed point.
        evicted: called with name and entry of what is evicted.
    """
    cache: Any
    if eviction == "ttl":
        cache = _TTL(max_entries, _end, timer=clock)
    else:
        cache = (_LFU if eviction == "lfu" else _LRU)(max_entries)
    cache.evicted = evicted
    return cache


def _end(name: Hashable, entry: Any, now: float) -> float:
    ends: float = entry.ends
    return ends
