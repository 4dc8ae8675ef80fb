"""Sets the stage, plays the scenes, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Final, NoReturn

from redis.exceptions import RedisError
from rich.console import Console, RenderableType
from rich.text import Text

from redis_middleware.cli.demo.ending import print_connecting, print_summary
from redis_middleware.cli.demo.interruption import Interrupted, Interruption
from redis_middleware.cli.demo.lines import Lines
from redis_middleware.cli.demo.scenes import all_scenes
from redis_middleware.cli.demo.screen import Screen
from redis_middleware.cli.demo.stage import Scene, SceneFailed, Stage
from redis_middleware.cli.demo.views import Outcome, View
from redis_middleware.cli.output import console, has_screen
from redis_middleware.embedded import SERVER_VARIABLE, cluster
from redis_middleware.embedded.workspace import Workspace
from redis_middleware.errors import MiddlewareError

__all__ = ["tell_the_story"]

_LOGGER: Final = logging.getLogger("redis_middleware")
_PRIMARIES: Final = 3
_USUAL_SECONDS: Final = 42.0
"""What the pauses of all scenes come to."""
_LOOK_EVERY: Final = 0.25
_VARIABLES: Final = "REDIS_MIDDLEWARE"


def tell_the_story(seconds: float, *, threads: int, plain: bool, keep: bool) -> int:
    """Play all scenes on a cluster of its own, and end it.

    Args:
        seconds: how long that takes, about.
        threads: how many threads make the load.
        plain: whether to print lines on a terminal too.
        keep: whether the cluster stays up until Ctrl-C.

    Returns:
        The exit status: 0 if every scene did what it says, 1 if not, 128 and the number of the
        signal that ended it before.

    Raises:
        ServerStartError: there is no server to start, or the cluster does not form.
    """
    out = console()
    with Interruption() as interruption:
        try:
            with Workspace() as workspace, _own_settings_only():
                out.print(f"Starting a cluster of {_PRIMARIES} primaries ...")
                with cluster(primaries=_PRIMARIES, replicas=0) as servers:
                    interruption.hold()
                    stage = Stage(servers, workspace.directory, threads, seconds / _USUAL_SECONDS)
                    with closing(stage):
                        outcomes = _play(out, stage, interruption, plain=plain)
                    interruption.check()
                    if keep:
                        # This is how it is to end: the status is that of the story.
                        with suppress(Interrupted):
                            print_connecting(out, stage)
                            _wait(interruption)
        except Interrupted as interrupted:
            out.print("\nInterrupted: the servers have ended, their files are removed.")
            return interrupted.status
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _play(out: Console, stage: Stage, interruption: Interruption, *, plain: bool) -> list[Outcome]:
    scenes = all_scenes()
    # The screen is drawn with characters that other encodings do not have.
    on_screen = has_screen(out) and not plain and out.encoding.startswith("utf")
    view: View = Screen(out, scenes) if on_screen else Lines(out)
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        log = stack.enter_context(_log_lines())
        stack.enter_context(view)
        director = _Director(stage, view, interruption, log)
        for scene in scenes:
            view.begin(scene)
            outcomes.append(director.play(scene))
            view.end(outcomes)
    print_summary(out, stage, outcomes, with_details=on_screen)
    return outcomes


class _Director:
    """Plays scenes: measures and shows while they let the load go on."""

    def __init__(
        self, stage: Stage, view: View, interruption: Interruption, log: deque[str]
    ) -> None:
        self._stage = stage
        self._view = view
        self._interruption = interruption
        self._log = log
        self._next_look = time.perf_counter()

    def play(self, scene: Scene) -> Outcome:
        errors = self._stage.load.errors
        with closing(scene.play(self._stage, self._tell)) as pauses:
            while True:
                try:
                    seconds = next(pauses)
                except StopIteration as end:
                    failed = self._stage.load.errors - errors
                    if failed:
                        (text, count), *_ = failed.most_common()
                        return Outcome(scene, False, f"{count} requests failed: {text}")
                    return Outcome(scene, True, end.value)
                except (SceneFailed, RedisError, MiddlewareError) as error:
                    return Outcome(scene, False, str(error))
                self._go_on(seconds)

    def _tell(self, what: RenderableType) -> None:
        self._view.tell(what)
        # It is shown at once.
        self._next_look = time.perf_counter()

    def _go_on(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while True:
            self._interruption.check()
            now = time.perf_counter()
            if now >= self._next_look:
                self._stage.meter.look()
                while self._log:
                    self._view.tell(Text(self._log.popleft(), style="dim"))
                self._view.look(self._stage)
                self._next_look = now + _LOOK_EVERY
            if now >= end:
                return
            time.sleep(max(0.0, min(end, self._next_look) - now))


class _Queue(logging.Handler):
    """Keeps lines of the log until somebody takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"log: {record.levelname} {record.name}: {record.getMessage()}")


@contextmanager
def _log_lines() -> Iterator[deque[str]]:
    """What the middleware logs, in place of other handlers, which would write over the screen."""
    before = _LOGGER.handlers, _LOGGER.propagate, _LOGGER.level
    queue = _Queue()
    _LOGGER.handlers, _LOGGER.propagate = [queue], False
    _LOGGER.setLevel(logging.INFO)
    try:
        yield queue.lines
    finally:
        _LOGGER.handlers, _LOGGER.propagate = before[:2]
        _LOGGER.setLevel(before[2])


@contextmanager
def _own_settings_only() -> Iterator[None]:
    """Keep the environment's settings out of those that the demo shows."""
    kept = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.upper().startswith(_VARIABLES) and name != SERVER_VARIABLE
    }
    try:
        yield
    finally:
        os.environ.update(kept)


def _wait(interruption: Interruption) -> NoReturn:
    """Wait for Ctrl-C or SIGTERM."""
    while True:
        interruption.check()
        time.sleep(_LOOK_EVERY)
