"""The nodes of a cluster and which of them serves which slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.redispy.view import ServerAddress

__all__ = ["Node", "Shard", "Topology"]


@dataclass(frozen=True, slots=True)
class Node:
    """One server of a cluster.

    Attributes:
        address: where it is reached, after address translation.
        id: its node ID; empty where the reply did not tell.
        is_primary: whether it is a primary.
        health: ``"online"``, ``"loading"`` or ``"failed"``, as CLUSTER SHARDS has it.
        zone: its availability zone; ``None`` where not told.
    """

    address: ServerAddress
    id: str = ""
    is_primary: bool = True
    health: str = "online"
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """A primary, its replicas, and the slots they serve.

    Attributes:
        primary: ``None`` where the shard has none at the moment.
        replicas: in the order of the reply.
        ranges: first and last slot of each range.
    """

    primary: Node | None
    replicas: tuple[Node, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()


class Topology:
    """Which shard serves which slot; immutable, to be swapped whole.

    Attributes:
        shards: the shards.
        by_slot: for each of the 16,384 slots its shard; ``None`` where nobody serves it.
    """

    __slots__ = ("by_slot", "shards")

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        by_slot: list[Shard | None] = [None] * SLOT_COUNT
        for shard in self.shards:
            for first, last in shard.ranges:
                by_slot[first : last + 1] = [shard] * (last + 1 - first)
        self.by_slot = by_slot

    @property
    def primaries(self) -> Iterator[Node]:
        """The primaries, in the order of the shards."""
        return (shard.primary for shard in self.shards if shard.primary is not None)

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node, primaries before their replicas."""
        for shard in self.shards:
            if shard.primary is not None:
                yield shard.primary
            yield from shard.replicas
