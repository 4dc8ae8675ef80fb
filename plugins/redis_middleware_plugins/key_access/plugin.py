"""The plugin: hooks that hand commands to the tracker, and what code asks it for."""

from __future__ import annotations

import os
import random
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from redis_middleware import Command, Flow, Middleware, Sleep, hookimpl
from redis_middleware.commands import CommandSpec
from redis_middleware.readings import Metric
from redis_middleware_plugins.key_access.accesses import may_access, was_sent
from redis_middleware_plugins.key_access.fleet import Fleet
from redis_middleware_plugins.key_access.hot import HotKey
from redis_middleware_plugins.key_access.metrics import RANKS, metrics_of
from redis_middleware_plugins.key_access.report import Report
from redis_middleware_plugins.key_access.settings import KeyAccessSettings
from redis_middleware_plugins.key_access.subscribers import Subscriber
from redis_middleware_plugins.key_access.tracker import CHECK_EVERY, Tracker

__all__ = ["KeyAccess"]


class KeyAccess:
    """Counts which keys are accessed, finds the hot ones while it happens, and tells of them.

    Its place in the list of plugins decides what it counts: outside of a cache, what the
    application asks for; inside of it, what reaches the servers.

    Args:
        settings: the table ``[key_access]``.
        clock: seconds from any fixed point.
        wall_clock: seconds since 1970.
        random: gives numbers from 0 up to, but not including, 1.
        random_bytes: gives so many random bytes, for hashes of keys without a secret of their own.
    """

    Settings = KeyAccessSettings
    name = "key_access"
    observes = True

    def __init__(
        self,
        settings: KeyAccessSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = random
        self._secret = random_bytes(32)
        self._middleware: weakref.ref[Middleware] | None = None
        self._use(settings)

    def _use(self, settings: KeyAccessSettings) -> None:
        self.settings = settings
        self._tracker = Tracker(
            settings,
            clock=self._clock,
            wall_clock=self._wall_clock,
            random=self._random,
            secret=self._secret,
        )
        self._counter = self._tracker.counter
        self._fleet: Fleet | None = None
        if settings.fleet.enabled:
            self._fleet = Fleet(
                settings,
                self._tracker,
                clock=self._clock,
                wall_clock=self._wall_clock,
                random=self._random,
            )

    def reconfigure(self, settings: KeyAccessSettings) -> None:
        """Begin to count anew with other settings; subscribers stay, and are told what was hot."""
        tracker, fleet = self._tracker, self._fleet
        if fleet is not None:
            fleet.leave()
        self._use(settings)
        self._tracker.subscribers = tracker.subscribers
        tracker.subscribers.cool_all(self._wall_clock())
        middleware = None if self._middleware is None else self._middleware()
        if middleware is not None:
            self._begin(middleware)

    def wants(self, spec: CommandSpec) -> bool:
        """Commands that access keys, and those that are not known."""
        return may_access(spec)

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Count the command once its reply is there, or it failed on its way."""
        counter = self._counter
        if counter.samples:
            if counter.passes > 0:
                counter.passes -= 1
                return (yield command)
            counter.draw()
        try:
            reply = yield command
        except BaseException as error:
            if was_sent(error):
                counter.count(command, None)
            raise
        counter.count(command, reply)
        return reply

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Begin to look for hot keys beside the client."""
        self._middleware = weakref.ref(middleware)
        middleware.run_in_background(self._watch, "watch")
        self._begin(middleware)

    @hookimpl
    def redis_detach(self) -> None:
        """Tell that nothing is hot, unless the client ends too: nobody will look any more."""
        middleware = None if self._middleware is None else self._middleware()
        if middleware is None or middleware.is_shut_down:
            return
        if self._fleet is not None:
            self._fleet.forget()
        self._tracker.cool_all()

    def _begin(self, middleware: Middleware) -> None:
        self._tracker.attach(middleware.client)
        if self._fleet is not None:
            middleware.run_in_background(self._share, "fleet")

    def _watch(self) -> Flow:
        while True:
            yield Sleep(CHECK_EVERY)
            self._tracker.advance()

    def _share(self) -> Flow:
        middleware = None if self._middleware is None else self._middleware()
        if self._fleet is not None and middleware is not None:
            client = middleware.client
            # Not kept by a flow that runs for as long as the client lives.
            del middleware
            yield from self._fleet.share(client)

    def subscribe(self, function: Subscriber) -> Callable[[], None]:
        """Call a function whenever a key becomes hot or cools down.

        It is called beside the client's commands, in a thread or task that it must not hold up.
        What it raises is logged and counted.

        Args:
            function: called with a ``HotKeyEvent``.

        Returns:
            What ends the subscription.
        """
        return self._tracker.subscribers.add(function)

    @property
    def hot_keys(self) -> Mapping[bytes, HotKey]:
        """The keys that are hot now, by this process's accesses or by the fleet's."""
        of_fleet = self._fleet.hot if self._fleet is not None else {}
        return MappingProxyType({**of_fleet, **self._tracker.hot.current})

    def metrics(self) -> Iterator[Metric]:
        """What is known now, as metrics that do not grow with the number of keys."""
        tracker, fleet, named = self._tracker, self._fleet, self.settings.metrics_keys
        return metrics_of(
            tracker.shortest_window(max(RANKS, named)),
            hot_keys=len(self.hot_keys),
            nodes=tracker.nodes(),
            groups=tracker.groups,
            fleet=None if fleet is None else fleet.status,
            named_keys=named,
        )

    def after_fork(self) -> None:
        """Begin to count anew in a process that was forked off."""
        self._tracker.restart()
        if self._fleet is not None:
            self._fleet.forget()

    def report(self, limit: int = 100) -> Report:
        """What is known now.

        Args:
            limit: how many keys, groups, slots and commands are reported at most.
        """
        report = self._tracker.report(limit)
        if self._fleet is None:
            return report
        return replace(report, hot=tuple(self.hot_keys.values()), fleet=self._fleet.status)
