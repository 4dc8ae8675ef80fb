"""Counting the accesses of commands as they pass, from many threads.

What runs for every command only notes its key and size. Notes are counted 128 at a time: between
two commands a processor's caches forget the code that counts, so that it took three times as long
for each command by itself as in bulk (measured in place: 1.9 against 0.6 µs).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from redis_middleware import ClientView, Command
from redis_middleware.commands import CommandSpec
from redis_middleware.sizes import arguments_size
from redis_middleware_plugins.key_access.accesses import accesses_of, reply_size
from redis_middleware_plugins.key_access.long_keys import ShortenedKey
from redis_middleware_plugins.key_access.sampling import Sampling
from redis_middleware_plugins.key_access.sketches import READ, WRITE, AccessSketch
from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["AccessCounter"]

_LONGEST_KEY: Final = 256
_MOST_NOTES: Final = 128
_IMMUTABLE: Final = (str, bytes)

# A command's specification, its key, the bytes that it moved, the client, and the kind of access.
# The command itself is not kept: it would keep its value, and the
# interpreter's memory for the next one would be cold.
_Note = tuple[CommandSpec, Any, int, ClientView, int]


class AccessCounter:
    """Counts accesses into a sketch, one sketch for each step of time.

    Args:
        make_sketch: makes the next sketch.
        sampling: which commands are counted.
        looks: which of the accesses that are counted are looked at closely.
        look: looks at one: the command's specification, the key, and how many accesses it stands
            for.
        on_bulk: called, by whoever sends commands, after notes were counted.
        now: when counting begins.

    Attributes:
        samples: whether commands are passed over; the caller draws with each one it counts then.
        passes: how many are still to be passed over; the caller counts down.
    """

    __slots__ = (
        "_begin",
        "_kinds",
        "_lock",
        "_look",
        "_looks",
        "_make_sketch",
        "_notes",
        "_on_bulk",
        "_sampling",
        "_sketch",
        "_unseen",
        "_utf8",
        "_weight",
        "passes",
        "samples",
    )

    def __init__(
        self,
        make_sketch: Callable[[], AccessSketch],
        sampling: Sampling,
        looks: Sampling,
        look: Callable[[CommandSpec, bytes, float, ClientView], None],
        on_bulk: Callable[[], None],
        now: float,
    ) -> None:
        self._make_sketch = make_sketch
        self._sampling = sampling
        self._looks = looks
        self._look = look
        self._on_bulk = on_bulk
        self._utf8: ClientView | None = None
        self._kinds: dict[CommandSpec, int] = {}
        self.restart(now)

    def restart(self, now: float) -> None:
        """Begin anew, as in a process that was forked off: the lock may have been held."""
        self._lock = threading.Lock()
        self._notes: deque[_Note] = deque()
        self._sketch = self._make_sketch()
        self._weight = self._sampling.weight
        self._begin = now
        self._unseen = 0
        self.samples = self._weight > 1
        self.passes = self._sampling.gap()

    def draw(self) -> None:
        """Draw how many commands to pass over after the one that begins.

        It is called when a command begins, not when it ends: all commands of a pipeline begin
        before any of them ends.
        """
        self.passes = self._sampling.gap()

    def count(self, command: Command, reply: Any) -> None:
        """Count the accesses of a command.

        Args:
            command: the command.
            reply: its reply; ``None`` where it failed.
        """
        args, notes = command.args, self._notes
        kind = self._kinds.get(command.spec)
        if (
            kind is not None
            and reply.__class__ is bytes
            and len(args) == 2
            and (args[1].__class__ is str or args[1].__class__ is bytes)
        ):
            size = len(args[1]) + len(reply)
            notes.append((command.spec, args[1], size, command.client, kind))
        else:
            self._note(command, command.spec, reply)
        if len(notes) >= _MOST_NOTES:
            with self._lock:
                self._count_notes()
            self._on_bulk()

    def _note(self, command: Command, spec: CommandSpec, reply: Any) -> None:
        args, client = command.args, command.client
        kind = self._kinds.get(spec)
        if kind is None:
            kind = self._kind_of(spec)
        if kind is not None and len(args) > 1 and args[1].__class__ in _IMMUTABLE:
            size = arguments_size(args[1:])
            if reply is not None and reply is not True:
                size += reply_size(reply)
            self._notes.append((spec, args[1], size, client, kind))
        else:
            for key, its_kind, size in accesses_of(command, reply):
                self._notes.append((spec, key, size, client, its_kind))

    def _count_notes(self) -> None:
        """Count what is noted; called with the lock held."""
        notes, weight, unseen = self._notes, self._weight, self._unseen
        add, take_note = self._sketch.add, self._notes.popleft
        while notes:
            spec, key, size, client, kind = take_note()
            if key.__class__ is str:
                try:
                    key = key.encode() if client is self._utf8 else client.encode(key)
                except UnicodeError:
                    # redis-py has refused the command for it.
                    continue
            if len(key) > _LONGEST_KEY:
                key = ShortenedKey.of(key)
            add(key, kind, size, weight)
            if unseen > 0:
                unseen -= 1
            else:
                unseen = self._looks.gap()
                self._look(spec, key, self._looks.weight * weight, client)
        self._unseen = unseen

    def _kind_of(self, spec: CommandSpec) -> int | None:
        """The kind of access of a command whose only key is its first argument; else ``None``."""
        if spec.first_key != 1:
            return None
        # The flags of some depend on their options: SET reads too with GET.
        writes = spec.fixed_uses[0].writes if spec.fixed_uses else spec.is_write
        kind = self._kinds[spec] = WRITE if writes else READ
        return kind

    def know(self, client: ClientView) -> None:
        """Learn of a client whether its text is UTF-8 on the wire, which is quick to encode."""
        try:
            is_utf8 = client.encode("\u20ac") == "\u20ac".encode()
        except UnicodeError:
            is_utf8 = False
        self._utf8 = client if is_utf8 else None

    def take(self, now: float) -> Summary:
        """End the step: give what was counted, and begin the next one."""
        with self._lock:
            self._count_notes()
            sketch, weight, begin = self._sketch, self._weight, self._begin
            self._sketch = self._make_sketch()
            self._begin = now
            # A sketch counts all its accesses with the same weight.
            self._weight = self._sampling.weight
            self.samples = self._weight > 1
        return self._finished(sketch, weight, begin, now)

    def peek(self, now: float) -> Summary:
        """What was counted since the step began."""
        with self._lock:
            self._count_notes()
            return self._finished(self._sketch, self._weight, self._begin, now)

    def adapt(self, rate: float) -> None:
        """Adapt to a rate, in accesses per second: looks at once, sampling from the next step."""
        self._looks.adapt(rate / self._weight)
        self._sampling.adapt(rate)

    @staticmethod
    def _finished(sketch: AccessSketch, weight: int, begin: float, now: float) -> Summary:
        summary = sketch.summary(begin, now)
        summary.weight = weight
        return summary
