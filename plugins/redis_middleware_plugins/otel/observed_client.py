"""What the plugin keeps for each client that it watches."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.context import get_current

from redis_middleware import ClientView, Middleware, ServerAddress
from redis_middleware.redispy.pools import observe_pools, release_pools
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.client_facts import ClientFacts
from redis_middleware_plugins.otel.instruments import Instruments
from redis_middleware_plugins.otel.rivals import Rivals
from redis_middleware_plugins.otel.settings import OtelSettings

__all__ = ["ObservedClient"]


class ObservedClient:
    """A client that is watched.

    Args:
        view: facts of the client.
        settings: the table ``[otel]``.

    Attributes:
        view: facts of the client.
        facts: the templates of its calls.
        rivals: other instrumentation of the client.
        middleware: its handle, once the plugin is attached to it.
    """

    def __init__(self, view: ClientView, settings: OtelSettings) -> None:
        self.view = view
        self.rivals = Rivals(view)
        self.middleware: Middleware | None = None
        self._instruments: Instruments | None = None
        self._plugins: Mapping[str, object] = {}
        self._waits_are_told = False
        self.use(settings)

    def use(self, settings: OtelSettings) -> None:
        """Go by other settings from now on."""
        length = None if settings.query == "off" else settings.query_length
        self.facts = ClientFacts(self.view, length)
        self._times = settings.metrics and settings.pool_times
        release_pools(self.view, self)
        self.observe_pools()

    def observe_pools(self) -> None:
        """Take the time of waiting for connections, of pools that are new too."""
        observe_pools(self.view, self, every=self._times)

    def connecting(self, where: ServerAddress | None) -> None:
        """A pool makes a connection: it may be a new one."""
        self.observe_pools()
        if self._instruments is not None and not self._waits_are_told:
            # A counter that begins at one has no increase that an alert could see.
            self._instruments.timeouts.add(0, {names.POOL_NAME: self.facts.pool_name(where)})

    def release(self) -> None:
        """Let go of its pools."""
        release_pools(self.view, self)

    def follow(self, instruments: Instruments | None, native: frozenset[str]) -> None:
        """Have its pools observed, and its plugins asked what they count, now and when they change.

        Args:
            instruments: where to; ``None`` for nowhere.
            native: the groups of metrics that redis-py makes itself.
        """
        if self.middleware is None:
            return
        self._waits_are_told = "CONNECTION_ADVANCED" in native
        plugins = self.middleware.plugins
        if instruments is not self._instruments or plugins is not self._plugins:
            self._instruments, self._plugins = instruments, plugins
            if instruments is not None:
                instruments.follow(self.middleware)
        elif instruments is not None:
            instruments.catch_up()

    def waited(self, where: ServerAddress | None, seconds: float) -> None:
        """A connection was there after so many seconds."""
        instruments = self._instruments
        if instruments is not None and not self._waits_are_told:
            instruments.record_wait_time(seconds, self.facts.of_pool(where).wait, get_current())

    def timed_out(self, where: ServerAddress | None) -> None:
        """None came free in time."""
        if self._instruments is not None and not self._waits_are_told:
            self._instruments.timeouts.add(1, {names.POOL_NAME: self.facts.pool_name(where)})

    def used(self, where: ServerAddress | None, seconds: float) -> None:
        """It was given back after so many seconds."""
        instruments = self._instruments
        if instruments is not None:
            instruments.record_use_time(seconds, self.facts.of_pool(where).use, get_current())
