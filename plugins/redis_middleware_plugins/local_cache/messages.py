"""What comes on a connection for invalidations, told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis_middleware import ServerAddress
from redis_middleware.commands.slots import key_slot

__all__ = [
    "CHANNEL",
    "Topology",
    "client_ids",
    "invalidated_keys",
    "is_client_list",
    "is_invalidation",
    "is_topology",
    "parse_topology",
    "slot_is_in",
]

CHANNEL: Final = b"__redis__:invalidate"
"""The channel that invalidations are published in for RESP2."""


def is_invalidation(message: Any) -> bool:
    """Whether a message is an invalidation, right or broken: RESP3's push or RESP2's message."""
    return isinstance(message, list) and bool(message) and message[0] in (b"invalidate", b"message")


def invalidated_keys(message: Sequence[Any]) -> list[bytes] | None:
    """The keys that an invalidation names, as on the wire; ``None`` where it means all keys.

    Raises:
        ValueError: it is not what the server documents.
    """
    if message[0] == b"message":
        if len(message) != 3 or message[1] != CHANNEL:
            raise ValueError(f"expected a message of the channel {CHANNEL!r}, got {message!r:.200}")
    elif len(message) != 2:
        raise ValueError(f"expected an invalidation with one payload, got {message!r:.200}")
    keys = message[-1]
    if keys is None:
        return None
    if not isinstance(keys, list) or not all(isinstance(key, bytes) for key in keys):
        raise ValueError(f"expected a list of keys, or nil for all keys, got {message!r:.200}")
    return keys


def is_topology(message: Any) -> bool:
    """Whether a message is a reply to CLUSTER SLOTS."""
    return isinstance(message, list) and bool(message) and isinstance(message[0], list)


def is_client_list(message: Any) -> bool:
    """Whether a message is a reply to CLIENT LIST, that of no clients at all included."""
    return isinstance(message, bytes) and (message in (b"", b"txt:") or b"id=" in message[:8])


def client_ids(reply: bytes) -> set[int]:
    """The ids of the connections in a reply of CLIENT LIST."""
    lines = reply.removeprefix(b"txt:").splitlines()
    return {int(line.split()[0].removeprefix(b"id=")) for line in lines if line}


class Topology:
    """Who serves which slots of a cluster.

    Attributes:
        reply: the server's reply that it was read from.
        primaries: the nodes that have slots.
        replicas: their replicas.
    """

    def __init__(self, reply: Any, ranges: list[tuple[int, int, ServerAddress]]) -> None:
        self.reply = reply
        self._ranges = ranges
        self.primaries = list(dict.fromkeys(owner for _, _, owner in ranges))
        self.replicas: list[ServerAddress] = []

    def owners(self) -> list[ServerAddress | None]:
        """The primary of each of the 16,384 slots."""
        owners: list[ServerAddress | None] = [None] * 16384
        for first, last, owner in self._ranges:
            owners[first : last + 1] = [owner] * (last + 1 - first)
        return owners

    def moved(self, before: Topology) -> frozenset[int]:
        """The slots that had another primary before."""
        pairs = zip(self.owners(), before.owners(), strict=True)
        return frozenset(slot for slot, (now, then) in enumerate(pairs) if now != then)


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

    ranges = [(int(first), int(last), address(primary)) for first, last, primary, *_ in reply]
    topology = Topology(reply, ranges)
    topology.replicas = list(
        dict.fromkeys(address(node) for _, _, _, *replicas in reply for node in replicas)
    )
    return topology


def slot_is_in(slots: frozenset[int], key: bytes) -> bool:
    """Whether a key is of one of these slots."""
    return key_slot(key) in slots
