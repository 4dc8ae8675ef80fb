"""The plugin: what each kind of command does to the cache."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from redis_middleware import (
    NIL,
    Command,
    Flow,
    Middleware,
    Place,
    SettingsError,
    hookimpl,
)
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import note_answer, note_cache
from redis_middleware.readings import Metric
from redis_middleware_plugins.local_cache.listening import Listener
from redis_middleware_plugins.local_cache.metrics import metrics_of
from redis_middleware_plugins.local_cache.reading import CACHEABLE, single_key
from redis_middleware_plugins.local_cache.renewing import Renewals
from redis_middleware_plugins.local_cache.rules import Rule, Rules, overlaps
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings
from redis_middleware_plugins.local_cache.statistics import Statistics
from redis_middleware_plugins.local_cache.store import Store
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


class LocalCache(Renewals):
    """Answers reads from memory, and drops what changes.

    Args:
        settings: the table ``[local_cache]``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1, for the jitter of TTLs.
    """

    Settings = LocalCacheSettings

    def __init__(
        self,
        settings: LocalCacheSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(settings, clock, random)
        self._off = ""

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
        self._hot.stop()
        self._store.turn_off()

    def after_fork(self) -> None:
        """Begin anew in a child process: the parent's connection tells it nothing."""
        self._new_store()
        self._renewals = deque()
        self._wakeup = Wakeup()
        self._hot.forget()
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
            self._new_store()
            self._start()
        elif self._listener is None:
            self._open_without_reports()
        else:
            self._listener.guard()
        self._store.use_rules(self._rules.of)
        self._follow_hot_keys()
        self._ensure_renewals()

    def _new_store(self) -> None:
        self._use_store()
        if self._off:
            self._store.turn_off()

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

    def _follow_hot_keys(self) -> None:
        if self._middleware is not None and any(rule.hot_only for rule in self._rules):
            self._hot.follow(self._middleware)


def _text(arguments: Sequence[Any]) -> str:
    return "".join(
        argument.decode() if isinstance(argument, bytes) else str(argument)
        for argument in arguments
    )
