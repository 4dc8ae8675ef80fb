"""Reads: answered from memory, or sent and kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_middleware import NIL, Command, Flow, Middleware, Once, Place
from redis_middleware.notes import CACHE, note_answer, note_cache
from redis_middleware.once import Lead
from redis_middleware_plugins.local_cache.hot_keys import HotKeys
from redis_middleware_plugins.local_cache.listening import Listener
from redis_middleware_plugins.local_cache.reading import identity
from redis_middleware_plugins.local_cache.rules import Rule, Rules
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings
from redis_middleware_plugins.local_cache.store import Entry, Flight, Store
from redis_middleware_plugins.local_cache.tracked import NotTrackedError, read_tracked
from redis_middleware_plugins.local_cache.waking import Wakeup

__all__ = ["Reads"]

_SINGLE: Final = Place.SINGLE
_PIPELINE: Final = Place.PIPELINE
_UNREACHABLE: Final = (RedisConnectionError, RedisTimeoutError)


class Reads:
    """The flows of reads, and what they look at.

    Args:
        settings: the table ``[local_cache]``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1.
    """

    name = "local_cache"

    def __init__(
        self,
        settings: LocalCacheSettings,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._random = random
        self._settings = settings
        self._rules = Rules(settings.rules)
        self._hot = HotKeys(self._cooled)
        self._middleware: Middleware | None = None
        self._listener: Listener | None = None
        self._is_watched = False
        self._renewals: deque[tuple[Command, Entry]] = deque()
        self._wakeup = Wakeup()
        self._renews = False
        self._use_store()

    def _use_store(self) -> None:
        settings = self._settings
        self._store = Store(
            settings.max_entries, settings.max_bytes, settings.eviction, self._clock, self._random
        )
        self._is_tracking = settings.invalidation == "tracking"
        self._entries = self._store.entries
        self._used = self._store.used

    def _cooled(self, key: bytes) -> None:
        rule = self._rules.of(key)
        if rule is not None and rule.hot_only:
            self._store.invalidate([key])

    def _ordinary_miss(self, command: Command, key: bytes, rule: Rule) -> Flight | None:
        """The flight of a read of which nothing is known, and which asks for nothing unusual."""
        options, store = command.options, self._store
        if (
            len(options) > ("keys" in options)
            or (command.place is not _SINGLE and command.place is not _PIPELINE)
            or command.target is not None
            or not rule.is_guarded
            or rule.hot_only
            or self._is_tracking
            or self._clock() >= store.trusted_until
        ):
            return None
        for argument in command.args:
            if type(argument) is not str and type(argument) is not bytes:
                return None
        flight = store.begin_alone(command.args, key)
        if flight is not None:
            rule.counts.misses += 1
        return flight

    def _may_answer(self, command: Command) -> bool:
        return (command.place is _SINGLE or command.place is _PIPELINE) and command.target is None

    def _read(self, command: Command, key: bytes, rule: Rule) -> Flow:
        store = self._store
        name = identity(command) if self._may_answer(command) else None
        if name is None:
            return (yield from self._read_past(command, store, key))
        if self._clock() >= store.trusted_until and not (yield from self._regain_trust()):
            # What is read from the server now must not be followed by what is in memory.
            store.invalidate([key])
        entry = store.entries.get(name)
        if entry is not None and self._serves(entry, command):
            return _handed_out(entry)
        rule.counts.misses += 1
        if self._is_watched:
            note_cache(command, "miss")
        flight, leads = self._take_off(store, name, key, rule)
        try:
            if flight is None:
                return (yield from self._read_past(command, store, key))
            if not leads:
                return (yield from self._follow(command, store, flight))
            if self._is_tracking:
                reply = yield from self._read_tracked(command)
            else:
                reply = yield command
        except NotTrackedError as unkept:
            if flight is not None:
                store.end(flight)
                store.invalidate([key])
                if flight.lead is not None:
                    self._publish(flight, unkept.reply)
            return NIL if unkept.reply is None else unkept.reply
        except BaseException as error:
            if flight is not None and leads:
                self._give_up(store, flight, error)
            stale = self._for_error(store, name, error, command)
            if stale is None:
                raise
            return _handed_out(stale)
        store.keep(flight, reply, rule)
        if flight.lead is not None:
            self._publish(flight, reply)
        return NIL if reply is None else reply

    def _read_past(self, command: Command, store: Store, key: bytes) -> Flow:
        """Read from the server past the cache; what is in memory may be older than the reply."""
        reply = yield command
        store.invalidate([key])
        return reply

    def _follow(self, command: Command, store: Store, flight: Flight) -> Flow:
        """Share the reply of another caller's read."""
        assert flight.lead is not None
        lead = flight.lead[1]
        reply = yield Once(flight, command)
        if not lead.done() or lead.exception() is not None or lead.result() != reply:
            # The other one had ended in the meantime, and this was a read of its own.
            store.invalidate([flight.key])
        return reply

    def _serves(self, entry: Entry, command: Command) -> bool:
        """Whether an entry may be handed out now; renews it where that is due."""
        now = self._clock()
        rule, store = entry.rule, self._store
        if now >= entry.as_is_until or not store.is_open:
            if not store.is_open or now >= entry.expires + rule.stale_while_revalidate:
                if now >= entry.ends:
                    store.drop(entry)
                return False
            if now >= entry.expires:
                rule.counts.stale_hits += 1
                note_cache(command, "stale")
            if not entry.is_refreshing:
                entry.is_refreshing = True
                self._renewals.append((command.replace(), entry))
                self._wakeup.set()
        rule.counts.hits += 1
        self._used.append(entry.name)
        if self._is_watched:
            note_answer(command, self.name)
            command.notes.setdefault(CACHE, "hit")
        return True

    def _take_off(
        self, store: Store, name: Hashable, key: bytes, rule: Rule
    ) -> tuple[Flight | None, bool]:
        if not rule.is_guarded or (rule.hot_only and key not in self._hot):
            return None, False
        return store.begin(name, key, self._lead)

    def _regain_trust(self) -> Flow:
        listener = self._listener
        return True if listener is None else (yield from listener.regain_trust())

    def _read_tracked(self, command: Command) -> Flow:
        listener = self._listener
        if listener is None:
            raise NotTrackedError((yield command))
        return (yield from read_tracked(command, listener))

    def _lead(self, flight: Flight) -> tuple[Hashable, Lead]:
        assert self._middleware is not None
        key = (self.name, flight)
        return key, self._middleware.once.join(key)[0]

    def _publish(self, flight: Flight, outcome: Any) -> None:
        assert self._middleware is not None
        assert flight.lead is not None
        self._middleware.once.publish(*flight.lead, outcome)

    def _give_up(self, store: Store, flight: Flight, error: BaseException) -> None:
        store.end(flight)
        if flight.lead is not None and self._middleware is not None:
            if isinstance(error, Exception) and not isinstance(error, NotTrackedError):
                self._publish(flight, error)
            else:
                self._middleware.once.abandon(*flight.lead)

    def _for_error(
        self, store: Store, name: Hashable, error: BaseException, command: Command
    ) -> Entry | None:
        """The entry that stands in for the server that could not be reached, if there is one."""
        if not isinstance(error, _UNREACHABLE):
            return None
        entry = store.entries.get(name)
        if (
            entry is None
            or not entry.rule.stale_if_error
            or self._clock() >= entry.expires + entry.rule.stale_if_error
        ):
            return None
        entry.rule.counts.served_on_error += 1
        note_answer(command, self.name)
        note_cache(command, "stale")
        return entry


def _handed_out(entry: Entry) -> Any:
    if entry.copier is not None:
        return entry.copier(entry.value)
    return NIL if entry.value is None else entry.value
