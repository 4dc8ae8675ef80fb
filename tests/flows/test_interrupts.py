"""Interrupts, cancellation and closing: every flow ends, exactly once, and nothing is swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.flows.making import Journal, plugin

from redis_middleware import Call, Command, Flow, Once, Sleep
from redis_middleware.testing import Script

INTERRUPTS = [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()]


def ends_of(journal: Journal) -> list[str]:
    """The names of the flows in the order in which they ended."""
    return [note.removesuffix(" ends") for note in journal.notes if note.endswith(" ends")]


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda error: type(error).__name__)
def test_an_interrupt_during_a_send(interrupt: BaseException) -> None:
    """Every flow sees it at its yield, innermost first, and it leaves as the object it is."""
    journal = Journal()
    script = Script(*[journal.watcher(name) for name in "abc"]).replies(interrupt)
    with pytest.raises(type(interrupt)) as caught:
        script.run("GET", "k")
    assert caught.value is interrupt
    assert ends_of(journal) == ["c", "b", "a"]
    assert f"a gets {type(interrupt).__name__}" in journal.notes


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda error: type(error).__name__)
def test_an_interrupt_during_a_round(interrupt: BaseException) -> None:
    """Every flow of every command of the pipeline, and those around the batch, end."""
    journal = Journal()
    script = Script(
        journal.watcher("batch", hook="redis_batch"), journal.watcher("a"), journal.watcher("b")
    ).replies(b"1", interrupt)
    with pytest.raises(type(interrupt)) as caught:
        script.pipeline(("GET", "x"), ("GET", "y"), ("GET", "z"))
    assert caught.value is interrupt
    assert ends_of(journal) == ["b", "b", "b", "a", "a", "a", "batch"] or ends_of(journal) == [
        *["b", "a"] * 3,
        "batch",
    ]


def swallows(command: Command) -> Flow:
    """Catches everything and answers."""
    try:
        return (yield command)
    except BaseException:
        return b"nothing happened"


def yields_again(command: Command) -> Flow:
    """Catches everything and goes on, even when it is closed."""
    for _ in range(3):
        try:
            return (yield command)
        except BaseException:
            pass
    return b"nothing happened"


def raises_another(command: Command) -> Flow:
    """Turns an interrupt into an error of its own."""
    try:
        return (yield command)
    except BaseException:
        raise ValueError("another") from None


@pytest.mark.parametrize("flow", [swallows, yields_again, raises_another])
def test_interrupts_cannot_be_swallowed(flow: Callable[[Command], Flow]) -> None:
    """Whatever a flow makes of it, the interrupt goes on to the flows outside and leaves."""
    journal = Journal()
    interrupt = KeyboardInterrupt()
    script = Script(journal.watcher("outer"), plugin(flow)).replies(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        script.run("GET", "k")
    assert caught.value is interrupt
    assert journal.notes == ["outer starts", "outer gets KeyboardInterrupt", "outer ends"]
    assert script.sent == [("GET", "k")]


def in_start(command: Command) -> Flow:
    """Interrupted on the way in."""
    raise KeyboardInterrupt
    yield


def in_reply(command: Command) -> Flow:
    """Interrupted with the reply in hand."""
    yield command
    raise KeyboardInterrupt


def in_call(command: Command) -> Flow:
    """Interrupted in a call."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    yield Call(interrupt)
    return (yield command)


def after_sleep(command: Command) -> Flow:
    """Interrupted after a sleep."""
    yield Sleep(1)
    raise KeyboardInterrupt


def in_a_fan_out(command: Command) -> Flow:
    """Interrupted while several are under way."""
    yield [command, command]
    raise KeyboardInterrupt


def in_a_lead(command: Command) -> Flow:
    """Interrupted while leading for others."""
    yield Once("key", command)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "flow", [in_start, in_reply, in_call, after_sleep, in_a_fan_out, in_a_lead]
)
@pytest.mark.parametrize("place", ["single", "pipeline"])
def test_an_interrupt_within_a_flow(flow: Callable[[Command], Flow], place: str) -> None:
    """Ctrl-C may come in the midst of any plugin: outer, inner and neighbouring flows all end."""
    journal = Journal()

    def only_y(command: Command) -> Flow:
        if command.args[1] != "y":
            return (yield command)
        return (yield from flow(command))

    script = Script(
        journal.watcher("batch", hook="redis_batch"),
        journal.watcher("outer"),
        plugin(only_y),
        journal.watcher("inner"),
    ).answers(lambda command: b"v")
    run = script.run if place == "single" else script.pipeline
    args = ("GET", "y") if place == "single" else (("GET", "x"), ("GET", "y"), ("GET", "z"))
    with pytest.raises(KeyboardInterrupt):
        run(*args)
    starts = [note.removesuffix(" starts") for note in journal.notes if note.endswith("starts")]
    assert sorted(ends_of(journal)) == sorted(starts)
    assert ends_of(journal)[-1] == ("outer" if place == "single" else "batch")


def test_a_lead_ends_with_an_interrupt_in_its_inner_plugin() -> None:
    """Nobody is left waiting for a leader that never sent: the next caller leads."""

    def share(command: Command) -> Flow:
        return (yield Once("key", command))

    interrupts = [KeyboardInterrupt()]

    def inner(command: Command) -> Flow:
        if interrupts:
            raise interrupts.pop()
        return (yield command)

    script = Script(plugin(share), plugin(inner)).replies(b"v")
    with pytest.raises(KeyboardInterrupt):
        script.run("GET", "k")
    assert script.run("GET", "k") == b"v"


def test_a_published_lead_is_not_ended_twice() -> None:
    """An interrupt after one command's lead is done, and before the next command's reply."""

    def share(command: Command) -> Flow:
        reply = yield Once(command.args[1], command)
        if command.args[1] == "y":
            raise KeyboardInterrupt
        return reply

    script = Script(plugin(share)).answers(lambda command: b"v")
    with pytest.raises(KeyboardInterrupt):
        script.pipeline(("GET", "x"), ("GET", "y"), ("GET", "z"))
    assert script.run("GET", "z") == b"v"


async def test_cancelling_a_task() -> None:
    """CancelledError is raised at the yield of every flow, and the task is cancelled."""
    journal = Journal()
    waiting = asyncio.Event()

    async def never(command: Command) -> None:
        waiting.set()
        await asyncio.Event().wait()

    script = Script(journal.watcher("a"), journal.watcher("b")).answers(never)
    for run in (script.run_async("GET", "k"), script.pipeline_async(("GET", "k"), ("GET", "l"))):
        journal.notes.clear()
        waiting.clear()
        task = asyncio.create_task(run)
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert journal.notes.count("a gets CancelledError") == journal.notes.count("a starts")
        assert set(ends_of(journal)) == {"a", "b"}


async def test_a_task_that_is_never_finished() -> None:
    """A coroutine that is closed in the midst of a send closes its flows."""
    journal = Journal()

    async def never(command: Command) -> None:
        await asyncio.Event().wait()

    script = Script(journal.watcher("a")).answers(never)
    for run in (script.run_async("GET", "k"), script.pipeline_async(("GET", "k"))):
        journal.notes.clear()
        run.send(None)
        run.close()
        assert journal.notes == ["a starts", "a gets GeneratorExit", "a ends"]


def test_a_bug_while_a_flow_is_ended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be raised in place of the interrupt, and is not lost either."""
    script = Script(plugin(raises_another, name="broken")).replies(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        script.run("GET", "k")
    message = caplog.records[0].getMessage()
    assert "plugin 'broken', hook redis_command, GET: ValueError: another" in message
    assert "being ended" in message


def test_a_traceback_of_an_interrupt_stays_short() -> None:
    """A Ctrl-C in a pipeline of 500 commands does not show the frames of 1,000 flows."""
    interrupt: Any = KeyboardInterrupt()
    journal = Journal()
    script = Script(journal.watcher("a"), journal.watcher("b")).replies(interrupt)
    with pytest.raises(KeyboardInterrupt):
        script.pipeline(*[("GET", str(number)) for number in range(500)])
    depth = 0
    traceback = interrupt.__traceback__
    while traceback is not None:
        depth += 1
        traceback = traceback.tb_next
    assert depth < 20
