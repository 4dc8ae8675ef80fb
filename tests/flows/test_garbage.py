"""Errors do not keep what they passed through: no reference cycle is left for the collector.

A traceback holds the frames it went through; a frame that holds the error in turn would keep
everything in all of them, connections among it, until the garbage collector runs.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.flows.making import observer, pass_on, plugin

from redis_middleware import Batch, Call, Command, Flow, Once, PluginError, Sleep
from redis_middleware.testing import Script


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def is_gone(run: Callable[[], Any]) -> bool:
    """Whether nothing is left of the error that it raises."""
    try:
        run()
    except Exception as error:
        reference = weakref.ref(error)
    return reference() is None


def is_gone_async(make: Callable[[], Awaitable[Any]]) -> bool:
    """The same for what the async driver raises."""

    async def run() -> bool:
        # Tasks, and asyncio.run with them, do keep what they raised in a cycle.
        try:
            await make()
        except Exception as error:
            reference = weakref.ref(error)
        return reference() is None

    return asyncio.run(run())


def refuses(command: Any) -> Flow:
    """Raise on the way in."""
    raise ResponseError("refused")
    yield


def raises_late(command: Any) -> Flow:
    """Raise on the way back."""
    yield command
    raise ResponseError("late")


def answers_with_an_error(command: Command) -> Flow:
    """Return an exception without a send."""
    return ResponseError("returned")
    yield


def returns_an_error(command: Command) -> Flow:
    """Return an exception."""
    yield command
    return ResponseError("returned")


def has_a_bug(command: Any) -> Flow:
    """Raise something built in."""
    yield command
    raise KeyError("bug")


def is_no_flow(command: Any) -> Any:
    """Be no generator function."""
    return 7


def yields_nonsense(command: Any) -> Flow:
    """Yield what cannot be sent."""
    return (yield 7)


def forgets(command: Any) -> Flow:
    """Return nothing."""
    yield command


def shares(command: Command) -> Flow:
    """Lead others."""
    return (yield Once(command.args, command))


def sleeps(command: Any) -> Flow:
    """Wait before and after."""
    yield Sleep(1)
    reply = yield command
    yield Sleep(1)
    return reply


class BucketError(OSError):
    """One that can be referred to weakly, as OSError itself cannot."""


def call_fails(command: Any) -> Flow:
    """Do other I/O that fails."""

    def fail() -> None:
        raise BucketError("not found")

    async def fail_async() -> None:
        fail()

    yield Call(fail, fail_async)
    return (yield command)


def retries(command: Any) -> Flow:
    """Try again after a failure."""
    try:
        return (yield command)
    except Exception:
        return (yield command)


FLOWS = [
    pass_on,
    refuses,
    raises_late,
    answers_with_an_error,
    returns_an_error,
    has_a_bug,
    is_no_flow,
    yields_nonsense,
    forgets,
    shares,
    sleeps,
    call_fails,
    retries,
]


def answer_with_an_error(command: Command) -> Any:
    """Fail every command."""
    return ResponseError("WRONGTYPE")


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_single_command(flow: Any, fails: bool) -> None:
    """Through an outer and an inner plugin, whatever goes wrong where."""
    script = Script(plugin(pass_on, name="outer"), plugin(flow), plugin(pass_on, name="inner"))
    script.answers(answer_with_an_error if fails else lambda command: b"v")
    if fails or flow not in (pass_on, shares, sleeps, retries):
        assert is_gone(lambda: script.run("GET", "k"))
        assert is_gone_async(lambda: script.run_async("GET", "k"))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_lost_round(flow: Any) -> None:
    """A pipeline that fails as a whole, or is refused."""

    def only_b(command: Command) -> Flow:
        if command.args[1] == "b":
            return (yield from flow(command)) if flow is not is_no_flow else (yield 7)
        return (yield command)

    def lose(script: Script) -> Script:
        for _ in range(3):
            script.loses(RedisConnectionError("lost"))
        return script.answers(lambda command: b"v")

    commands = [("GET", "a"), ("GET", "b"), ("GET", "c")]
    script = lose(Script(plugin(pass_on, name="outer"), plugin(only_b)))
    assert is_gone(lambda: script.pipeline(*commands))
    if flow is not call_fails:
        # asyncio awaits the calls of a round in tasks of its own.
        script = lose(Script(plugin(pass_on, name="outer"), plugin(only_b)))
        assert is_gone_async(lambda: script.pipeline_async(*commands))


@pytest.mark.parametrize("flow", [pass_on, refuses, raises_late, has_a_bug, forgets, retries])
def test_a_batch(flow: Any) -> None:
    """Flows around a batch that fails, or that fail themselves."""
    script = Script(plugin(flow, hook="redis_batch"), plugin(pass_on, name="command"))
    script.loses(RedisConnectionError("lost")).loses(RedisConnectionError("lost"))
    assert is_gone(lambda: script.pipeline(("GET", "a"), ("GET", "b")))


def test_a_batch_that_is_sent_whole() -> None:
    """One whose commands nobody wants."""

    def look(batch: Batch) -> Flow:
        return (yield batch)

    script = Script(plugin(look, hook="redis_batch")).loses(RedisConnectionError("lost"))
    assert is_gone(lambda: script.pipeline(("GET", "a"), ("GET", "b")))


def test_bugs_of_observers() -> None:
    """They are logged and forgotten."""
    failures: list[weakref.ref[BaseException]] = []

    class Bug(Exception):
        pass

    def breaks(command: Command) -> Flow:
        yield command
        error = Bug()
        failures.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    script = Script(observer(breaks)).answers(lambda command: b"v")
    script.run("GET", "k")
    script.run("GET", "k")
    script.pipeline(("GET", "k"))
    assert failures[1]() is None
    assert failures[2]() is None


def test_interrupts() -> None:
    """Cancelled tasks in particular, which there may be many of."""
    gone: list[weakref.ref[BaseException]] = []

    class Interrupt(BaseException):
        pass

    for run in (
        lambda script: script.run("GET", "k"),
        lambda script: script.pipeline(("GET", "k"), ("GET", "l")),
    ):
        try:
            run(Script(plugin(pass_on), plugin(sleeps)).replies(Interrupt()))
        except Interrupt as error:
            gone.append(weakref.ref(error))
    assert [reference() for reference in gone] == [None, None]


def test_a_bug_is_chained_without_a_cycle() -> None:
    """The original is held by the error that names the plugin, and by nothing else."""
    script = Script(plugin(has_a_bug)).answers(lambda command: b"v")
    with pytest.raises(PluginError) as caught:
        script.run("GET", "k")
    assert isinstance(caught.value.__cause__, KeyError)
    assert is_gone(lambda: script.run("GET", "k"))
