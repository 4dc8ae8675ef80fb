"""A clock for tests."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A clock that stands still until the test moves it.

    It is called like ``time.monotonic`` or ``time.time``, so it goes wherever a plugin takes a
    clock. In a :class:`~redis_middleware.testing.Script`, ``Sleep`` and replies that take time move
    it.

    Args:
        start: its first reading, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def __call__(self) -> float:
        """The reading, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: the time is negative.
        """
        if not seconds >= 0:
            raise ValueError(f"time passes forwards only: {seconds!r} seconds are negative")
        self._now += seconds

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"
