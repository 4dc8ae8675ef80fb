"""Who serves which slots of a cluster."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from redis_middleware import ServerAddress

__all__ = ["Topology", "parse_topology"]

_SLOTS: Final = 16384


class Topology:
    """The nodes of a cluster by slot.

    Args:
        reply: the server's reply that it was read from.
        ranges: first and last slot, and the nodes that serve them, the primary first.
    """

    def __init__(self, reply: Any, ranges: list[tuple[int, int, list[ServerAddress]]]) -> None:
        self.reply = reply
        self._ranges = ranges

    def nodes(self, *, with_replicas: bool) -> list[ServerAddress]:
        """The nodes that have slots, primaries first, with or without their replicas."""
        found = [nodes[0] for _, _, nodes in self._ranges]
        if with_replicas:
            found += [node for _, _, nodes in self._ranges for node in nodes]
        return list(dict.fromkeys(found))

    def moved(self, before: Topology) -> frozenset[int]:
        """The slots that had another primary before."""
        pairs = zip(self._primaries(), before._primaries(), strict=True)
        return frozenset(slot for slot, (now, then) in enumerate(pairs) if now != then)

    def _primaries(self) -> list[ServerAddress | None]:
        primaries: list[ServerAddress | None] = [None] * _SLOTS
        for first, last, nodes in self._ranges:
            primaries[first : last + 1] = [nodes[0]] * (last + 1 - first)
        return primaries

    def not_served_by(
        self, known: Container[ServerAddress | None], *, with_replicas: bool
    ) -> frozenset[int]:
        """The slots of which some node, or every node, is not among the known ones.

        Args:
            known: the nodes.
            with_replicas: whether the replicas of a slot have to be known too.
        """
        served: set[int] = set()
        for first, last, nodes in self._ranges:
            if all(node in known for node in (nodes if with_replicas else nodes[:1])):
                served.update(range(first, last + 1))
        return frozenset(range(_SLOTS)) - served


def parse_topology(reply: Any, asked: ServerAddress) -> Topology:
    """Read a reply of CLUSTER SLOTS.

    Args:
        reply: the reply, text as bytes.
        asked: the node that gave it, which is meant where the reply names no host.
    """

    def address(node: Any) -> ServerAddress:
        host = node[0]
        text = host.decode() if isinstance(host, bytes) else host
        return ServerAddress(text if text and text != "?" else asked.host, int(node[1]))

    ranges = [
        (int(first), int(last), [address(node) for node in nodes]) for first, last, *nodes in reply
    ]
    return Topology(reply, ranges)
