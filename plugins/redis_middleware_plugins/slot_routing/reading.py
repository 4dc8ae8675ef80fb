"""From which node of a shard a key is read: the primary, or a replica by a policy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from redis.exceptions import DataError

from redis_middleware import Command
from redis_middleware.command import Place
from redis_middleware.commands import CommandSpec
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.reading_settings import (
    Policy,
    ReadingSettings,
    ReadRuleSettings,
)
from redis_middleware_plugins.slot_routing.recent_writes import RecentWrites
from redis_middleware_plugins.slot_routing.replicas import Bounds, ReplicaStates
from redis_middleware_plugins.slot_routing.slots import routing_keys
from redis_middleware_plugins.slot_routing.topology import Node, Shard

__all__ = ["Reading", "may_read_replica"]

_MOST_ADDRESSES: Final = 1024
"""Of so many nodes something is kept: a cluster may have others every day."""

_AT_THE_PRIMARY: Final = ("TOUCH", "OBJECT ", "MEMORY ", "CLUSTERSCAN")
"""Beginnings of names of reading commands whose reply, or effect, is about one server itself."""


@lru_cache(maxsize=1024)
def may_read_replica(spec: CommandSpec) -> bool:
    """Whether replies to the command may come from a replica at all.

    It must only read, and have keys. Cursors (HSCAN, SSCAN, ZSCAN) are excepted, which mean nothing
    to another server than the one that gave them; so is what is about one server's copy of the
    key (OBJECT, MEMORY USAGE) or has an effect there (TOUCH).
    """
    return (
        spec.is_read
        and bool(spec.key_specs)
        and not spec.name.startswith(_AT_THE_PRIMARY)
        and not spec.name.endswith(("SCAN", "SCANDUMP"))
    )


class _Rule(NamedTuple):
    policy: Policy
    bounds: Bounds


class Reading:
    """Chooses the node for each command that reads.

    Args:
        settings: the table ``[slot_routing.reading]``.
        counters: where the latency of each node is measured.
        states: what is known of the replicas.
        clock: seconds from any fixed point, the same one as that of ``states`` and ``counters``.
        random: gives numbers from 0 up to, but not including, 1.

    Attributes:
        leaves_primaries: False where every key is read at its primary: there is nothing to ask.
    """

    def __init__(
        self,
        settings: ReadingSettings,
        counters: Counters,
        states: ReplicaStates,
        *,
        clock: Callable[[], float] = time.perf_counter,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.leaves_primaries = settings.leaves_primaries
        self._counters = counters
        self._states = states
        self._clock = clock
        self._random = random
        self._default = _Rule(
            settings.policy, Bounds(settings.max_lag_bytes, settings.max_lag_seconds)
        )
        self._rules = [(rule.keys.matches, self._compiled(rule)) for rule in settings.rules]
        self._zones = [(KeyPattern(pattern), zone) for pattern, zone in settings.zones.items()]
        self._zone_at = lru_cache(maxsize=_MOST_ADDRESSES)(self._configured_zone)
        self._explored: dict[ServerAddress, float] = {}
        self._written = RecentWrites(settings.after_write) if self._remembers else None

    @property
    def _remembers(self) -> bool:
        return self.leaves_primaries and self.settings.after_write > 0

    def _compiled(self, rule: ReadRuleSettings) -> _Rule:
        bounds = Bounds(
            self.settings.max_lag_bytes if rule.max_lag_bytes is None else rule.max_lag_bytes,
            self.settings.max_lag_seconds if rule.max_lag_seconds is None else rule.max_lag_seconds,
        )
        return _Rule(rule.policy, bounds)

    def wrote(self, command: Command) -> None:
        """Remember what a command writes; called before it is sent and when its outcome is there.

        Before, so that a read behind it in the same pipeline is not sent elsewhere; after, so that
        the time counts from when the application knows. Commands that only read are none of that.
        """
        written = self._written
        if written is None or command.spec.is_read:
            return
        try:
            keys = routing_keys(command)
        except DataError:
            # redis-py refuses the command.
            return
        if keys:
            written.add(keys, self._clock())
        elif command.spec.is_write:
            written.add_all(self._clock())

    def choose(
        self, command: Command, shard: Shard, tried: Collection[ServerAddress] = ()
    ) -> Node | None:
        """The node to send a command to that has all its keys in one shard.

        Args:
            command: the command.
            shard: the shard of its keys.
            tried: nodes that this command was sent to in vain: not replicas among these again.

        Returns:
            The node; the primary for whatever does not only read, or runs in a transaction or
            under WATCH. ``None`` where that is the primary and the shard has none.
        """
        if (
            not self.leaves_primaries
            or not shard.replicas
            or not may_read_replica(command.spec)
            or (command.place is not Place.SINGLE and command.place is not Place.PIPELINE)
        ):
            return shard.primary
        now = self._clock()
        rule = self._rule_of(routing_keys(command), now)
        if rule is None:
            return shard.primary
        readable = self._states.is_readable
        replicas = [
            node
            for node in shard.replicas
            if node.address not in tried and readable(node, rule.bounds, now)
        ]
        if not replicas:
            return shard.primary
        primary = shard.primary
        if primary is not None and (primary.health == "failed" or primary.address in tried):
            primary = None
        if rule.policy == "prefer_replica":
            return self._any_of(replicas)
        if rule.policy == "same_zone":
            return self._in_zone(replicas, primary)
        nodes = replicas if primary is None else [primary, *replicas]
        return self._any_of(nodes) if rule.policy == "any" else self._fastest(nodes, now)

    def _rule_of(self, keys: Sequence[bytes], now: float) -> _Rule | None:
        """The rule by which keys are read together; ``None``: at the primary."""
        chosen: _Rule | None = None
        written = self._written
        for key in keys:
            if written is not None and written.has(key, now):
                return None
            rule = self._default
            for matches, other in self._rules:
                if matches(key):
                    rule = other
                    break
            # Keys of different rules have only the primary in common.
            if rule.policy == "primary" or (chosen is not None and rule is not chosen):
                return None
            chosen = rule
        return chosen

    def _any_of(self, nodes: Sequence[Node]) -> Node:
        return nodes[int(self._random() * len(nodes))] if len(nodes) > 1 else nodes[0]

    def _in_zone(self, replicas: Sequence[Node], primary: Node | None) -> Node:
        zone = self.settings.zone
        near = [node for node in replicas if self.zone_of(node) == zone]
        if near:
            return self._any_of(near)
        if primary is not None and self.zone_of(primary) == zone:
            return primary
        return self._any_of(replicas)

    def _fastest(self, nodes: Sequence[Node], now: float) -> Node:
        latency = self._counters.latency
        fastest, shortest = nodes[0], float("inf")
        for node in nodes:
            measured = latency(node.address)
            seconds = None if measured is None else measured.value
            last = float("-inf") if measured is None else measured.at
            explored = self._explored.get(node.address, float("-inf"))
            if now - max(last, explored) >= self.settings.explore_every:
                # One read tries it: whoever comes while that is under way does not follow.
                if len(self._explored) >= _MOST_ADDRESSES:
                    self._explored.clear()
                self._explored[node.address] = now
                return node
            if seconds is not None and seconds < shortest:
                fastest, shortest = node, seconds
        return fastest

    def zone_of(self, node: Node) -> str | None:
        """The zone of a node: as configured for its address, else as its server tells."""
        return (self._zone_at(node.address) if self._zones else None) or node.zone

    def _configured_zone(self, address: ServerAddress) -> str | None:
        names = (address.host.encode(), str(address).encode())
        for pattern, zone in self._zones:
            if any(pattern.matches(name) for name in names):
                return zone
        return None
