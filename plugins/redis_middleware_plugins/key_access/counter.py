"""Counting the accesses of commands as they pass: what runs for every command, kept short."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from redis_middleware import Command
from redis_middleware.commands import CommandSpec
from redis_middleware.sizes import arguments_size
from redis_middleware_plugins.key_access.accesses import (
    accesses_of,
    reply_size,
    single_key_kind,
)
from redis_middleware_plugins.key_access.long_keys import ShortenedKey
from redis_middleware_plugins.key_access.sampling import Sampling
from redis_middleware_plugins.key_access.sketches import AccessSketch
from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["AccessCounter"]

_LONGEST_KEY: Final = 256
_BY_OTHER_WAYS: Final = -1


class AccessCounter:
    """Counts accesses into a sketch, one sketch for each step of time; for several threads.

    Args:
        make_sketch: makes the next sketch.
        sampling: which commands are counted.
        looks: which of the accesses that are counted are looked at closely.
        look: looks at one: the command, the key, and how many accesses it stands for.
        now: when counting begins.

    Attributes:
        passes: how many commands are still to be passed over; the caller counts down. 0 without
            sampling.
        encodes_utf8: whether the client's keys of text are UTF-8 on the wire.
    """

    __slots__ = (
        "_begin",
        "_kinds",
        "_lock",
        "_look",
        "_looks",
        "_make_sketch",
        "_sampling",
        "_sketch",
        "_unseen",
        "_weight",
        "encodes_utf8",
        "passes",
    )

    def __init__(
        self,
        make_sketch: Callable[[], AccessSketch],
        sampling: Sampling,
        looks: Sampling,
        look: Callable[[Command, bytes, float], None],
        now: float,
    ) -> None:
        self._make_sketch = make_sketch
        self._sampling = sampling
        self._looks = looks
        self._look = look
        self._kinds: dict[CommandSpec, int] = {}
        self.encodes_utf8 = True
        self.restart(now)

    def restart(self, now: float) -> None:
        """Begin anew, as in a process that was forked off: the lock may have been held."""
        self._lock = threading.Lock()
        self._sketch = self._make_sketch()
        self._weight = self._sampling.weight
        self._begin = now
        self._unseen = 0
        self.passes = self._sampling.gap()

    def count(self, command: Command, reply: Any) -> None:
        """Count the accesses of a command.

        Args:
            command: the command.
            reply: its reply; ``None`` where it failed.
        """
        spec = command.spec
        kind = self._kinds.get(spec)
        if kind is None:
            kind = self._kind_of(spec)
        args = command.args
        if kind >= 0 and len(args) > 1:
            key = args[1]
            if key.__class__ is str and self.encodes_utf8:
                try:
                    key = key.encode()
                except UnicodeEncodeError:
                    key = command.client.encode(key)
            elif key.__class__ is not bytes:
                key = command.client.encode(key)
            size = len(args[0]) + len(key) if len(args) == 2 else arguments_size(args)
            if reply.__class__ is bytes:
                size += len(reply)
            elif reply is not None and reply is not True:
                size += reply_size(reply)
            self._add(command, key, kind, size)
        else:
            for key, its_kind, size in accesses_of(command, reply):
                self._add(command, key, its_kind, size)
        if self._weight > 1:
            self.passes = self._sampling.gap()

    def _add(self, command: Command, key: bytes, kind: int, size: int) -> None:
        if len(key) > _LONGEST_KEY:
            key = ShortenedKey.of(key)
        with self._lock:
            weight = self._weight
            self._sketch.add(key, kind, size, weight)
        if self._unseen > 0:
            self._unseen -= 1
        else:
            self._unseen = self._looks.gap()
            self._look(command, key, self._looks.weight * weight)

    def _kind_of(self, spec: CommandSpec) -> int:
        kind = single_key_kind(spec)
        found = _BY_OTHER_WAYS if kind is None else kind
        if spec.known:
            self._kinds[spec] = found
        return found

    def take(self, now: float) -> Summary:
        """End the step: give what was counted, and begin the next one."""
        with self._lock:
            sketch, weight, begin = self._sketch, self._weight, self._begin
            self._sketch = self._make_sketch()
            self._begin = now
        return self._finished(sketch, weight, begin, now)

    def peek(self, now: float) -> Summary:
        """What was counted since the step began."""
        with self._lock:
            return self._finished(self._sketch, self._weight, self._begin, now)

    def adapt(self, rate: float) -> None:
        """Adapt the sampling to a rate, in accesses per second; called right after ``take``."""
        self._sampling.adapt(rate)
        self._weight = self._sampling.weight
        if self._weight == 1:
            self.passes = 0

    def adapt_looks(self, rate: float) -> None:
        """Adapt how many accesses are looked at to a rate of counted ones, per second."""
        self._looks.adapt(rate / self._weight)

    @staticmethod
    def _finished(sketch: AccessSketch, weight: int, begin: float, now: float) -> Summary:
        summary = sketch.summary(begin, now)
        summary.weight = weight
        return summary
