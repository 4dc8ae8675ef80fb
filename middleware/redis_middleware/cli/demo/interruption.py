"""Ctrl-C and SIGTERM end the demo in an orderly way, whenever they come."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Interrupted", "Interruption"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The demo is to end.

    Attributes:
        status: the exit status that tells of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Interruption:
    """Raises `Interrupted` for the first signal within the ``with`` block.

    What comes after it is ignored: the block is being left already. An exception raised where
    Python swallows it, in a finalizer for one, is raised again by `check`.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def check(self) -> None:
        """Raise `Interrupted` if the signal has come."""
        if self._number is not None:
            raise Interrupted(self._number)

    def __enter__(self) -> Self:
        for each in _SIGNALS:
            self._before[each] = signal.signal(each, self._came)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
            raise Interrupted(number)
