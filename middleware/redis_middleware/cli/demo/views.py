"""How the story is shown: as a screen that changes, or as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import RenderableType

from redis_middleware.cli.demo.stage import Scene, Stage

__all__ = ["Outcome", "View"]


@dataclass(frozen=True)
class Outcome:
    """What a scene came to.

    Attributes:
        scene: the scene.
        passed: whether it did what it says.
        text: what was measured, or what went wrong, in a line.
    """

    scene: Scene
    passed: bool
    text: str


class View(Protocol):
    """Shows the scenes of a story, from entering its ``with`` block to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def begin(self, scene: Scene) -> None:
        """A scene begins."""

    def tell(self, what: RenderableType) -> None:
        """Show what a scene tells."""

    def look(self, stage: Stage) -> None:
        """Show what is measured; called a few times a second."""

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """A scene has ended: the last of these is its outcome."""
