"""The replies in memory, and the rules by which none is kept that was overtaken by a write.

A read that goes to the server takes a place first, its *flight*. Whatever invalidates its key (a
message of the server, a write by this client) takes the place away, and a reply whose place was
taken away is not kept. While this client writes to a key, reads of that key neither hit, nor take
a place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from redis_middleware.commands.slots import key_slot
from redis_middleware.once import Lead
from redis_middleware_plugins.local_cache.bounded import BoundedEntries
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.gate import Gate
from redis_middleware_plugins.local_cache.names import NamesByKey
from redis_middleware_plugins.local_cache.rules import Rule

__all__ = ["Store"]


class Store:
    """Replies by the name of their command; safe for threads.

    Args:
        max_entries: how many there may be.
        max_bytes: how many bytes they may take.
        eviction: ``"lru"``, ``"lfu"`` or ``"ttl"``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1.

    Attributes:
        entries: the replies by name; to be read without a lock, and by nobody else to be changed.
        used: the names of the latest hits, which whoever reads ``entries`` adds to.
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
        # Whoever holds it may be the one that finds the client to be garbage, and turns this off.
        self._lock = threading.RLock()
        self._kept = BoundedEntries(max_entries, max_bytes, eviction, clock, self._evicted)
        self._names = NamesByKey()
        self._flights: dict[Hashable, Entry] = {}
        self._gate = Gate()
        self.entries = self._kept.by_name
        self.used = self._kept.used
        self.trusted_until = 0.0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def size(self) -> int:
        """How much memory the entries take, about."""
        return self._kept.size

    @property
    def is_open(self) -> bool:
        """Whether anything may be kept."""
        return self._gate.is_open

    # Reads

    def begin(self, name: Hashable, key: bytes, rule: Rule) -> Entry | None:
        """Take a place for a read that nobody else is at.

        Args:
            name: what its reply is to be kept under.
            key: its key.
            rule: the rule of the key.

        Returns:
            The flight, to be ended by ``keep`` or ``end``. ``None`` where ``join`` has to be asked.
        """
        with self._lock:
            gate = self._gate
            if (
                name in self._flights
                or gate.is_barred
                or key in gate.writes
                or not rule.is_in_force
            ):
                return None
            return self._take_off(name, key, rule)

    def join(
        self,
        name: Hashable,
        key: bytes,
        rule: Rule,
        lead: Callable[[Entry], tuple[Hashable, Lead]],
    ) -> tuple[Entry | None, bool]:
        """Take a place for a read, or find who is at it.

        Args:
            name: what its reply is to be kept under.
            key: its key.
            rule: the rule of the key.
            lead: makes the flight of another caller one that can be followed.

        Returns:
            The flight, and whether the caller leads it and must end it. ``None`` where the reply
            must not be kept: nothing is kept of this key, or it is just being written.
        """
        with self._lock:
            if not (rule.is_in_force and self._gate.lets_pass(key)):
                return None, False
            known = self._flights.get(name)
            if known is None:
                return self._take_off(name, key, rule), True
            if known.lead is None:
                known.lead = lead(known)
            return known, False

    def _take_off(self, name: Hashable, key: bytes, rule: Rule) -> Entry:
        flight = self._flights[name] = Entry(name, key, rule)
        if self._names.setdefault(key, name) is not name:
            self._names.add(key, name)
        return flight

    def end(self, flight: Entry) -> None:
        """End a flight without a reply to keep."""
        with self._lock:
            if self._flights.get(flight.name) is flight:
                self._end(flight)

    def _end(self, flight: Entry) -> None:
        del self._flights[flight.name]
        if flight.name not in self.entries:
            self._names.discard(flight.key, flight.name)

    def keep(self, flight: Entry, reply: Any, name: Hashable | None = None) -> None:
        """End a flight with its reply, which is kept if the rule allows it.

        Args:
            flight: the flight.
            reply: the reply.
            name: what to keep it under, if not under the flight's name.
        """
        may_be_kept = flight.fill(reply, self._clock(), self._random())
        with self._lock:
            if self._flights.get(flight.name) is not flight:
                # The caller may have read more than what another flight has read since then, and
                # is not to be given that afterwards.
                flight.counts.overtaken += 1
                self._invalidate(flight.key)
                return
            if name is not None:
                self._end(flight)
                flight.name = name
                self._flights[name] = flight
                self._names.add(flight.key, name)
            if may_be_kept and flight.size <= self._kept.max_bytes:
                flight.counts.stored += 1
                self._kept.put(flight)
            else:
                flight.counts.refused += 1
                self._kept.remove(flight.name)
            self._end(flight)

    def _evicted(self, entry: Entry) -> None:
        entry.counts.evicted += 1
        self._forget_name(entry)

    def _forget_name(self, entry: Entry) -> None:
        if entry.name not in self._flights:
            self._names.discard(entry.key, entry.name)

    def drop(self, entry: Entry) -> None:
        """Drop an entry that has ended, unless another is in its place."""
        with self._lock:
            if self.entries.get(entry.name) is entry:
                self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._kept.remove(entry.name)
        self._forget_name(entry)

    # Invalidation

    def invalidate(self, keys: Iterable[bytes]) -> int:
        """Drop what is known of these keys, and end the flights that read them.

        Returns:
            How many entries were dropped.
        """
        with self._lock:
            return sum([self._invalidate(key) for key in keys])

    def _invalidate(self, key: bytes) -> int:
        dropped = 0
        for name in self._names.take(key):
            self._flights.pop(name, None)
            entry = self._kept.remove(name)
            if entry is not None:
                entry.counts.invalidated += 1
                dropped += 1
        return dropped

    def invalidate_slots(self, slots: frozenset[int]) -> int:
        """The same for all keys of these slots of a cluster."""
        with self._lock:
            return sum([self._invalidate(key) for key in self._keys_of(slots)])

    def _keys_of(self, slots: frozenset[int]) -> list[bytes]:
        return [key for key in self._names if key_slot(key) in slots]

    def clear(self) -> int:
        """Drop everything, and end all flights; how many entries were dropped."""
        with self._lock:
            return self._clear()

    def _clear(self) -> int:
        self._flights.clear()
        self._names.clear()
        return len(self._kept.clear())

    # Writes by this client

    def writing(self, keys: Iterable[bytes]) -> None:
        """A write of this client's is about to be sent: drop its keys, and keep nothing of them."""
        with self._lock:
            for key in keys:
                self._invalidate(key)
                self._gate.begin_write(key)

    def written(self, keys: Iterable[bytes]) -> None:
        """The write has ended, one way or the other."""
        with self._lock:
            self._gate.end_writes(keys)

    def writing_all(self) -> None:
        """A command that may change every key is about to be sent."""
        with self._lock:
            self._gate.begin_write_of_all()
            self._clear()

    def written_all(self) -> None:
        """That command has ended."""
        with self._lock:
            self._clear()
            self._gate.end_write_of_all()

    # Being open

    def open(self, but: frozenset[int] = frozenset()) -> int:
        """Keep replies from now on.

        Args:
            but: the slots of a cluster whose keys are not kept. Of those that were, everything is
                dropped but what is good for errors.

        Returns:
            How many entries were dropped.
        """
        with self._lock:
            closing = self._gate.open(but)
            return self._close(self._keys_of(closing)) if closing else 0

    def close(self) -> int:
        """Drop everything but what is good for errors, and keep nothing; how many were dropped."""
        with self._lock:
            self._gate.close()
            return self._close(list(self._names))

    def _close(self, keys: Iterable[bytes]) -> int:
        now, dropped = self._clock(), 0
        for key in keys:
            for name in self._names.of(key):
                self._flights.pop(name, None)
                entry = self.entries.get(name)
                if entry is not None and entry.rule.stale_if_error:
                    entry.keep_for_errors(now)
                else:
                    dropped += self._kept.remove(name) is not None
                    self._names.discard(key, name)
        return dropped

    def turn_off(self) -> None:
        """Close for good, and drop everything."""
        with self._lock:
            self._gate.close(for_good=True)
            self._clear()

    # Settings

    def resize(self, max_entries: int, max_bytes: int, eviction: str) -> None:
        """Use other bounds; what is over them goes."""
        with self._lock:
            self._kept.resize(max_entries, max_bytes, eviction)

    def use_rules(self, rule_of: Callable[[bytes], Rule | None]) -> None:
        """Keep what other rules allow too, for no longer than they allow."""
        with self._lock:
            now = self._clock()
            for flight in list(self._flights.values()):
                self._end(flight)
            for entry in list(self.entries.values()):
                rule = rule_of(entry.key)
                if rule is None or not entry.allowed_by(rule):
                    self._drop(entry)
                elif rule is not entry.rule:
                    entry.use_rule(rule, now)
