"""What routing refuses, and how a command is told that was carried out in part.

::

    CrossSlotError (redis ClusterCrossSlotError, RedisClusterException)   keys of several slots
    └── CrossSlotTransaction (redis CrossSlotTransactionError)            of a whole transaction

The server answers such a command with CROSSSLOT, which is redis-py's ``ClusterCrossSlotError``;
``RedisCluster`` raises a ``RedisClusterException`` before it sends anything. Applications guard
against the one or the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import (
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from redis_middleware.commands import key_slot
from redis_middleware.redispy.servers import never_sent

__all__ = [
    "CrossSlotError",
    "CrossSlotTransaction",
    "PartlyDone",
    "partly_done",
    "raise_partly_done",
]

ONE_SLOT: Final = "a server runs it on keys of one slot only"
"""Why a command of several slots is refused that cannot be split."""

_SHOWN_KEYS: Final = 4
_SHOWN_BYTES: Final = 64
_PARTLY_DONE: Final = "_redis_middleware_partly_done"


class CrossSlotError(ClusterCrossSlotError, RedisClusterException):
    """A command was refused, and not sent, because its keys are in several hash slots.

    Attributes:
        command: the command's name; ``"TRANSACTION"`` for a whole transaction.
        keys: its keys, as on the wire, in order.
        slots: the slot of each of the keys.
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
        return (
            f"{self.command} is refused and was not sent: {self.reason}, and its keys are in "
            f"{len(set(self.slots))} slots: {_with_slots(self.keys, self.slots)}. Keys that are "
            "used together belong in one slot: give them the same hash tag, the part between "
            "{ and } that alone decides the slot, such as {user:7}:name and {user:7}:visits"
        )


class CrossSlotTransaction(CrossSlotError, CrossSlotTransactionError):
    """A transaction, or a WATCH, was refused because its keys are in several hash slots."""


@dataclass(frozen=True, slots=True)
class PartlyDone:
    """How far a command came that went out in several parts, of which some failed.

    Attributes:
        done: what was carried out: keys as on the wire, or the addresses of nodes.
        refused: what was not, for certain: a server refused it, or it could not be sent.
        unknown: what may have been carried out: it was sent, and the answer was lost.
    """

    done: tuple[str, ...]
    refused: tuple[str, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        told = [f"done for {_shortened(self.done)}"]
        if self.refused:
            told.append(f"not done for {_shortened(self.refused)}")
        if self.unknown:
            told.append(f"of unknown outcome for {_shortened(self.unknown)}")
        return ", ".join(told)


def partly_done(error: BaseException) -> PartlyDone | None:
    """How far the command came that failed with this error; ``None`` where nothing was done."""
    outcome = getattr(error, _PARTLY_DONE, None)
    return outcome if isinstance(outcome, PartlyDone) else None


def raise_partly_done(
    command: str, replies: Sequence[Any], subjects: Iterable[Sequence[str]]
) -> None:
    """Raise the first failure among the replies of a command's parts.

    It is raised as it is, of its own type, for who handles lost connections or errors of the
    server goes by that. Where another part was carried out, its message tells so, and
    :func:`partly_done` gives the details.

    Args:
        command: the command's name.
        replies: the reply of each part, failures as exceptions.
        subjects: what each part was about: keys, or the address of a node.

    Raises:
        Exception: the first failure.
    """
    first: Exception | None = None
    done: list[str] = []
    refused: list[str] = []
    unknown: list[str] = []
    for reply, about in zip(replies, subjects, strict=True):
        if not isinstance(reply, Exception):
            done += about
            continue
        first = reply if first is None else first
        is_certain = isinstance(reply, ResponseError) or never_sent(reply)
        (refused if is_certain else unknown).extend(about)
    if first is None:
        return
    try:
        if done and partly_done(first) is None:
            outcome = PartlyDone(tuple(done), tuple(refused), tuple(unknown))
            setattr(first, _PARTLY_DONE, outcome)
            told = f"{command} was sent in {len(replies)} parts, and is {outcome}"
            if isinstance(first, RedisError) and first.args:
                # As redis-py does with the errors of pipelines.
                first.args = (f"{told}: {first.args[0]}", *first.args[1:])
            else:
                first.add_note(told)
        raise first
    finally:
        # The traceback holds this frame.
        del first, reply


def shown_key(key: bytes) -> str:
    """A key for a message: on one line, cut after 64 bytes."""
    if len(key) <= _SHOWN_BYTES:
        return repr(key)
    return f"{key[:_SHOWN_BYTES]!r}... ({len(key)} bytes)"


def _with_slots(keys: Sequence[bytes], slots: Sequence[int]) -> str:
    """Some of the keys and their slots: one of each slot before a second one of any."""
    first_of_slot = dict(zip(reversed(slots), reversed(keys), strict=True))
    shown = [(slot, first_of_slot[slot]) for slot in dict.fromkeys(slots)][:_SHOWN_KEYS]
    rest = len(keys) - len(shown)
    told = ", ".join(f"{shown_key(key)} in slot {slot}" for slot, key in shown)
    return f"{told} and {rest} more" if rest else told


def _shortened(names: Sequence[str]) -> str:
    told = ", ".join(names[:_SHOWN_KEYS])
    rest = len(names) - _SHOWN_KEYS
    return f"{told} and {rest} more" if rest > 0 else told
