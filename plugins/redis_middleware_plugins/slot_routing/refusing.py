"""The error for keys of several slots.

::

    CrossSlotError (redis ClusterCrossSlotError, RedisClusterException)   of a command
    └── CrossSlotTransaction (redis CrossSlotTransactionError)            of a whole transaction

The server answers such commands with CROSSSLOT, which is redis-py's ``ClusterCrossSlotError``;
``RedisCluster`` raises a ``RedisClusterException`` before it sends anything. Applications guard
against the one or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redis.exceptions import (
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    RedisClusterException,
)

from redis_middleware.commands import key_slot

__all__ = [
    "ONE_SERVER",
    "ONE_SLOT",
    "CrossSlotError",
    "CrossSlotTransaction",
    "not_split",
    "shown_key",
]

ONE_SERVER: Final = (
    "a transaction is on one server, which knows only its own part of the database; take it out of "
    "the transaction, where it goes to every server"
)
"""Why a command for the whole database is refused in a transaction."""

ONE_SLOT: Final = "a server runs it on the keys of one slot only"
"""Why a command that cannot be split is refused."""

_SHOWN_KEYS: Final = 4
_SHOWN_BYTES: Final = 64


class CrossSlotError(ClusterCrossSlotError, RedisClusterException):
    """A command was refused, and not sent, because its keys are in several hash slots.

    Attributes:
        command: the command's name; ``"TRANSACTION"`` for a whole transaction.
        keys: its keys, as on the wire, in order; none of a command for the whole database.
        reason: why it cannot be run on several slots.
    """

    def __init__(self, command: str, keys: Sequence[bytes], reason: str = ONE_SLOT) -> None:
        super().__init__(command, tuple(keys), reason)
        self.command = command
        self.keys = tuple(keys)
        self.reason = reason

    @property
    def slots(self) -> tuple[int, ...]:
        """The slot of each of the keys."""
        return tuple(map(key_slot, self.keys))

    def __str__(self) -> str:
        if not self.keys:
            return f"{self.command} is refused and was not sent: {self.reason}"
        slots = self.slots
        return (
            f"{self.command} is refused and was not sent: {self.reason}, and its keys are in "
            f"{len(set(slots))} slots: {_with_slots(self.keys, slots)}. Give keys that are used "
            "together the same hash tag, the part between { and } that alone decides the slot: "
            "{user:7}:name and {user:7}:visits are in one slot"
        )


class CrossSlotTransaction(CrossSlotError, CrossSlotTransactionError):
    """A transaction was refused, and not sent, because its keys are in several hash slots."""


def not_split(setting: str) -> str:
    """Why a command is refused that could be split: the setting ``split`` does not let it be."""
    return f'split = "{setting}" does not let it be sent slot by slot, which is not atomic'


def shown_key(key: bytes) -> str:
    """A key for a message: what cannot be printed is escaped, and it ends after 64 bytes."""
    if len(key) <= _SHOWN_BYTES:
        return repr(key)
    return f"{key[:_SHOWN_BYTES]!r}... ({len(key)} bytes)"


def _with_slots(keys: Sequence[bytes], slots: Sequence[int]) -> str:
    """The first key of each of the first slots."""
    first = dict(zip(reversed(slots), reversed(keys), strict=True))
    shown = list(dict.fromkeys(slots))[:_SHOWN_KEYS]
    told = ", ".join(f"{shown_key(first[slot])} in slot {slot}" for slot in shown)
    rest = len(keys) - len(shown)
    return f"{told} and {rest} more" if rest else told
