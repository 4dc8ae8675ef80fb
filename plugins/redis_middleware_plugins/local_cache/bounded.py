"""The entries that there are, bounded by number and by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.eviction import bounded_cache

__all__ = ["BoundedEntries"]

_REMEMBERED_HITS: Final = 256


class BoundedEntries:
    """Entries by name; whoever changes them has a lock for it.

    Args:
        max_entries: how many there may be.
        max_bytes: how many bytes they may take.
        eviction: ``"lru"``, ``"lfu"`` or ``"ttl"``.
        clock: seconds from any fixed point.
        evicted: called with each entry that was evicted.

    Attributes:
        by_name: the entries; they may be looked up without the lock.
        used: the names of the latest hits, which whoever looks up adds to without the lock.
        size: how much memory the entries take, about.
    """

    def __init__(
        self,
        max_entries: int,
        max_bytes: int,
        eviction: str,
        clock: Callable[[], float],
        evicted: Callable[[Entry], None],
    ) -> None:
        self._clock = clock
        self._tell = evicted
        self._order: Any
        self.by_name: dict[Hashable, Entry] = {}
        self.used: deque[Hashable] = deque(maxlen=_REMEMBERED_HITS)
        self.size = 0
        self._bound(max_entries, max_bytes, eviction)

    def _bound(self, max_entries: int, max_bytes: int, eviction: str) -> None:
        self.max_bytes = max_bytes
        self._order = bounded_cache(eviction, max_entries, self._clock, self._evicted)

    def resize(self, max_entries: int, max_bytes: int, eviction: str) -> None:
        """Use other bounds; what is over them is evicted."""
        entries = self.clear()
        self._bound(max_entries, max_bytes, eviction)
        for entry in entries:
            if entry.size <= max_bytes:
                self.put(entry)
            else:
                self._tell(entry)

    def put(self, entry: Entry) -> None:
        """Add an entry, of ``max_bytes`` at most, in the place of another of its name.

        What is in the way is evicted.
        """
        name, order, by_name = entry.name, self._order, self.by_name
        is_short = self.size + entry.size > self.max_bytes
        if (is_short or order.currsize >= order.maxsize) and self.used:
            self._note_uses()
        if is_short:
            while order and self.size + entry.size > self.max_bytes:
                order.popitem()
        before = by_name.get(name)
        if before is not None:
            self._free(before)
        self.size += entry.size
        entry.counts.bytes += entry.size
        by_name[name] = entry
        order[name] = entry

    def _note_uses(self) -> None:
        """Tell the order of use about the latest hits, which are only noted in passing."""
        used, order = self.used, self._order
        while used:
            name = used.popleft()
            if name in order:
                order[name]

    def _evicted(self, name: Hashable, entry: Entry) -> None:
        if self.by_name.get(name) is entry:
            del self.by_name[name]
            self._free(entry)
            self._tell(entry)

    def remove(self, name: Hashable) -> Entry | None:
        """Remove an entry; gives it, or ``None`` where there is none."""
        entry = self.by_name.pop(name, None)
        if entry is not None:
            self._order.remove(name)
            self._free(entry)
        return entry

    def _free(self, entry: Entry) -> None:
        self.size -= entry.size
        entry.counts.bytes -= entry.size

    def clear(self) -> list[Entry]:
        """Remove all; gives what there was."""
        entries = list(self.by_name.values())
        self.by_name.clear()
        self._order.clear()
        for entry in entries:
            self._free(entry)
        return entries
