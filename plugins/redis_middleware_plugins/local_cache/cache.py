"""What the flows of the plugin share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from redis_middleware import Command, Flow, Middleware, Place
from redis_middleware.once import Lead
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.hot_keys import HotKeys
from redis_middleware_plugins.local_cache.listening import Listener
from redis_middleware_plugins.local_cache.rules import Rule, Rules
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.tracked import NotTrackedError

__all__ = ["NAME", "Cache"]

NAME: Final = "local_cache"
"""The plugin's name."""

_SINGLE, _PIPELINE = Place.SINGLE, Place.PIPELINE


class Cache:
    """The store and the rules in force, and who keeps the one right by the other.

    Args:
        settings: the table ``[local_cache]``.
        clock: seconds from any fixed point.
        random: numbers from 0 to 1.

    Attributes:
        settings: the settings in force.
        rules: the rules in force.
        store: the replies.
        hot: the keys that are hot now.
        middleware: the wrapped client's handle, once the plugin is attached.
        listener: who keeps the store right; ``None`` where that is by TTL alone.
        pipeline: the pipeline of plugins that was looked at last.
        is_watched: whether there are other plugins, which may look at the notes of a command.
        text_is_utf8: whether text goes over the wire as UTF-8, as it mostly does.
    """

    def __init__(
        self,
        settings: LocalCacheSettings,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.clock = clock
        self._random = random
        self.settings = settings
        self.rules = Rules(settings.rules)
        self.hot = HotKeys(self._cooled)
        self.middleware: Middleware | None = None
        self.listener: Listener | None = None
        self.is_watched = False
        self.pipeline: object = None
        self._plugins: Mapping[str, Any] = {}
        self.text_is_utf8 = False
        self.use_new_store()

    def use_new_store(self) -> None:
        """Begin with an empty store, which is closed."""
        settings = self.settings
        self.store = Store(
            settings.max_entries, settings.max_bytes, settings.eviction, self.clock, self._random
        )

    def _cooled(self, key: bytes) -> None:
        rule = self.rules.of(key)
        if rule is not None and rule.hot_only:
            self.store.invalidate([key])

    @property
    def is_tracking(self) -> bool:
        """Whether the server remembers what is read."""
        return self.settings.invalidation == "tracking"

    def attach(self, middleware: Middleware) -> None:
        """Serve this client from now on."""
        self.middleware = middleware
        try:
            self.text_is_utf8 = middleware.client.encode("\u00e9") == "\u00e9".encode()
        except UnicodeError:
            self.text_is_utf8 = False
        self.look_around()

    def look_around(self) -> None:
        """See which other plugins there are now."""
        if self.middleware is None:
            return
        # In this order: the plugins change first.
        self.pipeline = self.middleware.pipeline
        plugins = self.middleware.plugins
        if plugins is not self._plugins:
            self._plugins = plugins
            self.is_watched = len(plugins) > 1
            self.follow_hot_keys()

    def follow_hot_keys(self) -> None:
        """Learn which keys are hot, if any rule wants that."""
        # A read that was under way may come here after the cache was taken out.
        if NAME in self._plugins and any(rule.hot_only for rule in self.rules):
            self.hot.follow(self._plugins.get("key_access"))

    def may_answer(self, command: Command) -> bool:
        """Whether a command may be answered from memory where it stands."""
        return (command.place is _SINGLE or command.place is _PIPELINE) and command.target is None

    def regain_trust(self) -> Flow:
        """A flow that returns whether the store is known to be kept right at this moment."""
        if self.clock() < self.store.trusted_until:
            return True
        return self.listener is None or (yield from self.listener.regain_trust())

    # Flights

    def take_off(
        self, store: Store, name: Hashable, key: bytes, rule: Rule
    ) -> tuple[Entry | None, bool]:
        """Take a place for a read, or find who is at it, as :meth:`Store.join` does."""
        if not rule.is_guarded or (rule.hot_only and key not in self.hot):
            return None, False
        return store.join(name, key, rule, self._lead)

    def _lead(self, flight: Entry) -> tuple[Hashable, Lead]:
        assert self.middleware is not None
        key = (NAME, flight)
        return key, self.middleware.once.join(key)[0]

    def publish(self, flight: Entry, outcome: Any) -> None:
        """Give the outcome of a flight to those who wait for it."""
        lead, flight.lead = flight.lead, None
        if lead is not None and self.middleware is not None:
            self.middleware.once.publish(*lead, outcome)

    def abandon(self, flight: Entry) -> None:
        """Let those who wait for a flight start again."""
        lead, flight.lead = flight.lead, None
        if lead is not None and self.middleware is not None:
            self.middleware.once.abandon(*lead)

    def give_up(self, store: Store, flight: Entry, error: BaseException) -> None:
        """End a flight that failed."""
        store.end(flight)
        if isinstance(error, Exception) and not isinstance(error, NotTrackedError):
            self.publish(flight, error)
        else:
            self.abandon(flight)
