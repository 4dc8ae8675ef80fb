"""What a scan finds out about keys."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Batch", "KeysOfKind"]


class KeysOfKind(NamedTuple):
    """Some keys of one type, one element of each list for each key.

    Attributes:
        kind: the type, as TYPE gives it.
        keys: the keys.
        sizes: bytes in the server's memory, by MEMORY USAGE.
        elements: elements of a collection; empty for strings and other types that have none.
        persistent: 1 where the key has no time to live, else 0.
    """

    kind: str
    keys: list[bytes]
    sizes: list[int]
    elements: list[int]
    persistent: list[int]


class Batch(NamedTuple):
    """What one step of a scan found.

    Attributes:
        cursor: where the next step begins; ``"0"`` at the end.
        kinds: the keys by type.
        held: seconds for which the server did nothing else, as far as it can be told.
    """

    cursor: str
    kinds: list[KeysOfKind]
    held: float
