"""What a worker asks for: single commands, pipelines and transactions over keys of its own.

All keys have one of a few hash tags, so that a slot that migrates has many live keys, of all
workers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.plugins.slot_routing.faults.ledger import Ledger, value_of

from redis_middleware.commands import key_slot

__all__ = ["TAGS", "Request", "Worker", "slot_of"]

TAGS = tuple(f"tag{number}" for number in range(24))
"""The hash tags of all keys."""

_COUNTER_STEP = 1000
_PIPELINE_LENGTH = 12
_KEYS_AT_ONCE = 6


def slot_of(tag: str) -> int:
    """The slot of a hash tag."""
    return key_slot(f"{{{tag}}}".encode())


@dataclass(frozen=True)
class Request:
    """One call of the application's.

    Attributes:
        kind: how it is made.
        commands: the commands, one if it is a single one.
    """

    kind: Literal["single", "pipeline", "transaction"]
    commands: tuple[tuple[Any, ...], ...]


Replies = Sequence[Any]
Requests = Generator[Request, Replies, None]
_Judged = tuple[tuple[Any, ...], Callable[[Any], None]]
"""A command, and what judges its reply."""


class Worker:
    """One worker: a generator of requests, resumed with the replies, failures as exceptions.

    Attributes:
        number: tells the workers apart.
        ledger: what it knows of its keys.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.ledger = Ledger()
        self._dice = random.Random(number)
        self._keys: dict[str, list[str]] = {tag: [] for tag in TAGS}
        self._counters = {tag: f"{{{tag}}}:{number}:counter" for tag in TAGS}
        self._steps: list[tuple[Callable[[], Requests], int]] = [
            (self._write_and_read, 30),
            (self._overwrite_and_read, 20),
            (self._read, 15),
            (self._count, 20),
            (self._pipeline, 12),
            (self._transaction, 8),
            (self._read_one_slot, 7),
            (self._read_several_slots, 7),
        ]

    def requests(self) -> Requests:
        """Its requests, without end."""
        yield from self._start_counting()
        steps, weights = zip(*self._steps, strict=True)
        while True:
            (step,) = self._dice.choices(steps, weights)
            yield from step()

    def read_everything(self) -> Requests:
        """Read every key, and count once more in each counter, which tells where it stood."""
        for keys in self._keys.values():
            for first in range(0, len(keys), 100):
                yield from self._together([self._get(key) for key in keys[first : first + 100]])
        yield from self._together([self._increment(tag) for tag in TAGS])

    def last_values(self) -> dict[str, bytes]:
        """What each key must hold, by what was acknowledged or read last."""
        return {
            key: b"%d" % number if key.endswith(":counter") else value_of(key, number)
            for key, number in self.ledger.acknowledged.items()
        }

    def _start_counting(self) -> Requests:
        # A worker's counters show by their remainder whose they are.
        counters = self._counters.values()
        replies = yield Request("pipeline", tuple(("SET", key, self.number) for key in counters))
        assert all(reply is True for reply in replies), replies
        self.ledger.acknowledged.update(dict.fromkeys(counters, self.number))

    def _write_and_read(self) -> Requests:
        key = self._new_key(self._any_tag())
        yield from self._alone(self._set(key))
        yield from self._alone(self._get(key))

    def _overwrite_and_read(self) -> Requests:
        tag = self._any_tag()
        key = f"{{{tag}}}:{self.number}:again"
        if key not in self._keys[tag]:
            self._keys[tag].append(key)
        yield from self._alone(self._set(key))
        yield from self._alone(self._get(key))

    def _read(self) -> Requests:
        for key in self._known_keys(self._any_tag(), 1):
            yield from self._alone(self._get(key))

    def _count(self) -> Requests:
        yield from self._alone(self._increment(self._any_tag()))

    def _pipeline(self) -> Requests:
        half = _PIPELINE_LENGTH // 2
        tags = self._dice.choices(TAGS, k=half)
        commands = [self._get(key) for tag in tags for key in self._known_keys(tag, 1)]
        new = [self._new_key(self._any_tag()) for _ in range(half)]
        commands += [self._set(key) for key in new]
        commands.append(self._increment(self._any_tag()))
        self._dice.shuffle(commands)
        yield from self._together(commands)
        yield from self._together([self._get(key) for key in new])

    def _transaction(self) -> Requests:
        tag = self._any_tag()
        commands = [self._get(key) for key in self._known_keys(tag, 1)]
        new = [self._new_key(tag) for _ in range(3)]
        commands += [self._set(key) for key in new]
        yield from self._together(commands, "transaction")
        yield from self._alone(self._get(new[-1]))

    def _read_one_slot(self) -> Requests:
        yield from self._read_several(self._known_keys(self._any_tag(), _KEYS_AT_ONCE))

    def _read_several_slots(self) -> Requests:
        tags = self._dice.sample(TAGS, _KEYS_AT_ONCE)
        yield from self._read_several([key for tag in tags for key in self._known_keys(tag, 2)])

    def _read_several(self, keys: Sequence[str]) -> Requests:
        def judge(reply: Any) -> None:
            if isinstance(reply, Exception):
                return
            for key, value in zip(keys, reply, strict=True):
                self.ledger.read(key, value)

        if keys:
            yield from self._alone((("MGET", *keys), judge))

    def _any_tag(self) -> str:
        return self._dice.choice(TAGS)

    def _new_key(self, tag: str) -> str:
        key = f"{{{tag}}}:{self.number}:{len(self._keys[tag])}"
        self._keys[tag].append(key)
        return key

    def _known_keys(self, tag: str, count: int) -> list[str]:
        keys = self._keys[tag]
        return self._dice.sample(keys, min(count, len(keys)))

    def _get(self, key: str) -> _Judged:
        return ("GET", key), lambda reply: self.ledger.read(key, reply)

    def _set(self, key: str) -> _Judged:
        number = self.ledger.next_number()
        return ("SET", key, value_of(key, number)), lambda reply: self.ledger.wrote(
            key, number, reply
        )

    def _increment(self, tag: str) -> _Judged:
        key = self._counters[tag]
        return ("INCRBY", key, _COUNTER_STEP), lambda reply: self.ledger.counted(
            key, _COUNTER_STEP, reply
        )

    def _alone(self, judged: _Judged) -> Requests:
        yield from self._together([judged], "single")

    def _together(
        self,
        judged: Sequence[_Judged],
        kind: Literal["single", "pipeline", "transaction"] = "pipeline",
    ) -> Requests:
        replies = yield Request(kind, tuple(command for command, _ in judged))
        for (_, judge), reply in zip(judged, replies, strict=True):
            judge(reply)
