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

    That is at once, until `hold` is called. What comes after the first signal is ignored: the block
    is being left already.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._is_held = False
        self._before: dict[int, Any] = {}

    def hold(self) -> None:
        """Raise from now on in `check` only.

        With other threads at work an exception is not to come at any moment: raised within
        ``Event.set()``, say, it leaves the event's lock taken for ever, and who sets it once more
        while cleaning up never returns.
        """
        self._is_held = True

    def check(self) -> None:
        """Raise `Interrupted` if the signal has come, also where Python swallowed the first one.

        It does so in finalizers.
        """
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
            if not self._is_held:
                raise Interrupted(number)
