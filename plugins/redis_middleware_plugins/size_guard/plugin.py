"""The guard as a plugin: which flow is around which command."""

from __future__ import annotations

import logging
import random as random_module
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from redis_middleware import Batch, Command, Flow, Middleware, hookimpl
from redis_middleware.commands import CommandSpec
from redis_middleware.readings import Metric
from redis_middleware_plugins.size_guard.caps import Caps
from redis_middleware_plugins.size_guard.growth import GROWTH, HYPERLOGLOG_BYTES, STORES
from redis_middleware_plugins.size_guard.idle_rules import idle_rules
from redis_middleware_plugins.size_guard.judging import Judge
from redis_middleware_plugins.size_guard.known_sizes import KnownSizes
from redis_middleware_plugins.size_guard.metrics import metrics_of
from redis_middleware_plugins.size_guard.notices import Finding, Notices
from redis_middleware_plugins.size_guard.policies import Policies
from redis_middleware_plugins.size_guard.reading import Reads
from redis_middleware_plugins.size_guard.reads import READS
from redis_middleware_plugins.size_guard.removing import EXPIRIES, Moves, Removals
from redis_middleware_plugins.size_guard.setting import FlowFunction, around_set
from redis_middleware_plugins.size_guard.settings import SizeGuardSettings
from redis_middleware_plugins.size_guard.writes import MEASURES
from redis_middleware_plugins.size_guard.writing import Writes

__all__ = ["SizeGuard"]

logger = logging.getLogger("redis_middleware.size_guard")

_MOVES: Final = frozenset({"COPY", "RENAME", "RENAMENX"})


class SizeGuard:
    """Judges writes, reads and deletes by size, and refuses what the settings say.

    Args:
        settings: the table ``[size_guard]``.
        clock: seconds from any fixed point, for logging once a minute.
        wall_clock: seconds since 1970, for expiries that are over.
        random: gives a number from 0 to below 1, for sampling and jitter.
    """

    name = "size_guard"
    Settings = SizeGuardSettings

    def __init__(
        self,
        settings: SizeGuardSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._random = random
        self._wall_clock = wall_clock
        self._notices = Notices(clock)
        self._sizes = KnownSizes(settings.tracked_keys)
        self._middleware: Middleware | None = None
        self.reconfigure(settings)

    def reconfigure(self, settings: SizeGuardSettings) -> None:
        """Use other settings from now on; counts and known sizes stay."""
        self._sizes.resize(settings.tracked_keys)
        self._places: dict[tuple[str | int, ...], str] = {}
        policies = Policies(settings)
        judge = Judge(policies, self._notices, self._place_of)
        caps = Caps(policies, settings.ttl_jitter, self._random)
        self._settings = settings
        self._policies = policies
        self._judge = judge
        self._writes = Writes(judge, caps, self._sizes, settings.sampling, self._random)
        self._reads = Reads(judge, settings.page_size)
        self._removals = Removals(judge, self._sizes, self._wall_clock)
        self._moves = Moves(judge, self._sizes)
        self._flows: dict[CommandSpec, FlowFunction] = {}
        for problem in idle_rules(settings.rules, self.wants):
            logger.warning("%s", problem)

    def after_fork(self) -> None:
        """Count anew in a process that was forked off; sizes that are known stay."""
        self._notices.after_fork()
        self._sizes.after_fork()

    @property
    def counts(self) -> Counter[Finding]:
        """How often each finding was made: limit, action and command."""
        return self._notices.counts

    def known_size(self, key: bytes) -> int | None:
        """The size of a key in bytes or elements as the guard remembers it; ``None``: not known."""
        return self._sizes.get(key)

    def metrics(self) -> Iterator[Metric]:
        """The counts as metrics, for plugins that export such."""
        return metrics_of(self.counts)

    def wants(self, spec: CommandSpec) -> bool:
        """The commands that a limit, a rule or an option says something about."""
        return self._flow_for(spec) is not None

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Keep the handle, which tells where the settings set a limit."""
        self._middleware = middleware
        self._places = {}

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Judge a command; each kind has a flow of its own, or none."""
        try:
            flow = self._flows[command.spec]
        except KeyError:
            flow = self._flows[command.spec] = self._flow_for(command.spec) or _let_pass
        return flow(command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> None:
        """Judge the summed size of a pipeline or transaction."""
        self._judge.batch(batch)

    def _flow_for(self, spec: CommandSpec) -> FlowFunction | None:
        name = spec.name
        if name in READS:
            if name == "SORT":
                return self._sort
            return self._reads.whole
        if name in _MOVES:
            return self._moves.move if self._settings.ask_sources else None
        if name in GROWTH and (name != "PFADD" or self._limits_hyperloglogs(spec)):
            return self._writes.grow
        if name in STORES:
            return self._writes.store
        if name in MEASURES:
            if name == "SET":
                return around_set(self._judge, self._writes, self._removals)
            return self._writes.replace if self._writes.has_caps(spec) else self._judge.arguments
        if name == "DEL" or name in EXPIRIES:
            if not self._unlinks(spec):
                return None
            return self._removals.delete if name == "DEL" else self._removals.expire
        if self._policies.names_commands("reply_bytes", spec):
            return self._reads.reply
        return None

    def _limits_hyperloglogs(self, spec: CommandSpec) -> bool:
        return self._policies.floor("max_value", spec) < HYPERLOGLOG_BYTES

    def _unlinks(self, spec: CommandSpec) -> bool:
        return self._policies.options("unlink", spec) != {"never"}

    def _sort(self, command: Command) -> Flow | None:
        stored = self._writes.store(command)
        return self._reads.whole(command) if stored is None else stored

    def _place_of(self, path: tuple[str | int, ...]) -> str:
        """Where the settings set the value at a path, for messages."""
        place = self._places.get(path)
        if place is None:
            place = self._places[path] = self._find_place(path)
        return place

    def _find_place(self, path: tuple[str | int, ...]) -> str:
        dotted = f"[{self.name}] {path[-1]}"
        if self._middleware is None:
            return dotted
        settings = self._middleware.settings
        table: Any = settings.tables.get(self.name, {})
        if path[0] not in table:
            return f"{dotted}, the default"
        return str(settings.place((self.name, *path)))


def _let_pass(command: Command) -> None:
    """The flow of commands that are given to the hook although the guard does not want them."""
