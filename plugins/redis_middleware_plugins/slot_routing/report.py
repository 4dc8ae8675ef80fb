"""What a cluster looks like now: nodes, slots, keys and load by slot. It reads only.

Keys are counted by the servers: ``CLUSTER SLOT-STATS`` gives all slots of a node in one reply (2 ms
for 5,461 slots on loopback); where that does not exist, ``CLUSTER COUNTKEYSINSLOT`` is sent for
each slot in pipelines (17 ms). No key is looked at either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis
from redis.exceptions import RedisError, ResponseError

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.parsing import topology_of_shards, topology_of_slots
from redis_middleware_plugins.slot_routing.refreshing import NotAClusterError
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology

__all__ = ["KEYS", "ClusterReport", "NodeReport", "Span", "examine", "ranges_of"]

KEYS: Final = "key-count"
"""The measure by slot that every server has."""

_SLOTS_IN_A_PIPELINE: Final = 2000
_LIMITS: Final = {"socket_connect_timeout": 5.0, "socket_timeout": 30.0}

Span = tuple[int, int]
"""First and last slot of a range."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One server of the cluster.

    Attributes:
        address: where it is.
        id: its node ID.
        primary: the address of its primary; ``None`` where it is one itself.
        ranges: the slots that it serves; none for a replica.
        keys: how many keys it has; ``None`` where it did not answer.
        health: as the cluster has it: online, loading or failed.
        zone: its availability zone; ``None`` where not told.
        lag: bytes of its primary's replication stream that a replica lacks; ``None`` for a primary
            and where not told.
        problem: what is wrong with it; ``None`` where nothing is.
    """

    address: ServerAddress
    id: str
    primary: ServerAddress | None
    ranges: tuple[Span, ...] = ()
    keys: int | None = None
    health: str = "online"
    zone: str | None = None
    lag: int | None = None
    problem: str | None = None

    @property
    def slot_count(self) -> int:
        """How many slots it serves."""
        return sum(last - first + 1 for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """A cluster at one moment.

    Attributes:
        nodes: each primary, in the order of its slots, followed by its replicas.
        uncovered: the slots that nobody serves.
        measures: by name, such as ``key-count`` or ``cpu-usec``, a number for each of the 16,384
            slots. Slots of a node that did not answer have 0.
        way: which command the numbers came from.
    """

    nodes: tuple[NodeReport, ...]
    uncovered: tuple[Span, ...]
    measures: Mapping[str, Sequence[int]]
    way: str
    owners: Sequence[int | None] = field(repr=False)
    """For each slot the index, among the primaries, of the one that serves it."""

    @property
    def primaries(self) -> list[NodeReport]:
        """The primaries, in the order of their slots."""
        return [node for node in self.nodes if node.primary is None]

    def of_primaries(self, measure: str) -> list[int]:
        """A measure's sum over the slots of each primary."""
        sums = [0] * len(self.primaries)
        for owner, value in zip(self.owners, self.measures[measure], strict=True):
            if owner is not None:
                sums[owner] += value
        return sums

    def imbalance(self, measure: str) -> float | None:
        """The largest of the primaries over the smallest: 1 where all are alike.

        Infinite where the smallest has none; ``None`` where no primary has any, or there is only
        one. Primaries without slots are left out.
        """
        sums = [
            total
            for node, total in zip(self.primaries, self.of_primaries(measure), strict=True)
            if node.slot_count
        ]
        if len(sums) < 2 or not max(sums):
            return None
        return max(sums) / min(sums) if min(sums) else float("inf")

    def largest_slots(self, measure: str, limit: int) -> list[tuple[int, int]]:
        """The slots with the largest values, and these; without those that have 0."""
        numbered = enumerate(self.measures[measure])
        ordered = sorted(numbered, key=lambda slot: (-slot[1], slot[0]))[:limit]
        return [(slot, value) for slot, value in ordered if value]

    def serving(self, slot: int) -> tuple[NodeReport | None, list[NodeReport]]:
        """The primary of a slot, ``None`` where nobody serves it, and its replicas."""
        owner = self.owners[slot]
        if owner is None:
            return None, []
        primary = self.primaries[owner]
        return primary, [node for node in self.nodes if node.primary == primary.address]


def examine(url: str, *, count: bool = True) -> ClusterReport:
    """Ask a cluster what it looks like.

    Args:
        url: the URL of any of its servers; user, password and TLS are used for all of them.
        count: whether to ask for keys and load, too: each node is asked then.

    Raises:
        NotAClusterError: the server is not part of a cluster.
        redis.exceptions.RedisError: the server cannot be asked, or gave a reply that is none.
        ValueError: the URL is not one that redis-py takes.
    """
    topology = _topology(url)
    shards = sorted(
        topology.shards, key=lambda shard: shard.ranges[0][0] if shard.ranges else SLOT_COUNT
    )
    measures: dict[str, list[int]] = {KEYS: [0] * SLOT_COUNT} if count else {}
    ways: list[str] = []
    nodes: list[NodeReport] = []
    owners: list[int | None] = [None] * SLOT_COUNT
    for index, shard in enumerate(each for each in shards if each.primary is not None):
        for first, last in shard.ranges:
            owners[first : last + 1] = [index] * (last + 1 - first)
        nodes += _shard_report(url, shard, measures, ways, count=count)
    uncovered = ranges_of([slot for slot, owner in enumerate(owners) if owner is None])
    return ClusterReport(
        tuple(nodes), uncovered, measures, ", ".join(dict.fromkeys(ways)), tuple(owners)
    )


def ranges_of(slots: Sequence[int]) -> tuple[Span, ...]:
    """The ranges that slots in ascending order make up."""
    ranges: list[list[int]] = []
    for slot in slots:
        if ranges and slot == ranges[-1][1] + 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return tuple((first, last) for first, last in ranges)


def _client_at(url: str, address: ServerAddress | None = None) -> redis.Redis:
    pool = redis.ConnectionPool.from_url(url, decode_responses=False, **_LIMITS)
    if address is not None:
        pool.connection_kwargs.update(host=address.host, port=address.port)
    return redis.Redis.from_pool(pool)


def _topology(url: str) -> Topology:
    with _client_at(url) as client:
        kwargs = client.get_connection_kwargs()
        if "path" in kwargs:
            raise ValueError(
                "the nodes of a cluster are reached by host and port, not by a unix socket: write "
                "redis://host:port"
            )
        asked = ServerAddress(kwargs.get("host", "localhost"), kwargs.get("port", 6379))
        try:
            slots: Any = client.execute_command("CLUSTER", "SLOTS", NEVER_DECODE=True)
        except ResponseError as error:
            if "cluster support disabled" in str(error) or "unknown command" in str(error).lower():
                raise NotAClusterError(f"{asked} is no node of a cluster: {error}") from error
            raise
        try:
            shards = client.execute_command("CLUSTER", "SHARDS", NEVER_DECODE=True)
        except ResponseError:
            # Servers before Redis 7: nodes without slots, and those that failed, are not told.
            return topology_of_slots(slots, asked, lambda address: address)
    tls = url.startswith("rediss")
    return topology_of_shards(shards, asked, lambda address: address, tls=tls)


def _shard_report(
    url: str, shard: Shard, measures: dict[str, list[int]], ways: list[str], *, count: bool
) -> Iterator[NodeReport]:
    assert shard.primary is not None
    offset: int | None = None
    for node in (shard.primary, *shard.replicas):
        keys = lag = problem = None
        if count:
            try:
                with _client_at(url, node.address) as client:
                    keys, facts = int(client.dbsize()), client.info("replication")
                    if node is shard.primary:
                        ways.append(_measure(client, shard.ranges, measures))
                        offset = int(facts.get("master_repl_offset", 0))
                    else:
                        problem = _link_problem(facts)
                        if offset is not None:
                            lag = max(0, offset - int(facts.get("slave_repl_offset", 0)))
            except (RedisError, OSError) as error:
                problem = str(error)
        yield NodeReport(
            node.address,
            node.id,
            None if node is shard.primary else shard.primary.address,
            shard.ranges if node is shard.primary else (),
            keys,
            node.health,
            node.zone,
            lag,
            problem or _health_problem(node),
        )


def _health_problem(node: Node) -> str | None:
    return None if node.health == "online" else f"the cluster has it as {node.health}"


def _link_problem(facts: Mapping[str, Any]) -> str | None:
    if facts.get("role") != "slave":
        return "it is no replica any more"
    if facts.get("master_sync_in_progress"):
        return "it is being synchronised"
    return None if facts.get("master_link_status") == "up" else "its link to its primary is down"


def _measure(client: Any, ranges: Sequence[Span], measures: dict[str, list[int]]) -> str:
    """Add the numbers of a primary's slots; return which command gave them."""
    try:
        found = client.execute_command("CLUSTER SLOT-STATS", "SLOTSRANGE", 0, SLOT_COUNT - 1)
    except ResponseError:
        _count_keys(client, ranges, measures[KEYS])
        return "CLUSTER COUNTKEYSINSLOT"
    for slot, told in found:
        pairs = (
            told.items() if isinstance(told, Mapping) else zip(told[::2], told[1::2], strict=True)
        )
        for name, value in pairs:
            text = name.decode() if isinstance(name, bytes) else str(name)
            if text not in measures:
                measures[text] = [0] * SLOT_COUNT
            measures[text][int(slot)] = int(value)
    return "CLUSTER SLOT-STATS"


def _count_keys(client: Any, ranges: Sequence[Span], counts: list[int]) -> None:
    slots = [slot for first, last in ranges for slot in range(first, last + 1)]
    for at in range(0, len(slots), _SLOTS_IN_A_PIPELINE):
        part = slots[at : at + _SLOTS_IN_A_PIPELINE]
        pipeline = client.pipeline(transaction=False)
        for slot in part:
            pipeline.execute_command("CLUSTER COUNTKEYSINSLOT", slot)
        for slot, keys in zip(part, pipeline.execute(), strict=True):
            counts[slot] = int(keys)
