"""From which node of a shard a key is read: the primary, or a replica by a policy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from redis.exceptions import DataError

from redis_middleware import Command
from redis_middleware.command import Place
from redis_middleware.commands import CommandSpec
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.settings.types import Bytes, Duration, KeyPattern
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.recent_writes import RecentWrites
from redis_middleware_plugins.slot_routing.replicas import Bounds, ReplicaStates
from redis_middleware_plugins.slot_routing.slots import routing_keys
from redis_middleware_plugins.slot_routing.topology import Node, Shard

__all__ = ["Policy", "ReadRuleSettings", "Reading", "ReadingSettings", "may_read_replica"]

Policy = Literal["primary", "prefer_replica", "any", "lowest_latency", "same_zone"]


class ReadRuleSettings(BaseModel):
    """How the keys of a pattern are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: KeyPattern = Field(description="The keys that the rule is for.")
    policy: Policy = Field(description="Where they are read.")
    max_lag_bytes: Bytes | None = Field(
        default=None, description="As for all keys, in place of that; without it, as for all keys."
    )
    max_lag_seconds: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None, description="As for all keys, in place of that; without it, as for all keys."
    )


class ReadingSettings(BaseModel):
    """Where keys are read: at the primary, or at replicas that are in step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Field(
        default="primary",
        description="Where keys are read that no rule names. primary: what was written is read. "
        "prefer_replica: a replica, at random; the primary if none can be read. any: primary and "
        "replicas alike. lowest_latency: the node that answers fastest. same_zone: a replica or "
        "else the primary of this zone; if there is none, as prefer_replica.",
    )
    rules: tuple[ReadRuleSettings, ...] = Field(
        default=(), description="Other policies by key pattern: the first that matches counts."
    )
    max_lag_bytes: Bytes | None = Field(
        default=None,
        description="Replicas are not read that lacked more of their primary's replication stream "
        "when it was measured last.",
    )
    max_lag_seconds: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="Replicas are read only if they are known to have everything that was written "
        "until so long ago.",
    )
    after_write: Duration = Field(
        default=1.0,
        description="For so long after this client wrote a key it reads it from the primary.",
    )
    zone: str | None = Field(
        default=None, description="The availability zone of this process, for same_zone."
    )
    zones: dict[str, str] = Field(
        default={},
        description='Zones of servers by address, such as {"10.0.1.*" = "eu-1a"}: a pattern of '
        "host or host:port. Where none matches counts what the server tells (Valkey 8.1).",
    )
    check_every: Annotated[Duration, Field(ge=0.05, le=60)] = Field(
        default=1.0, description="How often the state of the replicas is asked for."
    )
    explore_every: Annotated[Duration, Field(gt=0)] = Field(
        default=1.0,
        description="With lowest_latency: a node that was not read for so long gets one read, to "
        "learn whether it has become faster.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.zone is None and self.uses("same_zone"):
            raise ValueError(
                "the policy same_zone needs zone, the zone that this process is in: set it here, "
                "or REDIS_MIDDLEWARE__SLOT_ROUTING__READING__ZONE in its environment"
            )
        shortest = min(
            (
                bound
                for bound in (
                    self.max_lag_seconds,
                    *[rule.max_lag_seconds for rule in self.rules],
                )
                if bound is not None
            ),
            default=None,
        )
        if shortest is not None and shortest < 2 * self.check_every:
            raise ValueError(
                f"max_lag_seconds ({shortest:g} s) is shorter than two checks of the replicas "
                f"(check_every is {self.check_every:g} s), so that they would hardly ever be read: "
                "raise it, or lower check_every"
            )
        for pattern in self.zones:
            KeyPattern(pattern)
        return self

    def uses(self, policy: Policy) -> bool:
        """Whether keys are read by this policy, some or all."""
        return policy == self.policy or any(rule.policy == policy for rule in self.rules)

    @property
    def leaves_primaries(self) -> bool:
        """Whether anything is read elsewhere than at primaries."""
        policies = {self.policy, *[rule.policy for rule in self.rules]}
        return policies != {"primary"}


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
        self._zone_of: dict[Node, str | None] = {}
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
        rule = self._rule_of(command.keys)
        if rule is None:
            return shard.primary
        now = self._clock()
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

    def _rule_of(self, keys: Sequence[bytes]) -> _Rule | None:
        """The rule by which keys are read together; ``None``: at the primary."""
        chosen: _Rule | None = None
        written = self._written
        now = self._clock() if written is not None else 0.0
        for key in keys:
            if written is not None and written.has(key, now):
                return None
            rule = next((rule for matches, rule in self._rules if matches(key)), self._default)
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
                self._explored[node.address] = now
                return node
            if seconds is not None and seconds < shortest:
                fastest, shortest = node, seconds
        return fastest

    def zone_of(self, node: Node) -> str | None:
        """The zone of a node: as configured for its address, else as its server tells."""
        if not self._zones:
            return node.zone
        if node not in self._zone_of:
            names = (node.address.host.encode(), str(node.address).encode())
            self._zone_of[node] = next(
                (
                    zone
                    for pattern, zone in self._zones
                    if any(pattern.matches(name) for name in names)
                ),
                node.zone,
            )
        return self._zone_of[node]

    def forget(self, addresses: Collection[ServerAddress]) -> None:
        """Drop what is known of nodes that are none of these."""
        self._zone_of = {n: z for n, z in self._zone_of.items() if n.address in addresses}
        self._explored = {a: at for a, at in self._explored.items() if a in addresses}
