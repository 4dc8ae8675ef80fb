"""The story as a screen that changes in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from redis_middleware.cli.demo.panels import keys_panel, requests_panel, servers_panel
from redis_middleware.cli.demo.stage import Scene, Stage
from redis_middleware.cli.demo.views import Outcome

__all__ = ["Screen"]

_FEWEST_ROWS: Final = 3
_MOST_ROWS: Final = 8
_TOLD: Final = 13
"""Lines that a scene needs for what it tells, its frame included."""
_HEAD: Final = 2
_REQUESTS: Final = 4
_FRAME: Final = 2


class Screen:
    """Shows the figures above what the scene tells.

    Args:
        out: a terminal.
        scenes: all scenes of the story.
        clock: seconds from any fixed point.
    """

    def __init__(
        self, out: Console, scenes: Sequence[Scene], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._out = out
        self._scenes = scenes
        self._clock = clock
        self._start = clock()
        self._live = Live(console=out, screen=True, auto_refresh=False)
        self._scene: Scene = scenes[0]
        self._told: list[RenderableType] = []
        self._outcomes: Sequence[Outcome] = ()

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(exception_type, exception, traceback)

    def begin(self, scene: Scene) -> None:
        """Begin with nothing told."""
        self._scene = scene
        self._told = []

    def tell(self, what: RenderableType) -> None:
        """Show it with the next look."""
        self._told.append(what)

    def look(self, stage: Stage) -> None:
        """Draw everything."""
        self._live.update(self.page(stage), refresh=True)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Mark the scene."""
        self._outcomes = tuple(outcomes)

    def page(self, stage: Stage) -> RenderableType:
        """The whole screen as it is now."""
        page = Layout()
        told = Panel(
            _Last(self._told),
            title=self._scene.title,
            title_align="left",
            border_style="green",
            padding=0,
        )
        parts = [Layout(self._head(stage), size=_HEAD)]
        if stage.load.is_running:
            room = self._out.height - _HEAD - _REQUESTS - _FRAME - _TOLD
            rows = max(_FEWEST_ROWS, min(room, _MOST_ROWS))
            figures = Layout(size=rows + _FRAME)
            figures.split_row(
                Layout(servers_panel(stage.meter.latest(1.0))), Layout(keys_panel(stage, rows))
            )
            width = self._out.width - _FRAME - 2
            parts += [Layout(requests_panel(stage, width), size=_REQUESTS), figures]
        page.split_column(*parts, Layout(told))
        return page

    def _head(self, stage: Stage) -> RenderableType:
        server = stage.servers.primaries[0]
        now = self._clock() - self._start
        title = Text(
            f"redis-middleware demo: {len(stage.servers.primaries)} primaries, {server.name} "
            f"{server.version}, {stage.load.threads} threads, {now:.0f} s",
            style="bold",
            overflow="ellipsis",
            no_wrap=True,
        )
        steps = Text(overflow="ellipsis", no_wrap=True)
        for number, scene in enumerate(self._scenes):
            if number < len(self._outcomes):
                passed = self._outcomes[number].passed
                steps.append("✓ " if passed else "✗ ", style="green" if passed else "bold red")
                steps.append(scene.name, style="dim")
            elif scene is self._scene:
                steps.append(f"▶ {scene.name}", style="bold green")
            else:
                steps.append(f"· {scene.name}", style="dim")
            steps.append("   ")
        return Group(title, steps)


class _Last:
    """As many of the last lines as there is room for."""

    def __init__(self, told: Sequence[RenderableType]) -> None:
        self._told = Group(*told)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height
        lines = console.render_lines(self._told, options.update(height=None), pad=False)
        for line in lines if height is None else lines[-height:]:
            yield from line
            yield Segment.line()
