"""The plugin: what each kind of command does to the cache."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_middleware import (
    NIL,
    Call,
    Command,
    Flow,
    Middleware,
    Once,
    Place,
    SettingsError,
    hookimpl,
)
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import CACHE, note_answer, note_cache
from redis_middleware.once import Lead
from redis_middleware.readings import Metric
from redis_middleware_plugins.local_cache.listening import Listener
from redis_middleware_plugins.local_cache.metrics import metrics_of
from redis_middleware_plugins.local_cache.reading import CACHEABLE, identity, single_key
from redis_middleware_plugins.local_cache.rules import Rule, Rules, overlaps
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings
from redis_middleware_plugins.local_cache.statistics import Statistics
from redis_middleware_plugins.local_cache.store import Entry, Flight, Store
from redis_middleware_plugins.local_cache.tracked import NotTrackedError, read_tracked
from redis_middleware_plugins.local_cache.waking import Wakeup
from redis_middleware_plugins.local_cache.writing import (
    CHANGES_CONNECTION,
    changes_all,
    changes_keys,
    written_keys,
)

__all__ = ["LocalCache"]

logger = logging.getLogger("redis_middleware.local_cache")

_SINGLE, _PIPELINE = Place.SINGLE, Place.PIPELINE
_RENEWED_TOGETHER = 64
_UNREACHABLE = (RedisConnectionError, RedisTimeoutError)


class LocalCache:
    """Answers reads from memory, and drops what changes.

    Args:
        settings: the table ``[local_cache]``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1, for the jitter of TTLs.
    """

    name = "local_cache"
    Settings = LocalCacheSettings

    def __init__(
        self,
        settings: LocalCacheSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._random = random
        self._settings = settings
        self._rules = Rules(settings.rules)
        self._hot: set[bytes] = set()
        self._middleware: Middleware | None = None
        self._listener: Listener | None = None
        self._off = ""
        self._is_watched = False
        self._unsubscribe: Callable[[], None] | None = None
        self._renewals: deque[tuple[Command, Entry]] = deque()
        self._wakeup = Wakeup()
        self._renews = False
        self._use_store()

    def _use_store(self) -> None:
        settings = self._settings
        self._store = Store(
            settings.max_entries, settings.max_bytes, settings.eviction, self._clock, self._random
        )
        if self._off:
            self._store.turn_off()
        self._is_tracking = settings.invalidation == "tracking"
        self._entries = self._store.entries
        self._used = self._store.used

    # What code calls

    @property
    def store(self) -> Store:
        """The replies in memory."""
        return self._store

    def rules(self) -> Iterator[Rule]:
        """The rules in force, in order."""
        return iter(self._rules)

    def invalidate(self, key: bytes | str) -> int:
        """Drop every reply of one key.

        Args:
            key: the key as bytes on the wire, or as text in the client's encoding.

        Returns:
            How many entries were dropped.
        """
        if not isinstance(key, bytes):
            key = key.encode() if self._middleware is None else self._middleware.client.encode(key)
        return self._store.invalidate([key])

    def clear(self) -> int:
        """Drop everything; gives how many entries that were."""
        return self._store.clear()

    @property
    def state(self) -> str:
        """``"on"``, or why nothing is cached: ``"connecting"``, ``"lost"``, ``"refused"``,
        ``"off"``."""
        if self._off:
            return "off"
        return "on" if self._listener is None else self._listener.state

    def statistics(self) -> Statistics:
        """A reading of everything that is counted."""
        listener = self._listener
        return Statistics(
            state=self.state,
            reason=self._off or ("" if listener is None else listener.reason),
            mode=self._settings.invalidation,
            entries=len(self._store),
            bytes=self._store.size,
            losses=0 if listener is None else listener.losses,
            messages=0 if listener is None else listener.messages,
            malformed=0 if listener is None else listener.malformed,
            rules=dict(self._rules.counts),
        )

    def metrics(self) -> Iterable[Metric]:
        """The counts as metrics, for plugins that export such."""
        return metrics_of(self.statistics())

    def remarks(self) -> Sequence[str]:
        """What is allowed in the settings and may not be meant, for ``redis-middleware check``."""
        return overlaps(self._settings.rules)

    # Life

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Start to listen."""
        if self._middleware is not None and self._middleware is not middleware:
            raise SettingsError(
                "one LocalCache object serves one client: give the class or the name "
                '"local_cache" instead of the object'
            )
        self._middleware = middleware
        self._is_watched = len(middleware.plugins) > 1
        self._follow_hot_keys()
        self._start()

    @hookimpl
    def redis_detach(self) -> None:
        """Drop everything."""
        if self._listener is not None:
            self._listener.stop()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._store.turn_off()

    def after_fork(self) -> None:
        """Begin anew in a child process: the parent's connection tells it nothing."""
        self._use_store()
        self._renewals = deque()
        self._wakeup = Wakeup()
        self._hot = set()
        if self._listener is None:
            self._open_without_reports()
        else:
            self._make_listener()

    def reconfigure(self, settings: LocalCacheSettings) -> None:
        """Use other settings from now on; entries that they allow too stay."""
        before, self._settings = self._settings, settings
        self._rules = Rules(settings.rules, self._rules.counts)
        bounds = (settings.max_entries, settings.max_bytes, settings.eviction)
        if bounds != (before.max_entries, before.max_bytes, before.eviction):
            self._store.resize(*bounds)
        listening = ("invalidation", "check_every", "fall_back_to_ttl")
        if any(getattr(settings, name) != getattr(before, name) for name in listening):
            if self._listener is not None:
                self._listener.stop()
                self._listener = None
            self._store.turn_off()
            self._use_store()
            self._start()
        elif self._listener is None:
            self._open_without_reports()
        else:
            self._listener.guard()
        self._store.use_rules(self._rules.of)
        self._follow_hot_keys()
        self._ensure_renewals()

    def _start(self) -> None:
        if self._settings.invalidation == "ttl":
            self._open_without_reports()
        elif self._middleware is not None:
            self._make_listener()
            self._middleware.run_in_background(self.listen)
        self._ensure_renewals()

    def _make_listener(self) -> None:
        assert self._middleware is not None
        settings = self._settings
        self._listener = Listener(
            self._store,
            self.rules,
            self._middleware.client,
            settings.invalidation,
            check_every=settings.check_every,
            fall_back_to_ttl=settings.fall_back_to_ttl,
            clock=self._clock,
        )

    def _open_without_reports(self) -> None:
        for rule in self._rules:
            rule.is_guarded = True
        self._store.trusted_until = math.inf
        self._store.open()

    def listen(self) -> Flow:
        """The background flow that keeps the cache right."""
        listener = self._listener
        if listener is not None:
            yield from listener.listen()

    # Commands

    def wants(self, spec: CommandSpec) -> bool:
        """Reads of single keys, MGET, writes, and what changes a connection."""
        name = spec.name
        return (
            name in CACHEABLE
            or name == "MGET"
            or changes_keys(spec)
            or changes_all(spec)
            or name in CHANGES_CONNECTION
        )

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Answer a read from memory, or keep its reply; drop what a write changes."""
        args, options = command.args, command.options
        try:
            entry = self._entries.get(args)
        except TypeError:
            entry = None
        if (
            entry is not None
            and (now := self._clock()) < entry.as_is_until
            and now < self._store.trusted_until
            and len(options) <= ("keys" in options)
            and (command.place is _SINGLE or command.place is _PIPELINE)
            and command.target is None
        ):
            entry.counts.hits += 1
            self._used.append(args)
            if self._is_watched:
                note_answer(command, self.name)
                note_cache(command, "hit")
            copier = entry.copier
            if copier is not None:
                return copier(entry.value)
            return NIL if entry.value is None else entry.value
        name = command.spec.name
        if name not in CACHEABLE:
            if name == "MGET":
                return (yield from self._read_several(command))
            return (yield from self._change(command))
        key = single_key(command)
        rule = None if key is None else self._rules.of(key)
        if key is None or rule is None:
            return (yield command)
        is_alone = entry is None or self._clock() >= entry.ends
        flight = self._ordinary_miss(command, key, rule) if is_alone else None
        if flight is None:
            return (yield from self._read(command, key, rule))
        if self._is_watched:
            note_cache(command, "miss")
        # What follows is the way of nearly every miss, at little more than the cost of the read.
        store = self._store
        try:
            reply = yield command
        except BaseException as error:
            self._give_up(store, flight, error)
            raise
        store.keep(flight, reply, rule)
        if flight.lead is not None:
            self._publish(flight, reply)
        return reply

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
            if isinstance(error, Exception):
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

    def _read_several(self, command: Command) -> Flow:
        """Answer an MGET with what is there, and ask for the rest."""
        args, options = command.args, command.options
        if not self._may_answer(command) or len(options) > ("keys" in options):
            return (yield command)
        try:
            keys = command.keys
        except DataError:
            return (yield command)
        store = self._store
        if self._clock() >= store.trusted_until and not (yield from self._regain_trust()):
            store.invalidate(keys)
        parts = [_Part(argument, key) for argument, key in zip(args[1:], keys, strict=True)]
        for part in parts:
            self._look_up(part)
        missing = [part for part in parts if not part.is_known]
        if not missing:
            return [part.value for part in parts]
        for part in missing:
            self._take_off_part(store, part)
        asked = command
        if len(missing) < len(parts):
            rest = [part.argument for part in missing]
            asked = command.replace(args=("MGET", *rest), options={**options, "keys": rest})
        try:
            replies = yield asked
        except BaseException as error:
            for part in missing:
                if part.flight is not None:
                    self._give_up(store, part.flight, error)
            raise
        for part, reply in zip(missing, replies, strict=True):
            part.value = reply
            if part.rule is not None:
                self._keep_part(store, part, part.rule)
        return [part.value for part in parts]

    def _keep_part(self, store: Store, part: _Part, rule: Rule) -> None:
        flight = part.flight
        if flight is None:
            store.invalidate([part.key])
            return
        # GET tells a key of another type by an error, MGET by nil: that nil is MGET's own.
        store.keep(flight, part.value, rule, part.name if part.value is None else None)
        if flight.lead is not None and self._middleware is not None:
            if part.value is None:
                self._middleware.once.abandon(*flight.lead)
            else:
                self._publish(flight, part.value)

    def _look_up(self, part: _Part) -> None:
        part.rule = rule = self._rules.of(part.key)
        if rule is None or type(part.argument) not in (str, bytes):
            return
        entries = self._store.entries
        for name in (("GET", part.argument), part.name):
            entry = entries.get(name)
            if entry is not None and self._clock() < entry.as_is_until:
                rule.counts.hits += 1
                self._used.append(name)
                part.is_known, part.value = True, entry.value
                return

    def _take_off_part(self, store: Store, part: _Part) -> None:
        rule = part.rule
        if rule is None or type(part.argument) not in (str, bytes):
            return
        rule.counts.misses += 1
        if self._is_tracking:
            # The server remembers the reads of a connection; MGET is sent as it is.
            return
        flight, leads = self._take_off(store, ("GET", part.argument), part.key, rule)
        part.flight = flight if leads else None

    def _change(self, command: Command) -> Flow:
        spec, store = command.spec, self._store
        if spec.name in CHANGES_CONNECTION:
            self._notice_connection_change(command)
            return (yield command)
        if changes_all(spec):
            store.writing_all()
            try:
                return (yield command)
            finally:
                store.written_all()
                store.clear()
        keys = written_keys(command)
        if spec.is_blocking:
            # It may wait for long before it writes: reads of its keys go on meanwhile.
            store.invalidate(keys)
            try:
                return (yield command)
            finally:
                store.invalidate(keys)
        store.writing(keys)
        try:
            return (yield command)
        finally:
            store.written(keys)

    def _notice_connection_change(self, command: Command) -> None:
        """Go off for good where a connection of the pool is not what the cache takes it for."""
        name, args = command.spec.name, command.wire
        if name == "SELECT" and _text(args[1:2]) == str(command.client.db):
            return
        if name.startswith("CLIENT ") and self._settings.invalidation != "tracking":
            return
        if name == "HELLO" and len(args) == 1:
            return
        self._off = (
            f"the application sent {name} on one of the client's connections, whose replies may "
            "be others than those of the rest; wrap a client that is set up so from its start"
        )
        logger.warning("local_cache is off: %s", self._off)
        self._store.turn_off()

    # Renewal in the background

    def _ensure_renewals(self) -> None:
        wanted = any(rule.refresh_ahead or rule.stale_while_revalidate for rule in self._rules)
        if wanted and not self._renews and self._middleware is not None:
            self._renews = True
            self._middleware.run_in_background(self.renew)

    def renew(self) -> Flow:
        """The background flow that renews entries which are about to end, or just have."""
        while True:
            yield Call(lambda: self._wakeup.wait(), lambda: self._wakeup.wait_async())
            while self._renewals:
                yield from self._renew_some()

    def _renew_some(self) -> Flow:
        store = self._store
        taken: list[tuple[Command, Entry, Flight]] = []
        while self._renewals and len(taken) < _RENEWED_TOGETHER:
            command, entry = self._renewals.popleft()
            flight, leads = self._take_off(store, entry.name, entry.key, entry.rule)
            if flight is not None and leads:
                taken.append((command, entry, flight))
            else:
                entry.is_refreshing = False
        if not taken:
            return
        try:
            replies = yield [command for command, _, _ in taken]
        except BaseException as error:
            for _, entry, flight in taken:
                entry.is_refreshing = False
                self._give_up(store, flight, error)
            raise
        for (_, entry, flight), reply in zip(taken, replies, strict=True):
            entry.is_refreshing = False
            if isinstance(reply, Exception):
                self._give_up(store, flight, reply)
                continue
            entry.rule.counts.refreshes += 1
            store.keep(flight, reply, entry.rule)
            if flight.lead is not None:
                self._publish(flight, reply)

    # Hot keys

    def _follow_hot_keys(self) -> None:
        """Listen to key_access where a rule asks for hot keys only."""
        if self._middleware is None or self._unsubscribe is not None:
            return
        if not any(rule.hot_only for rule in self._rules):
            return
        key_access = self._middleware.plugins.get("key_access")
        if key_access is None or not hasattr(key_access, "subscribe"):
            logger.warning(
                "local_cache has rules with hot_only, and the plugin key_access, which tells what "
                "is hot, is not enabled: nothing is cached by these rules; add key_access to the "
                "list of plugins"
            )
            return
        self._unsubscribe = key_access.subscribe(self._heat)
        self._hot.update(key_access.hot_keys)

    def _heat(self, event: Any) -> None:
        """Take up a key that became hot, drop one that cooled down."""
        key = event.hot_key.key
        if event.change == "became hot":
            self._hot.add(key)
            return
        self._hot.discard(key)
        rule = self._rules.of(key)
        if rule is not None and rule.hot_only:
            self._store.invalidate([key])


class _Part:
    """One key of an MGET.

    Attributes:
        argument: the key as the application gave it.
        key: the key on the wire.
        name: what its nil is kept under.
        rule: the rule for it.
        is_known: whether its value was in memory.
        value: its value.
        flight: the flight of its read.
    """

    __slots__ = ("argument", "flight", "is_known", "key", "name", "rule", "value")

    def __init__(self, argument: Any, key: bytes) -> None:
        self.argument = argument
        self.key = key
        self.name = ("MGET", argument)
        self.rule: Rule | None = None
        self.is_known = False
        self.value: Any = None
        self.flight: Flight | None = None


def _text(arguments: Sequence[Any]) -> str:
    return "".join(
        argument.decode() if isinstance(argument, bytes) else str(argument)
        for argument in arguments
    )


def _handed_out(entry: Entry) -> Any:
    if entry.copier is not None:
        return entry.copier(entry.value)
    return NIL if entry.value is None else entry.value
