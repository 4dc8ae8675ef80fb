"""What the lockstep keeps account of: outcomes wanted together, and who waits for which."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from redis_middleware.chains import Chain
from redis_middleware.command import Command
from redis_middleware.execution import Execution
from redis_middleware.flow import Call, Flow
from redis_middleware.once import Lead

__all__ = [
    "Calls",
    "Group",
    "Send",
    "Turn",
    "Waiting",
    "execution_of",
    "has_exceptions",
    "own_copy",
    "path_up",
    "position_of",
]


class Calls:
    """The calls of one round: functions to be called, or awaited together."""

    __slots__ = ("calls",)

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls


class Waiting:
    """Nothing can go on before one of these futures, of other callers' sends, is done."""

    __slots__ = ("futures",)

    def __init__(self, futures: Sequence[Future[Any]]) -> None:
        self.futures = futures


class Group:
    """Outcomes that are wanted together.

    Those of a ``batch`` or of a ``fan-out``; the one of a ``once``; the ``last`` one, which is all.
    """

    __slots__ = ("kind", "lead", "outcomes", "owner", "refused", "remaining")

    def __init__(self, kind: str, owner: Execution | None, size: int) -> None:
        self.kind = kind
        self.owner = owner
        self.outcomes: list[Any] = [None] * size
        self.remaining = size
        self.refused = False
        self.lead: tuple[Hashable, Lead] | None = None


# A command to be sent and who waits for its reply: an execution; or the flows of a chain which all
# passed the command on, as most do; or neither where no plugin wants the command. Tuples, since a
# pipeline has one for each of its commands.
Send = tuple[Command, Group, int, Execution | None, Chain | None, list[Flow | None] | None]


# An execution that can go on, and how: a method of it and the argument.
Turn = tuple[Execution, Callable[[Any], Any], Any]


def execution_of(send: Send) -> Execution | None:
    """The execution that waits for a command's reply; ``None`` where no plugin wants it."""
    command, group, index, execution, chain, flows = send
    if chain is None or flows is None:
        return execution
    execution = Execution.of_started(chain, command, flows)
    execution.group, execution.index = group, index
    return execution


def position_of(send: Send) -> list[int]:
    """Where a command stands: its index, within that of the one that fanned out, and so on."""
    position = [send[2]]
    owner = send[1].owner
    while owner is not None:
        position.append(owner.index)
        owner = owner.group.owner
    position.reverse()
    return position


def has_exceptions(outcomes: Iterable[Any]) -> bool:
    """Whether there is an exception among them; their types tell, which are few."""
    return any(issubclass(kind, Exception) for kind in set(map(type, outcomes)))


def path_up(
    execution: Execution | None, group: Group | None, within: Group | None
) -> tuple[list[Execution], list[tuple[Hashable, Lead]]]:
    """The executions from a leaf outwards (to the group), and the leads they are part of."""
    path = [] if execution is None else [execution]
    leads = []
    while group is not None and group is not within:
        if group.lead is not None:
            leads.append(group.lead)
        if group.owner is None:
            group = None
        else:
            path.append(group.owner)
            group = group.owner.group
    return (path, leads) if group is within else ([], [])


def own_copy(failure: BaseException) -> BaseException:
    """A follower's copy of its leader's failure, so that nobody changes another's message."""
    try:
        own = copy.copy(failure)
    except Exception:
        return failure
    if type(own) is not type(failure):
        return failure
    own.__cause__ = failure
    return own
