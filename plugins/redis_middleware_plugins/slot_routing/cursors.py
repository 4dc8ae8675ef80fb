"""The cursor of a SCAN over a whole cluster: one whole number that holds all there is to know.

From its lowest bits up: 64 bits of the node's own cursor; 32 bits that tell which node it is of;
for each stretch of slots, the last one lowest, 16 bits: two of its state and 14 of its length less
one; a set bit at the top. So it survives restarts, and any process can go on with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from redis.exceptions import DataError

from redis_middleware.commands import SLOT_COUNT
from redis_middleware_plugins.slot_routing.slot_sets import runs, slot_set
from redis_middleware_plugins.slot_routing.topology import Node

__all__ = ["Cursor", "ScanCursorError", "mark_of"]

_MOST_BITS: Final = 14_280
"""4,299 digits: Python converts none longer (``sys.int_info.default_max_str_digits``)."""

_WALKING: Final = 1
_WALKED: Final = 2


class ScanCursorError(DataError):
    """A SCAN was refused: its cursor is none that an earlier one of the cluster gave."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a SCAN over a cluster came.

    Attributes:
        on_node: the node's own cursor, up to 64 bits; 0 where its walk is still to begin.
        node: the mark of the node that is being walked.
        walking: the slots that are done when the walk of this node is, as a set.
        walked: the slots that are done, as a set.
    """

    on_node: int
    node: int
    walking: int
    walked: int

    def encode(self) -> int:
        """The number for the application, never 0.

        Raises:
            ScanCursorError: the slots are so scattered over the nodes that the number would be too
                long.
        """
        states = [(first, last, _WALKING) for first, last in runs(self.walking)]
        states += [(first, last, _WALKED) for first, last in runs(self.walked)]
        stretches: list[tuple[int, int]] = []
        end = 0
        for first, last, state in sorted(states):
            if first > end:
                stretches.append((first - end, 0))
            stretches.append((last + 1 - first, state))
            end = last + 1
        if end < SLOT_COUNT:
            stretches.append((SLOT_COUNT - end, 0))
        number = 1
        for length, state in stretches:
            number = number << 16 | (length - 1) << 2 | state
        number = number << 96 | self.node << 64 | self.on_node
        if number.bit_length() > _MOST_BITS:
            raise ScanCursorError(
                f"SCAN cannot go on: the slots lie in {len(stretches)} stretches, and the cursor "
                "that tells which are done would be too long. Scan the primaries one by one, each "
                "with a client of its own"
            )
        return number

    @classmethod
    def decode(cls, cursor: Any) -> Cursor | None:
        """What a cursor says, of the types that redis-py takes; ``None`` for 0, the beginning.

        Raises:
            ScanCursorError: it is no cursor that ``encode`` gave.
        """
        try:
            number = int(bytes(cursor) if isinstance(cursor, memoryview) else cursor)
        except (TypeError, ValueError):
            number = -1
        if number == 0:
            return None
        slots = {_WALKING: 0, _WALKED: 0}
        end = SLOT_COUNT
        rest = number >> 96
        while rest > 1:
            length, state = (rest >> 2 & 0x3FFF) + 1, rest & 3
            if state in slots:
                slots[state] |= slot_set([(end - length, end - 1)]) if end >= length else 0
            end -= length
            rest >>= 16
        if rest != 1 or end != 0:
            shown = repr(cursor)
            raise ScanCursorError(
                f"SCAN is refused: {shown[:40]}{'...' if len(shown) > 40 else ''} is no cursor of "
                "a scan over the whole cluster. Begin with 0, and go on with the number that the "
                "last call gave, as it is; a cursor of a single node is not one"
            )
        return cls(
            on_node=number & (1 << 64) - 1,
            node=number >> 64 & 0xFFFF_FFFF,
            walking=slots[_WALKING],
            walked=slots[_WALKED],
        )


def mark_of(node: Node) -> int:
    """What tells a node from the others in a cursor."""
    return crc32((node.id or str(node.address)).encode())
