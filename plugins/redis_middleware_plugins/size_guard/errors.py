"""What the guard raises.

::

    ValueTooLarge (redis DataError, ValueError)   a write that would make something too large
    └── ReadTooLarge                              a read of more elements than is allowed at once
"""

from __future__ import annotations

from redis.exceptions import DataError

__all__ = ["ReadTooLarge", "ValueTooLarge"]


class ValueTooLarge(DataError, ValueError):
    """A command was refused because of a size.

    Attributes:
        key: the key as on the wire; empty where the limit is not about one key.
        command: the command's name; ``"PIPELINE"`` or ``"TRANSACTION"`` for a whole batch.
        limit: the name of the limit in the settings, such as ``"max_value"``.
        size: the size that was found, in the limit's unit (bytes, elements or arguments).
        allowed: the largest size that is allowed.
        place: where the settings set the limit.
        position: the command's index in its pipeline or transaction, from 0; ``None`` outside of
            one.
        was_sent: whether anything was sent: only in strict mode inside a pipeline or transaction,
            where the server itself refuses this one command.
    """

    def __init__(
        self,
        key: bytes,
        command: str,
        limit: str,
        size: int,
        allowed: int,
        place: str,
        position: int | None = None,
        was_sent: bool = False,
    ) -> None:
        super().__init__(key, command, limit, size, allowed, place, position, was_sent)
        self.key = key
        self.command = command
        self.limit = limit
        self.size = size
        self.allowed = allowed
        self.place = place
        self.position = position
        self.was_sent = was_sent

    def __str__(self) -> str:
        about = f" of key {self.key!r}" if self.key else ""
        where = ""
        if self.position is not None:
            done = "only this command was refused" if self.was_sent else "nothing was sent"
            where = f"; it is command {self.position + 1} of its pipeline, and {done}"
        return (
            f"{self.command}{about} is refused: {self.size} is over {self.limit} = {self.allowed} "
            f"({self.place}){where}"
        )


class ReadTooLarge(ValueTooLarge):
    """A read was refused because its reply would have too many elements."""
