"""The plugin: what it does with each command, and its life."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from redis_middleware import Answer, Command, Flow, Middleware, Place, SettingsError, hookimpl
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import note_answer, note_cache
from redis_middleware.readings import Metric
from redis_middleware_plugins.local_cache.cache import NAME, Cache
from redis_middleware_plugins.local_cache.cacheable import CACHEABLE, are_exact, single_key
from redis_middleware_plugins.local_cache.changes import Changes
from redis_middleware_plugins.local_cache.fleet import Fleet
from redis_middleware_plugins.local_cache.listening import Listener
from redis_middleware_plugins.local_cache.metrics import metrics_of
from redis_middleware_plugins.local_cache.overlaps import overlaps
from redis_middleware_plugins.local_cache.reads import Reads
from redis_middleware_plugins.local_cache.renewing import Renewals
from redis_middleware_plugins.local_cache.rules import Rule, Rules
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings
from redis_middleware_plugins.local_cache.several import SeveralReads
from redis_middleware_plugins.local_cache.statistics import Statistics
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.writing import (
    CHANGES_CONNECTION,
    changes_all,
    changes_keys,
)

__all__ = ["LocalCache"]

_SINGLE, _PIPELINE = Place.SINGLE, Place.PIPELINE
_BOUNDS: Final = ("max_entries", "max_bytes", "eviction")
_LISTENING: Final = ("invalidation", "check_every", "fall_back_to_ttl")


class LocalCache:
    """Answers reads from memory, and drops what changes.

    Args:
        settings: the table ``[local_cache]``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1, for the jitter of TTLs.
        wall_clock: seconds since 1970, for what processes tell each other.
    """

    name = NAME
    Settings = LocalCacheSettings

    def __init__(
        self,
        settings: LocalCacheSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = Cache(settings, clock, random)
        self._renewals = Renewals(self._cache)
        self._reads = Reads(self._cache, self._renewals)
        self._several = SeveralReads(self._cache)
        self._changes = Changes(self._cache)
        self._fleet = Fleet(lambda: self._cache.settings.fleet, self.statistics, wall_clock, random)
        self._working: set[str] = set()

    # What code calls

    @property
    def store(self) -> Store:
        """The replies in memory."""
        return self._cache.store

    def rules(self) -> Iterator[Rule]:
        """The rules in force, in order."""
        return iter(self._cache.rules)

    def invalidate(self, key: bytes | str) -> int:
        """Drop every reply of one key.

        Args:
            key: the key as bytes on the wire, or as text in the client's encoding.

        Returns:
            How many entries were dropped.
        """
        middleware = self._cache.middleware
        if not isinstance(key, bytes):
            key = key.encode() if middleware is None else middleware.client.encode(key)
        return self.store.invalidate([key])

    def clear(self) -> int:
        """Drop everything; gives how many entries that were."""
        return self.store.clear()

    @property
    def state(self) -> str:
        """``"on"``; ``"partial"`` while some nodes of a cluster, whose keys are not cached, are
        not heard; or why nothing is cached: ``"connecting"``, ``"lost"``, ``"refused"``,
        ``"off"``."""
        if self._changes.off:
            return "off"
        listener = self._cache.listener
        return "on" if listener is None else listener.state

    def statistics(self) -> Statistics:
        """A reading of everything that is counted."""
        cache = self._cache
        listener, store = cache.listener, cache.store
        return Statistics(
            state=self.state,
            reason=self._changes.off or ("" if listener is None else listener.reason),
            mode=cache.settings.invalidation,
            entries=len(store),
            bytes=store.size,
            losses=0 if listener is None else listener.losses,
            messages=0 if listener is None else listener.reports.messages,
            malformed=0 if listener is None else listener.reports.malformed,
            rules=dict(cache.rules.counts),
        )

    def metrics(self) -> Iterable[Metric]:
        """The counts as metrics, for plugins that export such."""
        return metrics_of(self.statistics())

    def remarks(self) -> Sequence[str]:
        """What is allowed in the settings and may not be meant, for ``redis-middleware check``."""
        return overlaps(self._cache.settings.rules)

    # Life

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Start to listen."""
        cache = self._cache
        if cache.middleware is not None and cache.middleware is not middleware:
            raise SettingsError(
                "one LocalCache object serves one client: give the class or the name "
                '"local_cache" instead of the object'
            )
        cache.attach(middleware)
        self._start()

    @hookimpl
    def redis_detach(self) -> None:
        """Drop everything."""
        cache = self._cache
        if cache.listener is not None:
            cache.listener.stop()
        cache.hot.stop()
        cache.store.turn_off()

    def after_fork(self) -> None:
        """Begin anew in a child process: the parent's connection tells it nothing."""
        cache = self._cache
        self._use_new_store()
        for counts in cache.rules.counts.values():
            counts.forget()
        self._renewals.forget()
        cache.hot.forget()
        if cache.listener is None:
            self._open_without_reports()
        else:
            self._make_listener()

    def reconfigure(self, settings: LocalCacheSettings) -> None:
        """Use other settings from now on; entries that they allow too stay."""
        cache = self._cache
        before, cache.settings = cache.settings, settings
        replaced, cache.rules = cache.rules, Rules(settings.rules, cache.rules.counts)
        for rule in replaced:
            rule.is_in_force = False
        if _differ(before, settings, _BOUNDS):
            cache.store.resize(settings.max_entries, settings.max_bytes, settings.eviction)
        if _differ(before, settings, _LISTENING):
            if cache.listener is not None:
                cache.listener.stop()
                cache.listener = None
            cache.store.turn_off()
            self._use_new_store()
            self._start()
        elif cache.listener is None:
            self._open_without_reports()
        else:
            cache.listener.guard()
        cache.store.use_rules(cache.rules.of)
        cache.follow_hot_keys()
        self._work()

    def _use_new_store(self) -> None:
        self._cache.use_new_store()
        if self._changes.off:
            self.store.turn_off()

    def _start(self) -> None:
        cache = self._cache
        if cache.settings.invalidation == "ttl":
            self._open_without_reports()
        elif cache.middleware is not None:
            self._make_listener()
            cache.middleware.run_in_background(self.listen)
        self._work()

    def _make_listener(self) -> None:
        cache = self._cache
        assert cache.middleware is not None
        settings = cache.settings
        cache.listener = Listener(
            cache.store,
            self.rules,
            cache.middleware.client,
            settings.invalidation,
            check_every=settings.check_every,
            fall_back_to_ttl=settings.fall_back_to_ttl,
            clock=cache.clock,
        )

    def _open_without_reports(self) -> None:
        for rule in self.rules():
            rule.guard()
        self.store.trusted_until = math.inf
        self.store.open()

    # In the background

    def _work(self) -> None:
        """Start what the settings ask for and does not run yet."""
        wanted = {self.renew: self._renewals.are_wanted, self.tell: self._fleet.is_wanted}
        for flow, is_wanted in wanted.items():
            middleware = self._cache.middleware
            if middleware is not None and is_wanted and flow.__name__ not in self._working:
                self._working.add(flow.__name__)
                middleware.run_in_background(flow)

    def listen(self) -> Flow:
        """The background flow that keeps the cache right."""
        listener = self._cache.listener
        if listener is not None:
            yield from listener.listen()

    def renew(self) -> Flow:
        """The background flow that renews entries."""
        yield from self._renewals.renew()

    def tell(self) -> Flow:
        """The background flow that tells other processes what the cache does."""
        assert self._cache.middleware is not None
        yield from self._fleet.tell(self._cache.middleware.client)
        self._working.discard("tell")

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
    def redis_command(self, command: Command) -> Flow | Answer | None:
        """Answer a read from memory, or keep its reply; drop what a write changes."""
        # Each function that a hit or an ordinary miss calls would cost it some percent.
        cache = self._cache
        store = cache.store
        args = command.args
        try:
            entry = store.entries.get(args)
        except TypeError:
            # There is an argument that cannot be hashed.
            entry = None
        if (
            entry is not None
            and (now := cache.clock()) < entry.as_is_until
            and now < store.trusted_until
            and len(command.options) <= ("keys" in command.options)
            and (command.place is _SINGLE or command.place is _PIPELINE)
            and command.target is None
            and (entry.kinds is None or entry.kinds == tuple(map(type, args)))
        ):
            entry.counts.hits += 1
            store.used.append(args)
            if cache.is_watched:
                note_answer(command, NAME)
                note_cache(command, "hit")
            copier = entry.copier
            return entry.answer if copier is None else Answer(copier(entry.answer.reply))
        name = command.spec.name
        if name not in CACHEABLE:
            flows = self._several if name == "MGET" else self._changes
            return flows.around(command)
        key: bytes | None
        if cache.text_is_utf8 and len(args) == 2 and type(args[1]) is str:
            # Most reads have no other argument than a key of text, and most keys have no rule.
            if not args[1].startswith(cache.rules.text_prefixes):
                return None
            is_name = True
            try:
                key = args[1].encode()
            except UnicodeEncodeError:
                # redis-py refuses such a key, and tells the application.
                return None
        else:
            is_name = are_exact(args)
            key = single_key(command)
        rule = None if key is None else cache.rules.of(key)
        if key is None or rule is None:
            return None
        if (
            rule.is_ordinary
            and len(command.options) <= ("keys" in command.options)
            and (command.place is _SINGLE or command.place is _PIPELINE)
            and command.target is None
            and is_name
        ):
            return self._reads.fetch(command, key, rule, entry)
        return self._reads.read(command, key, rule)


def _differ(before: LocalCacheSettings, after: LocalCacheSettings, names: Sequence[str]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)
