"""What was sent to each node and by each route, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.durations import Average, Durations

__all__ = ["OVERFLOW", "QUANTILES", "Counters", "NodeCounts", "Redirection", "RouteCounts"]

OVERFLOW: Final = "overflow"
"""The name of all nodes for which there is no room any more."""

QUANTILES: Final = (0.5, 0.95, 0.99)
"""The shares of which metrics tell the latency of a route."""

_MOST_NODES: Final = 512
_MOST_ERRORS: Final = 32

Redirection = Literal["moved", "ask", "tryagain", "clusterdown"]

_REDIRECTIONS: Final[tuple[Redirection, ...]] = ("moved", "ask", "tryagain", "clusterdown")


class NodeCounts:
    """What was sent to one node since the plugin was made.

    Attributes:
        commands: how many commands, those that failed too.
        errors: how many failed, by the name of the exception's class; redirections are none.
        redirections: how often it sent a command elsewhere, or told to wait.
        seconds: how long its commands took, added up.
        latency: the moving average of what single reads took, in seconds, failures included.
    """

    __slots__ = ("commands", "errors", "latency", "redirections", "seconds")

    def __init__(self) -> None:
        self.commands = 0
        self.errors: dict[str, int] = {}
        self.redirections: dict[Redirection, int] = {}
        self.seconds = 0.0
        self.latency = Average()

    def sent(self, seconds: float, commands: int = 1) -> None:
        """Count a command, or several, and how long they took, added up."""
        self.commands += commands
        self.seconds += seconds

    def failed(self, error: BaseException) -> None:
        """Count what a command failed with; ``sent`` counts the command."""
        _count_error(self.errors, error)

    def redirected(self, kind: Redirection) -> None:
        """Count a redirection that came from this node; ``sent`` counts the command."""
        self.redirections[kind] = self.redirections.get(kind, 0) + 1


class RouteCounts:
    """What went by one route since the plugin was made: one side of a rollout, or a deployment.

    Attributes:
        commands: how many commands, those that failed too.
        errors: how many failed, by the name of the exception's class.
        seconds: how long they took in all, redirections and retries included.
        recent: how long each took, of the last minute or two.
    """

    __slots__ = ("commands", "errors", "recent", "seconds")

    def __init__(self) -> None:
        self.commands = 0
        self.errors: dict[str, int] = {}
        self.seconds = 0.0
        self.recent = Durations()

    def sent(self, seconds: float, now: float, error: BaseException | None = None) -> None:
        """Count a command.

        Args:
            seconds: how long it took.
            now: when its outcome was there.
            error: what it failed with.
        """
        self.commands += 1
        self.seconds += seconds
        self.recent.add(seconds, now)
        if error is not None:
            _count_error(self.errors, error)


class Counters:
    """The counts of all nodes and routes.

    Counting takes no lock: under threads a count may miss one now and then. The counts of nodes
    that have left their cluster stay: a counter that goes away and comes back would look as if it
    had been reset.

    Args:
        clock: seconds from any fixed point, the one by which durations are measured.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._nodes: dict[ServerAddress, NodeCounts] = {}
        self._overflow = NodeCounts()
        self._routes: dict[str, RouteCounts] = {}

    @property
    def nodes(self) -> Mapping[ServerAddress, NodeCounts]:
        """The counts by node, 512 of them at most."""
        return MappingProxyType(self._nodes)

    @property
    def routes(self) -> Mapping[str, RouteCounts]:
        """The counts by route."""
        return MappingProxyType(self._routes)

    def node(self, address: ServerAddress) -> NodeCounts:
        """The counts of a node; those of all that there is no room for are one."""
        counts = self._nodes.get(address)
        if counts is not None:
            return counts
        if len(self._nodes) >= _MOST_NODES:
            return self._overflow
        return self._nodes.setdefault(address, NodeCounts())

    def route(self, name: str) -> RouteCounts:
        """The counts of a route; routes come from the settings, which bounds their number."""
        counts = self._routes.get(name)
        return self._routes.setdefault(name, RouteCounts()) if counts is None else counts

    def latency(self, address: ServerAddress) -> Average | None:
        """The moving average of a node's single reads; ``None`` before the first one."""
        counts = self._nodes.get(address)
        return None if counts is None or counts.latency.value is None else counts.latency

    def metrics(self) -> Iterator[Metric]:
        """The counts as metrics.

        ======================== =========== ===================================================
        metric                   unit        attributes
        ======================== =========== ===================================================
        ``node.commands``        {command}   ``node``: ``host:port``, or ``overflow``
        ``node.errors``          {error}     ``node``, ``error.type``: the exception's class
        ``node.redirections``    {redirect}  ``node``, ``kind``: moved, ask, tryagain, clusterdown
        ``node.duration``        s           ``node``; the sum: divide by the commands
        ``node.latency``         s           ``node``; a moving average of single reads
        ``route.commands``       {command}   ``route``
        ``route.errors``         {error}     ``route``, ``error.type``
        ``route.duration``       s           ``route``; the sum
        ``route.latency``        s           ``route``, ``quantile``; of the last minute or two
        ======================== =========== ===================================================
        """
        nodes = {str(address): counts for address, counts in list(self._nodes.items())}
        if self._overflow.commands:
            nodes[OVERFLOW] = self._overflow
        yield from _shared_metrics("node", nodes)
        yield Metric(
            "slot_routing.node.redirections",
            Kind.COUNTER,
            "{redirect}",
            "Commands that a node sent elsewhere, or told to wait.",
            [
                Reading(counts.redirections[kind], {"node": name, "kind": kind})
                for name, counts in nodes.items()
                for kind in _REDIRECTIONS
                if kind in counts.redirections
            ],
        )
        yield Metric(
            "slot_routing.node.latency",
            Kind.GAUGE,
            "s",
            "Moving average of what single reads took.",
            [
                Reading(counts.latency.value, {"node": name})
                for name, counts in nodes.items()
                if counts.latency.value is not None
            ],
        )
        routes = dict(self._routes)
        yield from _shared_metrics("route", routes)
        now = self.clock()
        yield Metric(
            "slot_routing.route.latency",
            Kind.GAUGE,
            "s",
            "What commands took by a route in the last minute or two, by quantile.",
            [
                Reading(seconds, {"route": name, "quantile": share})
                for name, counts in routes.items()
                for share, seconds in zip(
                    QUANTILES, counts.recent.quantiles(QUANTILES, now), strict=True
                )
            ],
        )


def _count_error(errors: dict[str, int], error: BaseException) -> None:
    name = type(error).__name__
    if name not in errors and len(errors) >= _MOST_ERRORS:
        name = OVERFLOW
    errors[name] = errors.get(name, 0) + 1


def _shared_metrics(
    subject: str, counted: Mapping[str, NodeCounts] | Mapping[str, RouteCounts]
) -> Iterator[Metric]:
    yield Metric(
        f"slot_routing.{subject}.commands",
        Kind.COUNTER,
        "{command}",
        f"Commands by {subject}, those that failed too.",
        [Reading(counts.commands, {subject: name}) for name, counts in counted.items()],
    )
    yield Metric(
        f"slot_routing.{subject}.errors",
        Kind.COUNTER,
        "{error}",
        f"Commands that failed by {subject}, by what they failed with.",
        [
            Reading(count, {subject: name, "error.type": error})
            for name, counts in counted.items()
            for error, count in list(counts.errors.items())
        ],
    )
    yield Metric(
        f"slot_routing.{subject}.duration",
        Kind.COUNTER,
        "s",
        f"How long commands took by {subject}, added up.",
        [Reading(counts.seconds, {subject: name}) for name, counts in counted.items()],
    )
