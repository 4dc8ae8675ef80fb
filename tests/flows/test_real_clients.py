"""The same engine under real clients: what a script shows holds there too.

A sync client has a way of its own for commands whose flows all pass on; these are the cases that
leave it.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.flows.making import Journal, observer, pass_on, plugin

from redis_middleware import NIL, Batch, Command, Flow, Once, PluginError, Sleep, unwrap, wrap
from redis_middleware.embedded import Server

Run = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, clean_standalone: Server) -> Iterator[Run]:
    """Return a function that executes a command on a client with some plugins."""
    if request.param == "sync":
        client = redis.Redis(port=clean_standalone.port)

        def execute(plugins: list[object], *args: Any) -> Any:
            wrap(client, {}, plugins=plugins)
            return client.execute_command(*args)

        yield execute
        unwrap(client)
        client.close()
        return
    loop = asyncio.new_event_loop()
    other = redis.asyncio.Redis(port=clean_standalone.port)

    def execute_async(plugins: list[object], *args: Any) -> Any:
        async def inside() -> Any:
            wrap(other, {}, plugins=plugins)
            return await other.execute_command(*args)

        return loop.run_until_complete(inside())

    yield execute_async
    unwrap(other)
    loop.run_until_complete(other.aclose())
    loop.close()


def answers(command: Command) -> Flow:
    """Answer."""
    return b"mine"
    yield


def answers_nil(command: Command) -> Flow:
    """Answer nil."""
    return NIL
    yield


def answers_with_an_error(command: Command) -> Flow:
    """Return an exception without a send."""
    return redis.ResponseError("mine")
    yield


def returns_an_error(command: Command) -> Flow:
    """Return an exception after it."""
    yield command
    return redis.ResponseError("mine")


def refuses(command: Command) -> Flow:
    """Refuse."""
    raise redis.ResponseError("mine")
    yield


def raises_late(command: Command) -> Flow:
    """Raise after the reply."""
    yield command
    raise redis.ResponseError("mine")


def recovers(command: Command) -> Flow:
    """Handle the server's error."""
    try:
        return (yield command)
    except redis.ResponseError:
        return b"mine"


def asks_twice(command: Command) -> Flow:
    """Send twice."""
    yield command
    yield Sleep(0)
    return (yield command)


def fans_out(command: Command) -> Flow:
    """Send several together."""
    return (yield [command, command])


def shares(command: Command) -> Flow:
    """Share."""
    return (yield Once(command.args, command))


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (pass_on, b"x"),
        (answers, b"mine"),
        (answers_nil, None),
        (asks_twice, b"x"),
        (fans_out, [b"x", b"x"]),
        (shares, b"x"),
    ],
)
def test_replies(run: Run, flow: Any, expected: Any) -> None:
    """Between an outer and an inner plugin, which see what they should."""
    journal = Journal()
    plugins = [journal.watcher("outer"), plugin(flow), plugin(pass_on, name="inner")]
    assert run(plugins, "ECHO", "x") == expected
    assert journal.notes == ["outer starts", f"outer gets {expected!r}", "outer ends"]


@pytest.mark.parametrize("flow", [answers_with_an_error, returns_an_error, refuses, raises_late])
def test_errors(run: Run, flow: Any) -> None:
    """However a plugin comes to an error, it is raised: in the outer flow and for the caller."""
    journal = Journal()
    plugins = [journal.watcher("outer"), plugin(flow), plugin(pass_on, name="inner")]
    with pytest.raises(redis.ResponseError, match="mine"):
        run(plugins, "ECHO", "x")
    assert journal.notes == ["outer starts", "outer gets ResponseError", "outer ends"]


def test_an_error_of_the_server(run: Run) -> None:
    """It passes unchanged, or is handled."""
    with pytest.raises(redis.ResponseError, match="unknown command"):
        run([plugin(pass_on)], "NO-SUCH-COMMAND")
    assert run([plugin(pass_on), plugin(recovers)], "NO-SUCH-COMMAND") == b"mine"


def test_bugs(run: Run) -> None:
    """They name the plugin; those of observers are kept from the application."""

    def broken(command: Command) -> Flow:
        yield command
        raise KeyError("x")

    with pytest.raises(PluginError, match="plugin 'broken', hook redis_command, ECHO: KeyError"):
        run([plugin(pass_on), plugin(broken)], "ECHO", "x")
    assert run([plugin(pass_on), observer(broken)], "ECHO", "x") == b"x"


@pytest.mark.parametrize("flow", [pass_on, answers_with_an_error, refuses, raises_late, shares])
def test_errors_leave_no_garbage(clean_standalone: Server, flow: Any) -> None:
    """As with a bare client, an error is gone when it has been handled, and all that it held."""
    client = wrap(
        redis.Redis(port=clean_standalone.port),
        {},
        plugins=[plugin(pass_on, name="outer"), plugin(flow), plugin(pass_on, name="inner")],
    )
    name = "ECHO" if flow in (answers_with_an_error, refuses, raises_late) else "NO-SUCH-COMMAND"
    gc.collect()
    gc.disable()
    try:
        client.execute_command(name, "x")
    except redis.ResponseError as error:
        reference = weakref.ref(error)
    finally:
        gc.enable()
    assert reference() is None
    client.close()


@pytest.mark.parametrize("replaces", [False, True])
def test_a_transaction_that_watched_is_not_sent_again(
    clean_standalone: Server, replaces: bool
) -> None:
    """A plugin that repeats batches must not overwrite what others wrote meanwhile."""

    def repeat(batch: Batch) -> Flow:
        try:
            return (yield batch)
        except redis.WatchError:
            return (yield batch.replace(batch.commands) if replaces else batch)

    bare = redis.Redis(port=clean_standalone.port)
    plugins = [plugin(repeat, hook="redis_batch"), plugin(pass_on)]
    client = wrap(redis.Redis(port=clean_standalone.port), {}, plugins=plugins)
    bare.set("k", 1)
    pipe = client.pipeline()
    pipe.watch("k")
    bare.set("k", 100)
    pipe.multi()
    pipe.set("k", 2)
    with pytest.raises(redis.WatchError):
        pipe.execute()
    assert bare.get("k") == b"100"
    pipe.set("k", 3)
    assert pipe.execute() == [True]
    client.close()
    bare.close()
