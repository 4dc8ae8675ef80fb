"""Shards of a cluster that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import FakeClock
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.reading import Reading
from redis_middleware_plugins.slot_routing.reading_settings import ReadingSettings
from redis_middleware_plugins.slot_routing.replicas import ReplicaStates
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology


def node(name: str, *, is_primary: bool = False, **facts: Any) -> Node:
    """A node whose host is its name."""
    return Node(ServerAddress(name, 6379), is_primary=is_primary, **facts)


PRIMARY = node("primary", is_primary=True)
NEAR = node("near")
FAR = node("far")
SHARD = Shard(PRIMARY, (NEAR, FAR), ((0, 16_383),))
TOPOLOGY = Topology([SHARD])


class Chooser:
    """A reading policy with a clock and chances that the test sets.

    Attributes:
        chance: the next random number.
    """

    def __init__(self, random: Callable[[], float] | None = None, **settings: Any) -> None:
        self.clock = FakeClock(1000.0)
        self.chance = 0.0
        self.settings = ReadingSettings.model_validate(settings)
        self.counters = Counters(self.clock)
        self.states = ReplicaStates(self.settings.check_every, clock=self.clock)
        self.reading = Reading(
            self.settings,
            self.counters,
            self.states,
            clock=self.clock,
            random=random or (lambda: self.chance),
        )
