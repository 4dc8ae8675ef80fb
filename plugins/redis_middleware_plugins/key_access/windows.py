"""Sliding windows: the last ten seconds, the last five minutes, out of summaries of steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from redis_middleware_plugins.key_access.summary import Summary, merge

__all__ = ["Window", "Windows"]

_STEPS: Final = 10
# Clocks are not exact: a step may end a little before its time.
_ALMOST: Final = 0.9


class Window:
    """The last so many seconds, in ten steps; at most one step longer than asked for.

    Args:
        length: in seconds.
        keep: how many keys are kept of each step.
    """

    def __init__(self, length: float, keep: int) -> None:
        self.length = length
        self._keep = keep
        self._step = length / _STEPS
        self._steps: deque[Summary] = deque()
        self._partial: Summary | None = None

    def add(self, step: Summary) -> None:
        """Take up what was counted since the last time."""
        partial = self._partial
        if partial is not None:
            step = merge([partial, step], partial.begin, step.end)
        if step.seconds >= self._step * _ALMOST:
            self._steps.append(step.top(self._keep))
            self._partial = None
        else:
            # Room for the rest: what is cut here could have become heavy by the step's end.
            self._partial = step.top(4 * self._keep)
        while self._steps and self._steps[0].end <= step.end - self.length:
            self._steps.popleft()

    def _parts(self, now: float) -> list[Summary]:
        # Where nobody counts for a while, nobody adds steps either.
        parts = [*self._steps, *([self._partial] if self._partial is not None else [])]
        return [part for part in parts if part.end > now - self.length]

    def view(self, live: Summary) -> Summary:
        """The whole window, up to what is being counted now."""
        parts = [*self._parts(live.end), live]
        return merge(parts, parts[0].begin, live.end)


class Windows:
    """Several windows that slide together, the shortest first.

    Args:
        lengths: in seconds.
        keep: how many keys are kept of each step of each window.
    """

    def __init__(self, lengths: Sequence[float], keep: int) -> None:
        self.all = tuple([Window(length, keep) for length in sorted(lengths)])

    @property
    def shortest(self) -> Window:
        """The shortest window."""
        return self.all[0]

    def add(self, step: Summary) -> None:
        """Take up what was counted since the last time."""
        for window in self.all:
            window.add(step)
