"""The flow around SET, the write that there are most of: a small value passes at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redis_middleware import Command, Flow
from redis_middleware.commands import spec_of
from redis_middleware_plugins.size_guard.judging import Judge
from redis_middleware_plugins.size_guard.removing import Removals
from redis_middleware_plugins.size_guard.writing import Writes

__all__ = ["FlowFunction", "around_set"]

FlowFunction = Callable[[Command], Flow | None]
"""The flow around a command; ``None`` where nothing is left to do once it was judged."""

_SET: Final = spec_of("SET")
_SIZED: Final = frozenset({bytes, str})


def around_set(judge: Judge, writes: Writes, removals: Removals) -> FlowFunction:
    """Make the flow function of SET."""
    # Names of an enclosing function are looked up faster than attributes of an object.
    floors = judge.floors(_SET)
    small_key, small_value = floors.key, floors.size
    has_caps = writes.has_caps(_SET)

    def flow(command: Command) -> Flow | None:
        args = command.args
        count = len(args)
        if (
            count < 3
            or args[2].__class__ not in _SIZED
            or len(args[2]) > small_value
            or args[1].__class__ not in _SIZED
            or len(args[1]) > small_key
        ):
            judge.arguments(command)
        if count == 5 and (removal := removals.set(command)) is not None:
            return removal
        return writes.capped(command) if has_caps else None

    return flow
