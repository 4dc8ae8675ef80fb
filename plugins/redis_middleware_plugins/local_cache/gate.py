"""Of which keys replies may be kept just now."""

from __future__ import annotations

from collections.abc import Iterable

from redis_middleware.commands.slots import key_slot

__all__ = ["Gate"]

_NO_SLOTS: frozenset[int] = frozenset()


class Gate:
    """Closed where nobody hears of writes, and for what this client itself is writing.

    Whoever uses it has a lock for it.

    Attributes:
        is_open: whether anything may be kept.
        is_barred: whether nothing may be kept, or not of all keys, besides those being written.
        writes: of each key that is being written, by how many commands.
    """

    __slots__ = ("_closed_slots", "_is_off", "_writes_of_all", "is_barred", "is_open", "writes")

    def __init__(self) -> None:
        self.is_open = False
        self.is_barred = True
        self.writes: dict[bytes, int] = {}
        self._is_off = False
        self._writes_of_all = 0
        self._closed_slots = _NO_SLOTS

    def lets_pass(self, key: bytes) -> bool:
        """Whether replies of a key may be kept."""
        return (
            self.is_open
            and key not in self.writes
            and not self._writes_of_all
            and not (self._closed_slots and key_slot(key) in self._closed_slots)
        )

    def _bar(self) -> None:
        self.is_barred = bool(not self.is_open or self._writes_of_all or self._closed_slots)

    def open(self, but: frozenset[int] = _NO_SLOTS) -> frozenset[int]:
        """Open it but for the keys of these slots of a cluster; those that it closes for."""
        self.is_open = not self._is_off
        before, self._closed_slots = self._closed_slots, but
        self._bar()
        return but - before

    def close(self, *, for_good: bool = False) -> None:
        """Close it for all keys."""
        self._is_off |= for_good
        self.is_open = False
        self._bar()

    def begin_write(self, key: bytes) -> None:
        """A key is about to be written."""
        self.writes[key] = self.writes.get(key, 0) + 1

    def end_writes(self, keys: Iterable[bytes]) -> None:
        """A command that wrote these keys has ended."""
        writes = self.writes
        for key in keys:
            left = writes[key] - 1
            if left:
                writes[key] = left
            else:
                del writes[key]

    def begin_write_of_all(self) -> None:
        """Any key may be about to be written."""
        self._writes_of_all += 1
        self._bar()

    def end_write_of_all(self) -> None:
        """That has ended."""
        self._writes_of_all -= 1
        self._bar()
