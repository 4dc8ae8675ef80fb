"""Judging sizes by the limits: what is over one is counted, logged or refused."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from itertools import chain
from typing import Any, Final, NamedTuple

from redis.exceptions import DataError

from redis_middleware import Batch, Command, Place
from redis_middleware.commands import CommandSpec
from redis_middleware.sizes import arguments_size
from redis_middleware_plugins.size_guard.errors import ReadTooLarge, ValueTooLarge
from redis_middleware_plugins.size_guard.notices import Finding, Notices
from redis_middleware_plugins.size_guard.policies import Limit, Policies
from redis_middleware_plugins.size_guard.writes import MEASURES

__all__ = ["Judge", "PlaceOf", "encoded"]

PlaceOf = Callable[[tuple[str | int, ...]], str]
"""Tells where the settings set the value at a path from the guard's table."""

_SIZED: Final = frozenset({bytes, str})
_SENT: Final = (bytes, str, int, float, bytearray, memoryview)
_NUMBERS: Final = frozenset({int, float})
_LARGEST_NUMBER: Final = 10**24
_MOST_DIGITS: Final = 25
"""The characters of a float at most, and of an int whose absolute value is below the largest."""
_BY_OFFSET: Final = frozenset({"SETRANGE", "SETBIT", "BITFIELD"})
_SEVERAL_KEYS: Final = frozenset({"MSET", "MSETNX", "MSETEX", "JSON.MSET"})
_MOST_BYTES_A_CHARACTER: Final = 4


class _Floors(NamedTuple):
    """The smallest sizes that any limit says anything about."""

    size: int
    elements: int
    arguments: int
    key: int


class Judge:
    """Compares sizes with the limits that hold for their keys.

    Args:
        policies: the limits.
        notices: where findings go.
        place_of: tells where the settings set a limit.
    """

    def __init__(self, policies: Policies, notices: Notices, place_of: PlaceOf) -> None:
        self.policies = policies
        self.notices = notices
        self._place_of = place_of
        self._floors: dict[str, _Floors] = {}

    def floors(self, spec: CommandSpec) -> _Floors:
        """The smallest thresholds for a command; below them its arguments need no closer look."""
        floors = self._floors.get(spec.name)
        if floors is None:
            floor = self.policies.floor
            # A character may become four bytes: what has fewer than a quarter is surely small. An
            # offset can ask for any size, with few characters.
            several = spec.name in _SEVERAL_KEYS
            size = min(
                floor("max_value", spec),
                floor("max_element", spec),
                floor("max_key", spec) if several else math.inf,
            )
            floors = _Floors(
                -1 if spec.name in _BY_OFFSET else _whole(size / _MOST_BYTES_A_CHARACTER),
                _whole(floor("max_elements", spec)),
                _whole(floor("max_arguments", spec)),
                _whole(floor("max_key", spec) / _MOST_BYTES_A_CHARACTER),
            )
            self._floors[spec.name] = floors
        return floors

    def arguments(self, command: Command) -> None:
        """Judge a write by its arguments.

        Raises:
            ValueTooLarge: a limit refuses it.
        """
        args = command.args
        floors = self.floors(command.spec)
        count = len(args)
        if (
            1 < count <= floors.arguments
            and count <= floors.elements
            and args[1].__class__ in _SIZED
            and len(args[1]) <= floors.key
            and _most_characters(args) <= floors.size
        ):
            return
        self._closely(command)

    def _closely(self, command: Command) -> None:
        wire = command.wire
        key = b""
        for write in MEASURES[command.spec.name](wire):
            if write.key:
                found = encoded(command, wire[write.key])
                if found is None:
                    return
                key = found
                self.check("max_key", key, command, len(key))
            self.check("max_value", key, command, write.size)
            if write.largest:
                self.check("max_element", key, command, write.largest)
            if write.elements:
                self.check("max_elements", key, command, write.elements)
        self.check("max_arguments", key, command, len(wire))

    def check(self, name: str, key: bytes, command: Command, size: int) -> None:
        """Judge one size before the command is sent.

        Raises:
            ValueTooLarge: the limit refuses it.
        """
        limit = self.policies.limit(name, key, command.spec)
        if size > limit.lowest:
            if size > limit.reject:
                self.refuse(limit, key, command, size)
            self.report(limit, key, command, size)

    def refuse(
        self, limit: Limit, key: bytes, command: Command, size: int, *, was_sent: bool = False
    ) -> None:
        """Count the refusal and raise it.

        A command with an argument that redis-py does not take is left to redis-py's own error.

        Raises:
            ValueTooLarge: the command could be sent.
        """
        if not all(map(_can_be_sent, command.args)):
            return
        self.notices.note(command, Finding(limit.name, "reject", command.name))
        raise ValueTooLarge(
            key,
            command.name,
            limit.name,
            size,
            int(limit.reject),
            self._place_of(limit.path),
            command.position,
            was_sent,
        )

    def refuse_read(self, key: bytes, command: Command, size: int, allowed: int) -> None:
        """Count the refusal of a read and raise it.

        One with an argument that redis-py does not take is left to redis-py's own error.

        Raises:
            ReadTooLarge: the command could be sent.
        """
        if not all(map(_can_be_sent, command.args)):
            return
        self.notices.note(command, Finding("max_read", "reject", command.name))
        place = self._place_of(self.policies.path("max_read", key, command.spec))
        raise ReadTooLarge(key, command.name, "max_read", size, allowed, place, command.position)

    def report(self, limit: Limit, key: bytes, command: Command, size: int) -> None:
        """Count, and log if the limit says so, what is not refused, or cannot be any more."""
        action = limit.action(size)
        if action is None:
            return
        done = "warn" if action == "reject" else action
        finding = Finding(limit.name, done, command.name)
        self.notices.note(command, finding)
        if done == "warn":
            allowed = int(min(limit.warn, limit.reject))
            place = self._place_of(limit.path)
            text = f"{size} is over {limit.name} = {allowed} ({place})"
            self.notices.warn(key, finding, text)

    def report_read(self, key: bytes, command: Command, size: int, *, loudly: bool) -> None:
        """Count, and log, a read of many elements."""
        finding = Finding("max_read", "warn" if loudly else "observe", command.name)
        self.notices.note(command, finding)
        if loudly:
            path = self.policies.path("max_read", key, command.spec)
            self.notices.warn(
                key, finding, f"it reads {size} elements at once ({self._place_of(path)})"
            )

    def batch(self, batch: Batch) -> None:
        """Judge the summed arguments of a pipeline or transaction.

        One with an argument that redis-py does not take is left to redis-py's own error.

        Raises:
            ValueTooLarge: the limit refuses it.
        """
        limit = self.policies.batch
        size = sum(map(arguments_size, batch.arguments))
        if size <= limit.lowest:
            return
        name = "TRANSACTION" if batch.place is Place.TRANSACTION else "PIPELINE"
        action = limit.action(size)
        if action == "reject" and not all(map(_can_be_sent, chain(*batch.arguments))):
            return
        finding = Finding(limit.name, str(action), name)
        self.notices.note(batch, finding)
        place = self._place_of(limit.path)
        if action == "reject":
            raise ValueTooLarge(b"", name, limit.name, size, int(limit.reject), place)
        if action == "warn":
            text = f"{size} bytes of arguments are over {limit.name} = {int(limit.warn)} ({place})"
            self.notices.warn(b"", finding, text)


def _whole(floor: float) -> int:
    """A floor as a whole number, which compares faster; infinite is larger than any length."""
    return int(min(floor, sys.maxsize))


def _most_characters(arguments: tuple[Any, ...]) -> float:
    """The number of characters of all arguments at most; infinite where no quick look tells it.

    Args:
        arguments: the command's name, its key as text, and what follows.
    """
    if _SIZED.issuperset(map(type, arguments)):
        return sum(map(len, arguments))
    values = arguments[2:]
    if values and _NUMBERS.issuperset(map(type, values)):
        are_small = min(values) > -_LARGEST_NUMBER and max(values) < _LARGEST_NUMBER
        return len(arguments[1]) + _MOST_DIGITS * len(arguments) if are_small else math.inf
    total = 0
    for argument in arguments:
        kind = type(argument)
        if kind in _SIZED:
            total += len(argument)
        elif kind in _NUMBERS and -_LARGEST_NUMBER < argument < _LARGEST_NUMBER:
            total += _MOST_DIGITS
        else:
            return math.inf
    return total


def _can_be_sent(argument: object) -> bool:
    return isinstance(argument, _SENT) and not isinstance(argument, bool)


def encoded(command: Command, argument: Any) -> bytes | None:
    """An argument as on the wire; ``None`` where redis-py refuses it with an error of its own."""
    try:
        # redis-py leaves a memoryview or bytearray as it is.
        return bytes(command.client.encode(argument))
    except (DataError, UnicodeError):
        return None
