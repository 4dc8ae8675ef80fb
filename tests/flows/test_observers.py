"""Plugins that only observe: whatever they do wrong, the application never notices."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from redis.exceptions import ResponseError
from tests.flows.making import Journal, observer, pass_on, plugin

from redis_middleware import NIL, Batch, Command, Flow, Sleep, hookimpl
from redis_middleware.testing import Script


def raises_on_the_way_in(command: Any) -> Flow:
    """A bug before the command is passed on."""
    raise KeyError("in")
    yield


def raises_on_the_way_back(command: Any) -> Flow:
    """A bug with the reply in hand, or the failure."""
    try:
        yield command
    finally:
        raise KeyError("back")


def refuses(command: Any) -> Flow:
    """Refusing on purpose is not observing."""
    raise ResponseError("no")
    yield


def answers(command: Any) -> Flow:
    """Nor is answering."""
    return b"mine"
    yield


def answers_nil(command: Any) -> Flow:
    """Nor is answering nil."""
    return NIL
    yield


def is_no_flow(command: Any) -> Any:
    """A hook that is not even a generator function."""
    return 7


def yields_nonsense(command: Any) -> Flow:
    """Something that cannot be sent."""
    return (yield "nonsense")


def rewrites(command: Any) -> Flow:
    """Another command in place of the one it got."""
    return (yield command.replace(("DEL", "k")))


def sleeps(command: Any) -> Flow:
    """Time of the application's."""
    yield Sleep(3600)
    return (yield command)


def yields_twice(command: Any) -> Flow:
    """Sending again."""
    yield command
    return (yield command)


def retries(command: Any) -> Flow:
    """Sending again after a failure, and after a reply as well."""
    with contextlib.suppress(ResponseError):
        yield command
    return (yield command)


def changes_the_reply(command: Any) -> Flow:
    """Another reply."""
    yield command
    return b"mine"


def forgets_the_reply(command: Any) -> Flow:
    """No reply."""
    yield command


def swallows_the_failure(command: Any) -> Flow:
    """Neither reply nor failure."""
    try:
        return (yield command)
    except ResponseError:
        return b"mine"


def raises_in_closing(command: Any) -> Flow:
    """Not even closing it works."""
    try:
        yield "nonsense"
    finally:
        raise KeyError("closing")


BUGS = [
    raises_on_the_way_in,
    raises_on_the_way_back,
    refuses,
    answers,
    answers_nil,
    is_no_flow,
    yields_nonsense,
    rewrites,
    sleeps,
    yields_twice,
    retries,
    changes_the_reply,
    forgets_the_reply,
    swallows_the_failure,
    raises_in_closing,
]
HARMLESS = {changes_the_reply, forgets_the_reply, swallows_the_failure}
FAILURE = ResponseError("WRONGTYPE")


def run_single(script: Script) -> Any:
    """Run one command."""
    return script.run("GET", "k")


def run_pipeline(script: Script) -> Any:
    """Run it in a pipeline; a failure is raised here too."""
    reply = script.pipeline(("GET", "k"))[0]
    if isinstance(reply, Exception):
        raise reply
    return reply


@pytest.mark.parametrize("run", [run_single, run_pipeline])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("bug", BUGS)
def test_the_command_goes_on_without_it(bug: Any, fails: bool, run: Any) -> None:
    """Outer and inner plugins, the server and the application see what they would without it."""
    journal = Journal()
    script = Script(journal.watcher("outer"), observer(bug), journal.watcher("inner"))
    script.replies(FAILURE if fails else b"v")
    if fails:
        with pytest.raises(ResponseError) as caught:
            run(script)
        assert caught.value is FAILURE
        got = "ResponseError"
    else:
        assert run(script) == b"v"
        got = "b'v'"
    assert script.sent == [("GET", "k")]
    assert script.slept == []
    assert journal.notes == [
        "outer starts",
        "inner starts",
        f"inner gets {got}",
        "inner ends",
        f"outer gets {got}",
        "outer ends",
    ]
    if bug not in HARMLESS and not (fails and bug is yields_twice):
        assert list(script.bugs) == [bug.__name__]


@pytest.mark.parametrize("bug", BUGS)
async def test_beside_an_async_client(bug: Any) -> None:
    """The async driver runs the same code."""
    script = Script(plugin(pass_on), observer(bug)).replies(b"v")
    assert await script.run_async("GET", "k") == b"v"


def test_bugs_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each type of bug is logged the first time, with plugin, hook and command, then counted."""
    script = Script(observer(raises_on_the_way_in, name="watch")).answers(lambda command: b"v")
    with caplog.at_level(logging.ERROR, "redis_middleware"):
        for _ in range(3):
            script.run("GET", "secret")
    assert script.bugs == {"watch": {"KeyError": 3}}
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "plugin 'watch', hook redis_command, GET: KeyError: 'in'" in message
    assert "secret" not in message


def test_an_observer_of_batches() -> None:
    """``redis_batch`` of an observer is guarded likewise."""

    def breaks(batch: Batch) -> Flow:
        yield batch
        raise KeyError("batch")

    script = Script(observer(breaks, hook="redis_batch")).replies(b"1", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert script.bugs == {"breaks": {"KeyError": 1}}


def test_an_observers_wants() -> None:
    """A bug in ``wants`` leaves the observer out."""

    class Watch:
        observes = True

        def wants(self, spec: Any) -> bool:
            raise KeyError("wants")

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            return (yield command)

    script = Script(Watch).replies(b"v")
    assert script.run("GET", "k") == b"v"
    assert script.bugs == {"watch": {"KeyError": 1}}


def test_observers_of_other_hooks() -> None:
    """Messages are delivered and connections made although the observer breaks."""

    def breaks(item: Any) -> Flow:
        raise KeyError("any")
        yield

    script = Script(
        observer(breaks, hook="redis_message", name="messages"),
        observer(breaks, hook="redis_connect", name="connections"),
    )
    assert script.deliver(b"news", b"hello")["data"] == b"hello"
    assert script.connect().address == ("server.test", 6379)
    assert set(script.bugs) == {"messages", "connections"}
