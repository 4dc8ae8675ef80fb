"""Keeping track of accesses over time: steps, windows, hot keys, the breakdown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from redis_middleware import ClientView, Command
from redis_middleware.commands import CommandSpec, spec_of
from redis_middleware_plugins.key_access.bounds import Bounds, bounds_of
from redis_middleware_plugins.key_access.breakdown import Breakdown, Part, Parts, parts_of
from redis_middleware_plugins.key_access.counter import AccessCounter
from redis_middleware_plugins.key_access.groups import KeyGroups
from redis_middleware_plugins.key_access.hot import (
    HotKey,
    HotKeyEvent,
    HotKeys,
    Thresholds,
    kind_of,
)
from redis_middleware_plugins.key_access.long_keys import slot_of
from redis_middleware_plugins.key_access.privacy import key_form, key_text
from redis_middleware_plugins.key_access.report import (
    KeyFacts,
    Report,
    WindowReport,
    imbalance_of,
    window_report,
)
from redis_middleware_plugins.key_access.sampling import Sampling
from redis_middleware_plugins.key_access.settings import KeyAccessSettings
from redis_middleware_plugins.key_access.sketches import sketch_maker
from redis_middleware_plugins.key_access.subscribers import Subscribers
from redis_middleware_plugins.key_access.summary import Counts, Summary
from redis_middleware_plugins.key_access.windows import Window, Windows

__all__ = ["CHECK_EVERY", "Tracker"]

CHECK_EVERY: Final = 0.25
"""How often hot keys are looked for, in seconds."""
_STEP: Final = 1.0
_GET: Final = spec_of("GET")
_KEPT: Final = 4
"""Of the keys that a step counted, one in so many is kept for the windows."""


class Tracker:
    """Counts accesses and knows what came of it.

    Args:
        settings: the table ``[key_access]``.
        clock: seconds from any fixed point.
        wall_clock: seconds since 1970.
        random: gives numbers from 0 up to, but not including, 1.
        secret: what hashes of keys depend on where the settings have no secret.

    Attributes:
        counter: counts the commands.
        hot: the keys that are hot.
        subscribers: who is told of hot keys.
        form: gives the form of a key in which it may leave the process.
        last_step: what was counted in the last whole step; ``None`` before its end.
    """

    def __init__(
        self,
        settings: KeyAccessSettings,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        random: Callable[[], float],
        secret: bytes,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        groups = KeyGroups(settings.groups)
        # The words of a key may be names: where keys are not to be seen, groups keep fewer.
        self._group_of = groups.group_of if settings.keys == "plain" else groups.mask
        self._group_and_slot = lru_cache(maxsize=1024)(
            lambda key: (self._group_of(key), slot_of(key))
        )
        self._nodes: dict[tuple[int, ClientView], str] = {}
        hash_secret = settings.hash_secret
        self.form = key_form(
            settings.keys,
            secret if hash_secret is None else hash_secret.get_secret_value().encode(),
            groups,
        )
        self._settings = settings
        self._view: ClientView | None = None
        self.subscribers = Subscribers()
        every = None if settings.sampling == "adaptive" else settings.sampling
        self.counter = AccessCounter(
            sketch_maker(settings.sketch, settings.counters),
            Sampling(every, settings.samples_per_second, random),
            Sampling(None, settings.looks_per_second, random),
            self._look,
            self.advance,
            clock(),
        )
        self._must_cool = False
        self._begin(clock())

    def _begin(self, now: float) -> None:
        settings = self._settings
        self._windows = Windows(settings.windows, settings.counters // _KEPT)
        self._breakdown = Breakdown(settings.most_groups, min(settings.windows))
        self.hot = self._nothing_hot()
        self.last_step: Summary | None = None
        self._step_end = now + _STEP
        self._next_check = now + CHECK_EVERY
        self._advancing = threading.Lock()

    def _nothing_hot(self) -> HotKeys:
        settings = self._settings
        return HotKeys(
            Thresholds(**settings.hot.model_dump()),
            self._describe,
            self._wall_clock,
            min(settings.windows),
        )

    def restart(self) -> None:
        """Forget what was counted, as in a process that was forked off.

        With the next look it is told that nothing is hot: while a process is being forked off,
        subscribers may not be ready for that.
        """
        now = self._clock()
        self.counter.restart(now)
        self._begin(now)
        self._must_cool = True

    def cool_all(self) -> None:
        """Take no key for hot any more, and tell so."""
        with self._advancing:
            self.hot = self._nothing_hot()
        self.subscribers.cool_all(self._wall_clock())

    def attach(self, view: ClientView) -> None:
        """Track the accesses of a client."""
        self._view = view
        self.counter.know(view)

    def advance(self) -> None:
        """Look for hot keys and end the step, where it is time to."""
        now = self._clock()
        if now < self._next_check or not self._advancing.acquire(blocking=False):
            return
        try:
            events = self._check(now)
            must_cool, self._must_cool = self._must_cool, False
        finally:
            self._advancing.release()
        if must_cool:
            self.subscribers.cool_all(self._wall_clock())
        self.subscribers.tell(events)

    def _check(self, now: float) -> list[HotKeyEvent]:
        self._next_check = now + CHECK_EVERY
        before = self.last_step
        is_whole = now >= self._step_end
        if is_whole:
            step = self.last_step = self.counter.take(now)
            self._step_end = now + _STEP
            self._nodes.clear()
            self._windows.add(step)
            self._breakdown.step(now)
        else:
            step = self.counter.peek(now)
        if step.seconds > 0:
            self.counter.adapt(step.accesses / step.seconds)
        events = self.hot.enter(step)
        if before is not None:
            events += self.hot.enter(before, step)
        return events + (self.hot.leave(step, now) if is_whole else [])

    def _look(self, spec: CommandSpec, key: bytes, stands_for: float, client: ClientView) -> None:
        group, slot = self._group_and_slot(key)
        self._breakdown.look((group, str(slot), self._node(slot, client), spec.name), stands_for)

    def _node(self, slot: int, client: ClientView) -> str | None:
        """The server that a slot is on; asked anew in each step, since slots and primaries move."""
        place = (slot if client.spans_nodes else -1, client)
        known = self._nodes.get(place)
        if known is not None:
            return known
        command = Command(("GET", b""), {}, _GET, client)
        command.slot = slot
        address = client.address_of(command)
        if address is None:
            return None
        found = self._nodes[place] = str(address)
        return found

    def node_of(self, slot: int) -> str | None:
        """The server that a slot is on, where known."""
        return None if self._view is None else self._node(slot, self._view)

    def _describe(self, key: bytes, counts: Counts, total: Summary) -> HotKey:
        accesses = bounds_of(counts.accesses, counts.missed, total.weight)
        slot = slot_of(key)
        return HotKey(
            key=key,
            name=key_text(self.form(key)),
            kind=kind_of(counts),
            rate=accesses.per(total.seconds),
            share=accesses.per(total.accesses),
            slot=slot,
            node=self.node_of(slot),
        )

    def facts_of(self, key: bytes) -> KeyFacts:
        """What is known of a key besides its counts."""
        slot = slot_of(key)
        return KeyFacts(
            key_text(self.form(key)),
            slot,
            self.node_of(slot),
            self._group_of(key),
            key in self.hot.current,
        )

    def known_names(self) -> dict[bytes, str]:
        """The keys that were counted in the shortest window, with their names."""
        keys = self._windows.shortest.view(self.counter.peek(self._clock())).keys
        return {key: key_text(self.form(key)) for key in keys}

    def fleet_hot_key(self, key: bytes, told: Mapping[str, Any]) -> HotKey:
        """A key of this process's that the fleet tells is hot.

        Args:
            key: the key.
            told: the fleet's hot key, as JSON has it.
        """
        slot = slot_of(key)
        return HotKey(
            key=key,
            name=str(told["name"]),
            kind=told["kind"],
            rate=Bounds(**told["rate"]),
            share=Bounds(**told["share"]),
            slot=slot,
            node=self.node_of(slot),
            source="fleet",
        )

    def shortest_window(self, limit: int) -> WindowReport:
        """The shortest window up to now, with so many keys at most."""
        self.advance()
        live = self.counter.peek(self._clock())
        return self._window_report(self._windows.shortest, live, limit)

    def _window_report(self, window: Window, live: Summary, limit: int) -> WindowReport:
        return window_report(window.length, window.view(live), limit, self.facts_of)

    def parts(self) -> Parts:
        """The breakdown of the shortest window."""
        return self._breakdown.view()

    def nodes(self) -> tuple[Part, ...]:
        """Accesses by server in the shortest window."""
        return parts_of(self._breakdown.view(("nodes",)), "nodes")

    @property
    def groups(self) -> dict[str, float]:
        """Accesses by group since the start."""
        return self._breakdown.groups

    def report(self, limit: int) -> Report:
        """What is known now.

        Args:
            limit: how many keys, groups and so on are reported at most.
        """
        self.advance()
        live = self.counter.peek(self._clock())
        parts = self._breakdown.view()
        nodes = parts_of(parts, "nodes")
        return Report(
            at=self._wall_clock(),
            windows=tuple(
                [self._window_report(window, live, limit) for window in self._windows.all]
            ),
            hot=tuple(self.hot.current.values()),
            groups=parts_of(parts, "groups")[:limit],
            slots=parts_of(parts, "slots")[:limit],
            nodes=nodes,
            commands=parts_of(parts, "commands")[:limit],
            imbalance=imbalance_of(nodes),
            bugs=self.subscribers.bugs,
        )
