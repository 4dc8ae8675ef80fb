"""Reads sent to the new side of a rollout too, and their replies compared, beside the commands."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError

from redis_middleware.command import Command, Place
from redis_middleware.commands import CommandSpec
from redis_middleware.flow import Flow, Sleep
from redis_middleware.once import fresh_copy
from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware.settings.types import Bytes
from redis_middleware.sizes import size_of

__all__ = ["Difference", "Mirror", "MirrorOutcome", "MirrorSettings", "may_mirror"]

MirrorOutcome = Literal["same", "different", "changed", "failed", "dropped"]

_OUTCOMES: Final[tuple[MirrorOutcome, ...]] = ("same", "different", "changed", "failed", "dropped")
_SECONDS_BETWEEN_LOOKS: Final = 0.05
_KEPT_DIFFERENCES: Final = 20


class MirrorSettings(BaseModel):
    """Some reads of the rollout's old side are sent to its new side too, and compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: float = Field(
        default=0.0, ge=0, le=100, description="How many of the reads of keys on the old side."
    )
    queue: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="How many reads wait to be mirrored at most; further ones are dropped.",
    )
    max_value: Annotated[Bytes, Field(gt=0)] = Field(
        default=64 * 1024, description="Reads with larger replies are not mirrored."
    )


class Difference(NamedTuple):
    """A read that the two sides answered differently, twice.

    Attributes:
        command: the command's name.
        keys: its keys.
    """

    command: str
    keys: tuple[bytes, ...]


class _Waiting(NamedTuple):
    command: Command
    reply: Any


@lru_cache(maxsize=1024)
def may_mirror(spec: CommandSpec) -> bool:
    """Whether two servers with the same data give the same reply to the command.

    It must only read and have keys, not wait for data, and not depend on chance, time or one
    server's insides: the tip ``nondeterministic_output`` tells of those.
    """
    return (
        spec.is_read
        and bool(spec.key_specs)
        and not spec.is_blocking
        and "nondeterministic_output" not in spec.tips
        and not spec.name.startswith(("TOUCH", "MEMORY ", "XINFO "))
    )


class Mirror:
    """Takes some reads from the commands' way, and compares them with the new side's replies.

    Nothing waits for it: a read is put into a queue of limited length, or dropped, and a background
    flow sends it. What differs may have been written to in between; so both sides are read once
    more, together, and only what differs again counts as different.

    Outcomes: ``same``; ``different``; ``changed``: it differed at first, and no more when both
    sides were read again; ``failed``: the new side, or reading again, failed; ``dropped``: the
    queue was full.

    Args:
        settings: the table ``[slot_routing.rollout.mirror]``.
        random: gives numbers from 0 up to, but not including, 1.
    """

    def __init__(
        self,
        settings: MirrorSettings,
        *,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._share = settings.percent / 100
        self._max_value = settings.max_value
        self._length = settings.queue
        self._random = random
        self._queue: deque[_Waiting] = deque()
        self._counts: Counter[MirrorOutcome] = Counter()
        self._differences: deque[Difference] = deque(maxlen=_KEPT_DIFFERENCES)

    def stop(self) -> None:
        """Mirror nothing any more: the background flow ends with its next step."""
        self._share = 0.0
        self._queue.clear()

    @property
    def counts(self) -> Mapping[MirrorOutcome, int]:
        """How many reads had which outcome."""
        return MappingProxyType({outcome: self._counts[outcome] for outcome in _OUTCOMES})

    @property
    def differences(self) -> list[Difference]:
        """The last twenty reads that were answered differently; newest last."""
        return list(self._differences)

    @property
    def waiting(self) -> int:
        """How many reads wait to be mirrored."""
        return len(self._queue)

    def offer(self, command: Command, reply: Any) -> None:
        """Mirror a read of the old side, or not: by chance, and where there is room.

        Args:
            command: the command; any may be offered.
            reply: its reply; it is copied, so that the application may change it.
        """
        if (
            not self._share
            or self._random() >= self._share
            or command.place is not Place.SINGLE
            or isinstance(reply, BaseException)
            or not may_mirror(command.spec)
        ):
            return
        if len(self._queue) >= self._length:
            self._counts["dropped"] += 1
        elif size_of(reply) <= self._max_value:
            self._queue.append(_Waiting(_another(command), fresh_copy(reply)))

    def work(
        self, send_new: Callable[[Command], Flow], send_old: Callable[[Command], Flow]
    ) -> Flow:
        """The background flow that compares, until it is stopped.

        Args:
            send_new: a flow that sends a command to the new side and returns its reply.
            send_old: the same for the old side.
        """
        while self._share:
            while self._queue:
                waiting = self._queue.popleft()
                outcome = yield from self._compare(waiting, send_new, send_old)
                self._counts[outcome] += 1
            yield Sleep(_SECONDS_BETWEEN_LOOKS)

    def _compare(
        self,
        waiting: _Waiting,
        send_new: Callable[[Command], Flow],
        send_old: Callable[[Command], Flow],
    ) -> Any:
        command = waiting.command
        try:
            reply = yield from send_new(_another(command))
            if _comparable(command, reply) == _comparable(command, waiting.reply):
                return "same"
            old = yield from send_old(_another(command))
            new = yield from send_new(_another(command))
        except (RedisError, OSError):
            return "failed"
        if _comparable(command, old) == _comparable(command, new):
            return "changed"
        self._differences.append(Difference(command.name, command.keys))
        return "different"

    def metrics(self) -> Iterator[Metric]:
        """``mirror.reads`` by ``outcome``, and ``mirror.waiting``."""
        yield Metric(
            "slot_routing.mirror.reads",
            Kind.COUNTER,
            "{read}",
            "Reads that were mirrored to the new side of a rollout, by how the replies compared.",
            [Reading(count, {"outcome": outcome}) for outcome, count in self.counts.items()],
        )
        yield Metric(
            "slot_routing.mirror.waiting",
            Kind.UP_DOWN_COUNTER,
            "{read}",
            "Reads that wait to be mirrored.",
            [Reading(self.waiting)],
        )


def _another(command: Command) -> Command:
    """The same command without target and notes."""
    return command.client.command(*command.args, **command.options)


def _comparable(command: Command, reply: Any) -> Any:
    """A reply in which the order of elements does not count where servers may choose it."""
    if "nondeterministic_output_order" in command.spec.tips and isinstance(reply, list):
        return sorted(reply, key=repr)
    return reply
