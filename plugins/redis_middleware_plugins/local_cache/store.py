"""The replies in memory, and the rules by which none is kept that was overtaken by a write.

A read that goes to the server takes a :class:`Flight` first. Whatever invalidates its key (a
message of the server, a write by this client) ends the flight, and a reply whose flight has ended
is not kept. While this client writes to a key, reads of that key neither hit, nor take a flight.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final

from redis_middleware.once import Lead, fresh_copy
from redis_middleware.sizes import size_of
from redis_middleware_plugins.local_cache.eviction import bounded_cache
from redis_middleware_plugins.local_cache.rules import Rule

__all__ = ["ENTRY_OVERHEAD", "Entry", "Flight", "Store", "fresh_copier"]

ENTRY_OVERHEAD: Final = 300
"""Bytes that an entry takes besides its key and its value: objects, tables, the order of use."""

_REMEMBERED_HITS: Final = 256
_UNCHANGEABLE: Final = frozenset({bytes, str, int, float, bool, type(None)})
_SHALLOW: Final[dict[type, Callable[[Any], Any]]] = {
    list: list.copy,
    dict: dict.copy,
    set: set.copy,
}


class Entry:
    """One reply in memory.

    Attributes:
        name: what it is kept under.
        key: its key, as on the wire.
        value: the reply.
        copier: makes the reply that a caller gets of it; ``None`` where it cannot be changed.
        rule: the rule it is kept by.
        counts: those of the rule.
        size: bytes it takes, about.
        as_is_until: the reading of the clock until which a hit is no more than that.
        expires: the reading of the clock at which its TTL ends.
        ends: the reading at which it is of no use any more, not even stale.
        is_refreshing: whether it is being renewed.
    """

    __slots__ = (
        "as_is_until",
        "copier",
        "counts",
        "ends",
        "expires",
        "is_refreshing",
        "key",
        "name",
        "rule",
        "size",
        "value",
    )

    def __init__(self, name: Hashable, key: bytes, value: Any, rule: Rule) -> None:
        self.name = name
        self.key = key
        self.rule = rule
        self.counts = rule.counts
        self.value = value
        self.copier: Callable[[Any], Any] | None = None
        self.size = 0
        self.as_is_until = self.expires = self.ends = 0.0
        self.is_refreshing = False

    def live_from(self, now: float, life: float) -> None:
        """Set its times: it lives for so many seconds."""
        rule = self.rule
        self.expires = now + life
        self.as_is_until = self.expires - rule.refresh_ahead
        self.ends = self.expires + max(rule.stale_while_revalidate, rule.stale_if_error)


class Flight:
    """A read of one command that is under way to the server.

    Attributes:
        is_valid: whether its reply may be kept.
        lead: the key and future by which others follow this read; ``None`` while nobody does.
    """

    __slots__ = ("is_valid", "key", "lead", "name")

    def __init__(self, name: Hashable, key: bytes) -> None:
        self.name = name
        self.key = key
        self.is_valid = True
        self.lead: tuple[Hashable, Lead] | None = None


class Store:
    """Replies by the name of their command; safe for threads.

    Args:
        max_entries: how many there may be.
        max_bytes: how many bytes they may take.
        eviction: ``"lru"``, ``"lfu"`` or ``"ttl"``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1.

    Attributes:
        entries: the replies; to be read without a lock, and by nobody else to be changed.
        used: the names of the latest hits, which whoever reads ``entries`` adds to.
        is_open: whether anything may be served or kept. Closed, it keeps what is good only
            for when the server cannot be reached.
        is_held: whether nothing new may be kept, for a moment.
        is_off: whether it is closed for good.
        trusted_until: the reading of the clock until which whoever keeps the entries right is
            known to be at it.
    """

    def __init__(
        self,
        max_entries: int,
        max_bytes: int,
        eviction: str,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._max_entries = max_entries
        self._cache = bounded_cache(eviction, max_bytes, clock, self._evicted)
        self._names: dict[bytes, tuple[Hashable, ...]] = {}
        self._flights: dict[bytes, dict[Hashable, Flight]] = {}
        self._writes: dict[bytes, int] = {}
        self._writes_of_all = 0
        self.entries: dict[Hashable, Entry] = {}
        self.used: deque[Hashable] = deque(maxlen=_REMEMBERED_HITS)
        self.is_open = False
        self.is_held = False
        self.is_off = False
        self.trusted_until = 0.0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def size(self) -> int:
        """How much memory the entries take, about."""
        return int(self._cache.currsize)

    # Reads

    def begin(
        self, name: Hashable, key: bytes, lead: Callable[[Flight], tuple[Hashable, Lead]]
    ) -> tuple[Flight | None, bool]:
        """Take a flight for a read.

        Args:
            name: what its reply would be kept under.
            key: its key.
            lead: makes the flight of another caller one that can be followed.

        Returns:
            The flight, and whether the caller leads it and must end it. ``None`` where the reply
            must not be kept: the store is closed, or the key is just being written.
        """
        with self._lock:
            if not self.is_open or self.is_held or self._writes_of_all or key in self._writes:
                return None, False
            flights = self._flights.get(key)
            if flights is None:
                flight = Flight(name, key)
                self._flights[key] = {name: flight}
                return flight, True
            known = flights.get(name)
            if known is None:
                flight = flights[name] = Flight(name, key)
                return flight, True
            if known.lead is None:
                known.lead = lead(known)
            return known, False

    def begin_alone(self, name: Hashable, key: bytes) -> Flight | None:
        """Take a flight that nobody else leads; ``None`` where ``begin`` has to be asked."""
        with self._lock:
            if not self.is_open or self.is_held or self._writes_of_all or key in self._writes:
                return None
            flights = self._flights.get(key)
            if flights is None:
                flight = Flight(name, key)
                self._flights[key] = {name: flight}
                return flight
            if name in flights:
                return None
            flight = flights[name] = Flight(name, key)
            return flight

    def end(self, flight: Flight) -> bool:
        """End a flight without a reply to keep; whether it was valid to its end."""
        with self._lock:
            return self._end(flight)

    def _end(self, flight: Flight) -> bool:
        if not flight.is_valid:
            return False
        flights = self._flights[flight.key]
        del flights[flight.name]
        if not flights:
            del self._flights[flight.key]
        return True

    def keep(self, flight: Flight, reply: Any, rule: Rule, name: Hashable | None = None) -> None:
        """End a flight with its reply, which is kept if the rule allows it.

        Args:
            flight: the flight.
            reply: the reply.
            rule: the rule of its key.
            name: what to keep it under, if not under the flight's name.
        """
        kept_as = flight.name if name is None else name
        entry = self._entry(kept_as, flight.key, reply, rule)
        with self._lock:
            if not self._end(flight):
                # The caller may have read more than what another flight has read since then, and
                # is not to be given that afterwards.
                rule.counts.overtaken += 1
                self._invalidate(flight.key)
            elif entry is None:
                rule.counts.refused += 1
                self._drop(kept_as)
            elif self._put(entry):
                rule.counts.stored += 1

    def _entry(self, name: Hashable, key: bytes, reply: Any, rule: Rule) -> Entry | None:
        """The entry for a reply; ``None`` if it is not to be kept."""
        if reply is None and not rule.cache_nil:
            return None
        size = size_of(reply)
        if size > rule.max_value:
            return None
        entry = Entry(name, key, reply, rule)
        entry.size = size + len(key) + ENTRY_OVERHEAD
        if type(reply) not in _UNCHANGEABLE:
            try:
                entry.copier = fresh_copier(reply)
                entry.value = entry.copier(reply)
            except Exception:
                # A response callback of the application's made something that cannot be copied.
                return None
        entry.live_from(self._clock(), rule.ttl * (1 - rule.ttl_jitter * self._random()))
        return entry

    def _put(self, entry: Entry) -> bool:
        cache, name = self._cache, entry.name
        if entry.size > cache.maxsize:
            entry.rule.counts.refused += 1
            self._drop(name)
            return False
        is_new = name not in self.entries
        if cache.currsize + entry.size > cache.maxsize or (
            is_new and len(self.entries) >= self._max_entries
        ):
            self._note_uses()
            while is_new and len(self.entries) >= self._max_entries:
                cache.popitem()
        if is_new:
            self._names[entry.key] = (*self._names.get(entry.key, ()), name)
        self.entries[name] = entry
        cache[name] = entry
        return True

    def _note_uses(self) -> None:
        """Tell the order of use about the latest hits, which are only noted in passing."""
        used = self.used
        while used:
            name = used.popleft()
            if name in self.entries and name in self._cache:
                self._cache[name]

    def _evicted(self, name: Hashable, entry: Entry) -> None:
        if self.entries.get(name) is entry:
            del self.entries[name]
            self._forget_name(name, entry.key)
            entry.rule.counts.evicted += 1

    def _forget_name(self, name: Hashable, key: bytes) -> None:
        left = tuple([other for other in self._names.get(key, ()) if other != name])
        if left:
            self._names[key] = left
        else:
            self._names.pop(key, None)

    def _drop(self, name: Hashable) -> Entry | None:
        entry = self.entries.pop(name, None)
        if entry is not None:
            self._cache.remove(name)
            self._forget_name(name, entry.key)
        return entry

    def drop(self, entry: Entry) -> None:
        """Drop an entry that has ended, unless another is in its place."""
        with self._lock:
            if self.entries.get(entry.name) is entry:
                self._drop(entry.name)

    # Invalidation

    def invalidate(self, keys: Iterable[bytes]) -> int:
        """Drop what is known of these keys, and end the flights that read them.

        Returns:
            How many entries were dropped.
        """
        with self._lock:
            return sum([self._invalidate(key) for key in keys])

    def _invalidate(self, key: bytes) -> int:
        flights = self._flights.pop(key, None)
        if flights is not None:
            for flight in flights.values():
                flight.is_valid = False
        names = self._names.pop(key, ())
        for name in names:
            entry = self.entries.pop(name)
            self._cache.remove(name)
            entry.rule.counts.invalidated += 1
        return len(names)

    def invalidate_where(self, matches: Callable[[bytes], bool]) -> int:
        """Drop what is known of the keys that match, and end the flights that read them."""
        with self._lock:
            keys = {key for key in (*self._names, *self._flights) if matches(key)}
            return sum([self._invalidate(key) for key in keys])

    def clear(self, *, keep_for_errors: bool = False) -> int:
        """Drop everything, and end all flights.

        Args:
            keep_for_errors: whether entries stay that their rule allows to be served when the
                server cannot be reached, for nothing else and as long as the rule says.

        Returns:
            How many entries were dropped.
        """
        with self._lock:
            return self._clear(keep_for_errors=keep_for_errors)

    def _clear(self, *, keep_for_errors: bool) -> int:
        self._end_flights()
        if not keep_for_errors:
            dropped = len(self.entries)
            self.entries.clear()
            self._names.clear()
            self._cache.clear()
            return dropped
        now = self._clock()
        dropped = 0
        for entry in list(self.entries.values()):
            if entry.rule.stale_if_error:
                entry.as_is_until = entry.expires = min(entry.expires, now)
                entry.ends = min(entry.ends, entry.expires + entry.rule.stale_if_error)
            else:
                self._drop(entry.name)
                dropped += 1
        return dropped

    def writing(self, keys: Iterable[bytes]) -> None:
        """A write of this client's is about to be sent: drop its keys, and keep nothing of them."""
        with self._lock:
            writes = self._writes
            for key in keys:
                self._invalidate(key)
                writes[key] = writes.get(key, 0) + 1

    def written(self, keys: Iterable[bytes]) -> None:
        """The write has ended, one way or the other."""
        with self._lock:
            writes = self._writes
            for key in keys:
                left = writes[key] - 1
                if left:
                    writes[key] = left
                else:
                    del writes[key]

    def writing_all(self) -> None:
        """A command that may change every key is about to be sent."""
        with self._lock:
            self._writes_of_all += 1
            self._clear(keep_for_errors=False)

    def written_all(self) -> None:
        """That command has ended."""
        with self._lock:
            self._writes_of_all -= 1

    # Being open

    def open(self) -> None:
        """Serve and keep from now on."""
        with self._lock:
            self.is_open = not self.is_off

    def close(self) -> int:
        """Drop everything but what is good for errors, and keep nothing; how many were dropped."""
        with self._lock:
            self.is_open = False
            self.is_held = False
            return self._clear(keep_for_errors=True)

    def turn_off(self) -> None:
        """Close for good, and drop everything."""
        with self._lock:
            self.is_off = True
            self.is_open = False
            self._clear(keep_for_errors=False)

    def hold(self) -> None:
        """Keep nothing new until ``resume``: not what is under way either."""
        with self._lock:
            self.is_held = True
            self._end_flights()

    def resume(self) -> None:
        """Keep what is read from now on."""
        with self._lock:
            self.is_held = False

    def resize(self, max_entries: int, max_bytes: int, eviction: str) -> None:
        """Use other bounds; what is over them goes."""
        with self._lock:
            entries = list(self.entries.values())
            self._max_entries = max_entries
            self._cache = bounded_cache(eviction, max_bytes, self._clock, self._evicted)
            self.entries.clear()
            self._names.clear()
            for entry in entries:
                self._put(entry)

    def use_rules(self, rule_of: Callable[[bytes], Rule | None]) -> None:
        """Keep what other rules allow too, for no longer than they allow."""
        with self._lock:
            now = self._clock()
            for entry in list(self.entries.values()):
                rule = rule_of(entry.key)
                if rule is None or not _allows(rule, entry):
                    self._drop(entry.name)
                elif rule is not entry.rule:
                    same_life = rule.ttl == entry.rule.ttl
                    entry.rule, entry.counts = rule, rule.counts
                    left = entry.expires - now
                    entry.live_from(now, left if same_life else min(left, rule.ttl))
            self._end_flights()

    def _end_flights(self) -> None:
        for flights in self._flights.values():
            for flight in flights.values():
                flight.is_valid = False
        self._flights.clear()


def _allows(rule: Rule, entry: Entry) -> bool:
    size = entry.size - len(entry.key) - ENTRY_OVERHEAD
    return size <= rule.max_value and (entry.value is not None or rule.cache_nil)


def fresh_copier(reply: Any) -> Callable[[Any], Any]:
    """The cheapest function that copies a reply so that nothing changeable is shared.

    Raises:
        Exception: there is something in it that cannot be copied; what its class raises.
    """
    kind = type(reply)
    elements = reply.values() if kind is dict else reply
    if kind in _SHALLOW and all(type(element) in _UNCHANGEABLE for element in elements):
        return _SHALLOW[kind]
    # fresh_copy shares what cannot be copied; this raises.
    copy.deepcopy(reply)
    return fresh_copy
