"""How far a command came that went out in parts, where some of them failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from redis_middleware.redispy.servers import never_sent

__all__ = ["PartlyDone", "partly_done", "raise_first"]

_SHOWN: Final = 4
_ATTRIBUTE: Final = "_slot_routing_partly_done"


@dataclass(frozen=True, slots=True)
class PartlyDone:
    """What was carried out of a command that was sent in parts, and what was not.

    Attributes:
        done: the keys, as messages show them, or the nodes, ``host:port``, that it was done for.
        refused: those that it was not done for: a server refused it, or could not be reached.
        unknown: those that it may have been done for: it was sent, and the answer was lost.
    """

    done: tuple[str, ...]
    refused: tuple[str, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        told = {"done for": self.done, "not for": self.refused, "perhaps for": self.unknown}
        return ", ".join(f"{how} {_shortened(what)}" for how, what in told.items() if what)


def partly_done(error: BaseException) -> PartlyDone | None:
    """How far the command came that failed with this error; ``None`` where nothing was done."""
    outcome = getattr(error, _ATTRIBUTE, None)
    return outcome if isinstance(outcome, PartlyDone) else None


def raise_first(command: str, replies: Sequence[Any], about: Sequence[Sequence[str]]) -> None:
    """Raise the first failure, if there is one, and let it tell what was done all the same.

    It is raised as it came, for whoever handles lost connections or errors of the server goes by
    the type. Where other parts were carried out its message begins with that, as redis-py does
    with the errors of pipelines, and :func:`partly_done` gives the details.

    Args:
        command: the command's name.
        replies: the reply of each part, failures as exceptions.
        about: the keys, or the node, of each part.

    Raises:
        Exception: the first failure.
    """
    failures = [reply for reply in replies if isinstance(reply, Exception)]
    if not failures:
        return
    first = failures[0]
    done: list[str] = []
    refused: list[str] = []
    unknown: list[str] = []
    for reply, names in zip(replies, about, strict=True):
        if not isinstance(reply, Exception):
            done += names
        elif _was_not_done(reply):
            refused += names
        else:
            unknown += names
    try:
        if done:
            outcome = PartlyDone(tuple(done), tuple(refused), tuple(unknown))
            told = f"{command} was sent in {len(replies)} parts: {outcome}"
            setattr(first, _ATTRIBUTE, outcome)
            if isinstance(first, RedisError) and first.args:
                first.args = (f"{told}: {first.args[0]}", *first.args[1:])
            else:
                first.add_note(told)
        raise first
    finally:
        # The traceback holds this frame.
        del first, failures, reply


def _was_not_done(error: Exception) -> bool:
    # What redirecting gives up on has the last try's failure as its cause.
    last = error.__cause__ or error
    return isinstance(error, ResponseError) or never_sent(last)


def _shortened(names: Sequence[str]) -> str:
    told = ", ".join(names[:_SHOWN])
    rest = len(names) - _SHOWN
    return f"{told} and {rest} more" if rest > 0 else told
