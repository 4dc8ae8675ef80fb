"""The store against a model of a server: whatever happens in whatever order, it is right."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from redis_middleware.commands import key_slot
from redis_middleware.testing import FakeClock
from redis_middleware_plugins.local_cache import LocalCacheSettings
from redis_middleware_plugins.local_cache.entries import ENTRY_OVERHEAD, Entry
from redis_middleware_plugins.local_cache.rules import Rules
from redis_middleware_plugins.local_cache.store import Store

_KEYS = [b"a", b"b"]
_COMMANDS = ["GET", "STRLEN"]
_MOST_ENTRIES = 3
_MOST_BYTES = 3 * (ENTRY_OVERHEAD + 40)

keys = st.sampled_from(_KEYS)
names = st.tuples(st.sampled_from(_COMMANDS), keys)


class StoreMachine(RuleBasedStateMachine):
    """Reads, writes by this client and by others, reports on their way, losses, other settings.

    The values are versions of their key. ``floors`` has for each key the version that the store was
    told of: by a report that was delivered, or by a write of its own client.
    """

    @initialize(eviction=st.sampled_from(["lru", "lfu", "ttl"]))
    def start(self, eviction: str) -> None:
        """Begin with an empty store that is open."""
        self.clock = FakeClock()
        self.key_rules = self._rules(ttl=10)
        self.store = Store(_MOST_ENTRIES, _MOST_BYTES, eviction, self.clock, lambda: 0.5)
        self.eviction = eviction
        self.store.open()
        self.versions = dict.fromkeys(_KEYS, 0)
        self.floors = dict.fromkeys(_KEYS, 0)
        self.reports: list[tuple[bytes, int]] = []
        self.flights: list[tuple[Entry, int | None]] = []
        self.writes: list[bytes] = []
        self.closed: frozenset[int] = frozenset()

    def _rules(self, ttl: float) -> Rules:
        rules = [{"keys": "a", "ttl": ttl, "stale_if_error": 5}, {"keys": "*", "ttl": 2 * ttl}]
        return Rules(LocalCacheSettings.model_validate({"rules": rules}).rules)

    def _rule(self, key: bytes) -> Any:
        found = self.key_rules.of(key)
        assert found is not None
        return found

    # Reads

    @rule(name=names)
    def take_off(self, name: tuple[str, bytes]) -> None:
        """A read begins."""
        flight = self.store.begin(name, name[1], self._rule(name[1]))
        if flight is not None:
            self.flights.append((flight, None))

    @rule(name=names)
    def join(self, name: tuple[str, bytes]) -> None:
        """A read begins, or finds one to follow."""
        lead: Any = ("lead", None)
        key = name[1]
        flight, leads = self.store.join(name, key, self._rule(key), lambda _: lead)
        assert not leads or (key not in self.writes and key_slot(key) not in self.closed)
        if leads and flight is not None:
            self.flights.append((flight, None))

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def server_reads(self, data: st.DataObject) -> None:
        """The server handles a read; its reply is on its way."""
        index = data.draw(st.integers(0, len(self.flights) - 1))
        flight, read = self.flights[index]
        if read is None:
            self.flights[index] = (flight, self.versions[flight.key])

    @precondition(lambda self: any(read is not None for _, read in self.flights))
    @rule(data=st.data(), length=st.integers(1, 400), renamed=st.booleans())
    def reply_comes(self, data: st.DataObject, length: int, renamed: bool) -> None:
        """A reply is kept, if it may be: the version, in some more or less bytes."""
        ready = [index for index, (_, read) in enumerate(self.flights) if read is not None]
        flight, read = self.flights.pop(data.draw(st.sampled_from(ready)))
        name = ("other name", flight.key) if renamed else None
        self.store.keep(flight, b"%0*d" % (length, read or 0), name)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def read_fails(self, data: st.DataObject) -> None:
        """A read fails."""
        index = data.draw(st.integers(0, len(self.flights) - 1))
        self.store.end(self.flights.pop(index)[0])

    @rule(name=names)
    def hit(self, name: tuple[str, bytes]) -> None:
        """An entry is used."""
        if name in self.store.entries:
            self.store.used.append(name)

    # Writes

    @rule(key=keys)
    def other_writes(self, key: bytes) -> None:
        """Another client writes; the report of it is on its way."""
        self.versions[key] += 1
        self.reports.append((key, self.versions[key]))

    @precondition(lambda self: self.reports)
    @rule()
    def report_comes(self) -> None:
        """The oldest report is handled."""
        key, version = self.reports.pop(0)
        self.store.invalidate([key])
        self.floors[key] = max(self.floors[key], version)

    @rule(key=keys)
    def own_write_begins(self, key: bytes) -> None:
        """This client sends a write; the server handles it at once or never."""
        self.store.writing([key])
        self.writes.append(key)

    @precondition(lambda self: self.writes)
    @rule(happens=st.booleans())
    def own_write_ends(self, happens: bool) -> None:
        """The reply of this client's oldest write comes, or it fails."""
        key = self.writes.pop(0)
        if happens:
            self.versions[key] += 1
            self.floors[key] = self.versions[key]
        self.store.written([key])

    # What happens to all of it, now and then

    @rule(closed=st.sets(keys, max_size=1))
    def nodes_change(self, closed: set[bytes]) -> None:
        """The node of a key is not heard any more, or is again."""
        self.closed = frozenset(map(key_slot, closed))
        self.store.open(but=self.closed)

    @rule()
    def channel_is_lost(self) -> None:
        """Nothing is heard for a while, in which all keys change."""
        self.store.close()
        self.reports.clear()
        for key in _KEYS:
            self.versions[key] += 1
        self.floors = dict(self.versions)
        self.store.open(but=self.closed)

    @rule(data=st.data())
    def something_rare_happens(self, data: st.DataObject) -> None:
        """One of the things that happen to all entries."""
        happens = data.draw(
            st.sampled_from(
                (
                    self._time_goes_by,
                    self._is_flushed,
                    self._other_rules,
                    self._other_bounds,
                )
            )
        )
        happens(data)

    def _is_flushed(self, data: st.DataObject) -> None:
        self.store.clear()
        self.floors = dict(self.versions)

    def _time_goes_by(self, data: st.DataObject) -> None:
        self.clock.advance(data.draw(st.floats(0, 15)))

    def _other_rules(self, data: st.DataObject) -> None:
        self.key_rules = self._rules(data.draw(st.floats(0.5, 20)))
        self.store.use_rules(self.key_rules.of)

    def _other_bounds(self, data: st.DataObject) -> None:
        self.store.resize(_MOST_ENTRIES, _MOST_BYTES, self.eviction)

    # What holds at all times

    def _served(self) -> list[Entry]:
        now = self.clock()
        return [entry for entry in self.store.entries.values() if now < entry.as_is_until]

    @invariant()
    def nothing_comes_back(self) -> None:
        """Nothing is served that is older than what the store was told of."""
        for entry in self._served():
            assert int(entry.answer.reply) >= self.floors[entry.key], entry.name

    @invariant()
    def nothing_is_served_of_what_is_not_known(self) -> None:
        """Keys that are being written, and those of nodes that are not heard, are not served."""
        for entry in self._served():
            assert entry.key not in self.writes
            assert key_slot(entry.key) not in self.closed

    @invariant()
    def it_is_bounded(self) -> None:
        """Neither bound is passed, and what is told of the size is so."""
        entries = list(self.store.entries.values())
        assert len(entries) <= _MOST_ENTRIES
        assert self.store.size == sum(entry.size for entry in entries) <= _MOST_BYTES

    def teardown(self) -> None:
        """Every entry is known by its key, and the counts of the rules are right."""
        if not hasattr(self, "store"):
            return
        held = sum(entry.size for entry in self.store.entries.values())
        assert sum(counts.bytes for counts in self.key_rules.counts.values()) <= held
        self.store.invalidate(_KEYS)
        assert len(self.store) == 0
        assert self.store.size == 0
        assert all(counts.bytes == 0 for counts in self.key_rules.counts.values())


StoreMachine.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_store = StoreMachine.TestCase
