"""Random pipelines of random commands with random plugins, against a straightforward model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flows.language import (
    BEHAVIOURS,
    Behaviour,
    Journal,
    Model,
    Outcome,
    Player,
    Server,
    outcome_of,
)

from redis_middleware import Command
from redis_middleware.testing import Script

PLUGINS = st.lists(
    st.lists(st.sampled_from(BEHAVIOURS), min_size=1, max_size=3), min_size=1, max_size=4
)
PATHS = st.lists(st.from_regex("[a-z]{1,3}", fullmatch=True), min_size=1, max_size=6, unique=True)


class Stage:
    """A script with plugins that behave as told, and a server that answers paths."""

    def __init__(self, plugins: Sequence[Sequence[Behaviour]]) -> None:
        self.journal = Journal()
        server = Server()
        self.script = Script(
            *[Player(number, behaviours, self.journal) for number, behaviours in enumerate(plugins)]
        ).answers(lambda command: server.answer(str(command.args[1])))

    @property
    def rounds(self) -> list[list[str]]:
        """The paths that were sent, round by round."""
        return [[str(args[1]) for args in round_] for round_ in self.script.rounds]

    def commands(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """The commands of some paths."""
        # Of one name, like those that plugins make of them: a path says all.
        return [("GET", path) for path in paths]

    def check(self) -> None:
        """Check what must hold after everything."""
        self.journal.check()
        assert len(self.script.middleware.once) == 0


def sync(run: Callable[[], Any]) -> Any:
    """The reply, or the exception."""
    try:
        return run()
    except Exception as error:
        return error


def awaited(make: Callable[[], Awaitable[Any]]) -> Any:
    """The reply of the async driver, or the exception."""

    async def run() -> Any:
        return await make()

    return sync(lambda: asyncio.run(run()))


def separate(paths: list[str]) -> list[str]:
    """Paths none of which begins with another one."""
    return [f"{number}{path}" for number, path in enumerate(paths)]


@given(PLUGINS, st.from_regex("[a-z]{1,3}", fullmatch=True))
@settings(deadline=None, max_examples=300)
def test_a_single_command(plugins: list[list[Behaviour]], path: str) -> None:
    """The outcome and the sends are those of the model, for the sync and the async driver."""
    rounds, outcome = Model(plugins).run(path)
    sync_stage, async_stage = Stage(plugins), Stage(plugins)
    assert outcome_of(sync(lambda: sync_stage.script.run("GET", path))) == outcome
    assert outcome_of(awaited(lambda: async_stage.script.run_async("GET", path))) == outcome
    for stage in (sync_stage, async_stage):
        assert stage.rounds == rounds
        stage.check()


def expected(
    plugins: list[list[Behaviour]], paths: list[str]
) -> tuple[list[list[str]], list[Outcome], bool]:
    """The model's rounds, what may be raised or else the replies, and whether it is raised."""
    parts = [Model(plugins).run(path) for path in paths]
    refusals = [outcome for rounds, outcome in parts if not rounds and outcome.failed]
    if refusals:
        return [], refusals, True
    rounds, outcomes = Model(plugins).pipeline(paths)
    bugs = [outcome for outcome in outcomes if outcome.failed and outcome.value[0] == "bug"]
    return rounds, bugs or outcomes, bool(bugs)


def check_pipeline(stage: Stage, result: Any, plugins: list[list[Behaviour]], paths: Any) -> None:
    """Check the result of a pipeline and all that was sent."""
    rounds, outcomes, raises = expected(plugins, paths)
    if raises:
        assert outcome_of(result) in outcomes
    else:
        assert [outcome_of(reply) for reply in result] == outcomes
    assert stage.rounds == rounds
    stage.check()


@given(PLUGINS, PATHS)
@settings(deadline=None, max_examples=400)
def test_a_pipeline(plugins: list[list[Behaviour]], paths: list[str]) -> None:
    """Round k has the k-th sends of all commands, in their order; each gets its own replies.

    Nothing is sent where any command is refused before its first send. The sync and the async
    driver do the same.
    """
    paths = separate(paths)
    stage = Stage(plugins)
    commands = stage.commands(paths)
    check_pipeline(stage, sync(lambda: stage.script.pipeline(*commands)), plugins, paths)
    other = Stage(plugins)
    result = awaited(lambda: other.script.pipeline_async(*commands))
    check_pipeline(other, result, plugins, paths)


@given(PLUGINS, PATHS)
@settings(deadline=None, max_examples=150)
def test_a_transaction(plugins: list[list[Behaviour]], paths: list[str]) -> None:
    """There is never more than one round; where the model needs no more, it is as a pipeline."""
    paths = separate(paths)
    stage = Stage(plugins)
    result = sync(lambda: stage.script.transaction(*stage.commands(paths)))
    assert len(stage.rounds) <= 1
    stage.check()
    if len(expected(plugins, paths)[0]) <= 1:
        check_pipeline(stage, result, plugins, paths)


@given(PLUGINS, PATHS, st.integers(0, 12), st.booleans())
@settings(deadline=None, max_examples=200)
def test_an_interrupt_at_any_send(
    plugins: list[list[Behaviour]], paths: list[str], number: int, is_async: bool
) -> None:
    """Whichever send it comes in, every flow ends once, in order, and no lead is left."""
    paths = separate(paths)
    stage = Stage(plugins)
    server = Server()
    sends = iter(range(10**6))

    def answer(command: Command) -> Any:
        return KeyboardInterrupt() if next(sends) == number else server.answer(command.args[1])

    stage.script.answers(answer)
    commands = stage.commands(paths)
    interrupted = False
    try:
        if is_async:
            awaited(lambda: stage.script.pipeline_async(*commands))
        else:
            sync(lambda: stage.script.pipeline(*commands))
    except KeyboardInterrupt:
        interrupted = True
    assert interrupted == (sum(map(len, stage.rounds)) > number)
    stage.check()
