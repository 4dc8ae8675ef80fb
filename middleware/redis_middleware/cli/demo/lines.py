"""The story as lines, for logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.text import Text

from redis_middleware.cli.demo.stage import Scene, Stage
from redis_middleware.cli.demo.views import Outcome
from redis_middleware.cli.demo.wording import amount, milliseconds, percent

__all__ = ["Lines"]

_EVERY: Final = 1.0


class Lines:
    """Prints what is told as it comes, and the figures once a second.

    Args:
        out: where to.
        clock: seconds from any fixed point.
    """

    def __init__(self, out: Console, clock: Callable[[], float] = time.perf_counter) -> None:
        self._out = out
        self._clock = clock
        self._start = clock()
        self._next_figures = self._start + _EVERY

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def begin(self, scene: Scene) -> None:
        """Print the title."""
        self._out.print(f"\n== {scene.title}", style="bold", soft_wrap=True)

    def tell(self, what: RenderableType) -> None:
        """Print it; only tables and trees are fitted to a width."""
        self._out.print(what, soft_wrap=isinstance(what, str | Text))

    def look(self, stage: Stage) -> None:
        """Print the figures of the last second, where it is time to."""
        now = self._clock()
        if not stage.load.is_running:
            self._next_figures = now + _EVERY
        if now < self._next_figures:
            return
        self._next_figures = now + _EVERY
        reading = stage.meter.latest(_EVERY)
        cores = ", ".join(percent(server.cpu) for server in reading.servers)
        self._out.print(
            f"{now - self._start:6.1f} s  {amount(reading.rate):>8} requests/s  "
            f"p50 {milliseconds(reading.p50)}  p99 {milliseconds(reading.p99)}  "
            f"servers {cores} of a core  {stage.load.errors.total()} errors",
            style="dim",
            soft_wrap=True,
        )

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Print whether the scene did what it says."""
        outcome = outcomes[-1]
        self._out.print(f"{'ok' if outcome.passed else 'FAILED'}: {outcome.text}", soft_wrap=True)
