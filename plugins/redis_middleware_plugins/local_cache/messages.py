"""What comes on a connection for invalidations, told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = [
    "CHANNEL",
    "client_ids",
    "invalidated_keys",
    "is_client_list",
    "is_invalidation",
    "is_topology",
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
