"""How long commands may take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from redis_middleware import Command
from redis_middleware.commands import CommandSpec
from redis_middleware.commands.arguments import word_of

__all__ = ["Thresholds"]

# These wait only with the option BLOCK, which comes before STREAMS; the values are the positions
# of their first options.
_READS_OF_STREAMS: Final = {"XREAD": 1, "XREADGROUP": 4}


class Thresholds:
    """The duration, in seconds, from which a command is slow.

    Args:
        default: the threshold of commands that have none of their own.
        batch: the threshold of a pipeline or transaction as a whole.
        by_name: thresholds of commands by name, in any case of letters. The first word of
            commands of two words stands for all of them that are not named themselves.

    Attributes:
        lowest: no threshold of a single command is lower.
        batch: as given; no threshold of a batch is lower.
    """

    def __init__(
        self, default: float, batch: float, by_name: Mapping[str, float] | None = None
    ) -> None:
        self._default = default
        self._by_name = {
            " ".join(name.upper().split()): seconds for name, seconds in (by_name or {}).items()
        }
        self.lowest = min(default, *self._by_name.values()) if self._by_name else default
        self.batch = batch

    def may_apply(self, spec: CommandSpec) -> bool:
        """Whether some invocation of a command has a threshold."""
        return (
            not spec.is_blocking
            or spec.name in _READS_OF_STREAMS
            or self._own(spec.name) is not None
        )

    def of_command(self, command: Command) -> float:
        """The threshold of a single command; infinite if it waits on purpose."""
        own = self._own(command.name)
        if own is not None:
            return own
        return math.inf if _waits_on_purpose(command) else self._default

    def of_batch(self, commands: Sequence[Command], *, transaction: bool) -> float:
        """The threshold of a pipeline; infinite if one of its commands waits on purpose.

        In a transaction no command waits: the server runs it as if its time had run out.
        """
        threshold = self.batch
        for command in commands:
            own = self._own(command.name)
            if own is not None:
                threshold = max(threshold, own)
            elif not transaction and _waits_on_purpose(command):
                return math.inf
        return threshold

    def _own(self, name: str) -> float | None:
        by_name = self._by_name
        own = by_name.get(name)
        return by_name.get(name.partition(" ")[0]) if own is None else own


def _waits_on_purpose(command: Command) -> bool:
    if not command.spec.is_blocking:
        return False
    first_option = _READS_OF_STREAMS.get(command.name)
    if first_option is None:
        return True
    for argument in command.wire[first_option:]:
        word = word_of(argument)
        if word in ("BLOCK", "STREAMS"):
            return word == "BLOCK"
    return False
