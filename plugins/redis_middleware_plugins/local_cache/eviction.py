"""cachetools' caches, bounded by bytes, that tell what they evict."""

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

    def expire(self, time: float | None = None) -> Any:
        """Evict all that has ended."""
        expired = list(super().expire(time))
        for name, entry in expired:
            self.evicted(name, entry)
        return expired


def bounded_cache(
    eviction: str, max_bytes: int, clock: Callable[[], float], evicted: Evicted
) -> Any:
    """A cache of entries that takes ``max_bytes`` at most by their ``size``.

    Args:
        eviction: ``"lru"``, ``"lfu"`` or ``"ttl"``.
        max_bytes: the sum of the sizes.
        clock: seconds from any fixed point.
        evicted: called with name and entry of what is evicted.
    """
    cache: Any
    if eviction == "ttl":
        cache = _TTL(max_bytes, _end, timer=clock, getsizeof=_size)
    else:
        cache = (_LFU if eviction == "lfu" else _LRU)(max_bytes, getsizeof=_size)
    cache.evicted = evicted
    return cache


def _size(entry: Any) -> int:
    size: int = entry.size
    return size


def _end(name: Hashable, entry: Any, now: float) -> float:
    ends: float = entry.ends
    return ends
