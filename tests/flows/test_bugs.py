"""Whose fault it is: bugs of plugins name plugin, hook and command; all else passes unchanged."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import NIL, Call, Command, Flow, Once, PluginError, Sleep, hookimpl
from redis_middleware.errors import PluginLoadError
from redis_middleware.testing import Script

NOTHING: dict[str, str] = {}


def bug_of(script: Script, *args: Any) -> PluginError:
    """Run a command that meets a bug; the plugin is called ``broken``."""
    with pytest.raises(PluginError) as caught:
        script.run(*(args or ("GET", "k")))
    error = caught.value
    assert (error.plugin, error.hook, error.subject) == ("broken", "redis_command", "GET")
    return error


def before_it_yields(command: Command) -> Flow:
    """A bug on the way in."""
    raise KeyError("tenant")
    yield


def after_the_reply(command: Command) -> Flow:
    """A bug on the way back."""
    yield command
    raise KeyError("tenant")


def in_handling_a_failure(command: Command) -> Flow:
    """A bug while a failure from below is handled."""
    try:
        return (yield command)
    except ResponseError:
        return NOTHING["tenant"]


def in_finally(command: Command) -> Flow:
    """A bug in cleaning up."""
    try:
        return (yield command)
    finally:
        raise KeyError("tenant")


@pytest.mark.parametrize(
    "flow", [before_it_yields, after_the_reply, in_handling_a_failure, in_finally]
)
def test_a_bug_names_plugin_hook_and_command(flow: Any) -> None:
    """A built-in exception that starts in a plugin is its bug, chained to the original."""
    script = Script(plugin(pass_on), plugin(flow, name="broken"))
    failure = ResponseError("WRONGTYPE")
    error = bug_of(script.replies(failure if flow is in_handling_a_failure else b"v"))
    assert isinstance(error.__cause__, KeyError)
    assert str(error) == "plugin 'broken', hook redis_command, GET: KeyError: 'tenant'"
    assert isinstance(error, RedisError)


def test_the_message_has_no_values() -> None:
    """The command is named without its arguments, which may be secret."""
    script = Script(plugin(before_it_yields, name="broken"))
    assert "k" not in bug_of(script, "GET", "password").subject
    assert "password" not in str(bug_of(script, "GET", "password"))


def test_a_bug_is_the_plugins_whose_flow_it_started_in() -> None:
    """An outer plugin that lets it pass is not blamed, and gets it as the failure."""
    journal = Journal()
    bug_of(Script(journal.watcher("outer"), plugin(before_it_yields, name="broken")))
    assert "outer gets PluginError" in journal.notes


def test_os_errors_are_no_bugs() -> None:
    """OSError and its subclasses are raised on purpose, a time-out for one."""
    timeout = TimeoutError("the bucket is slow")

    def fetch(command: Command) -> Flow:
        raise timeout
        yield

    with pytest.raises(TimeoutError) as caught:
        Script(plugin(pass_on), plugin(fetch)).run("GET", "k")
    assert caught.value is timeout


def test_failures_from_below_pass_unchanged() -> None:
    """The same object, even of a built-in class, through any number of plugins."""
    for failure in (ResponseError("WRONGTYPE"), TypeError("no such option"), OSError("lost")):
        script = Script(*[plugin(pass_on, name=name) for name in "abc"]).replies(failure)
        with pytest.raises(type(failure)) as caught:
            script.run("GET", "k")
        assert caught.value is failure


def test_a_failure_that_is_raised_again_passes_unchanged() -> None:
    """``raise`` and ``raise error`` after looking at it are no bugs of the plugin."""
    failure = ValueError("from a response callback")

    def look(command: Command) -> Flow:
        try:
            return (yield command)
        except ValueError as error:
            raise error

    with pytest.raises(ValueError, match="response callback") as caught:
        Script(plugin(look)).replies(failure).run("GET", "k")
    assert caught.value is failure


@pytest.mark.parametrize("times", [1, 2])
def test_a_failure_among_several_replies_passes_unchanged(times: int) -> None:
    """A reply that could not be decoded, say, is no bug of the plugin that raises it."""
    failure = ValueError("from a response callback")

    def several(command: Command) -> Flow:
        for _ in range(times):
            replies = yield [command, command.replace(("GET", "other"))]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    script = Script(plugin(several, name="outer"), plugin(pass_on, name="inner"))
    script.replies(*[b"v"] * (2 * times - 1), failure)
    with pytest.raises(ValueError, match="response callback") as caught:
        script.run("GET", "k")
    assert caught.value is failure


def test_a_bug_among_several_replies_is_a_bug() -> None:
    """What a plugin raises of its own accord after several replies is still its bug."""

    def several(command: Command) -> Flow:
        yield [command, command.replace(("GET", "other"))]
        raise KeyError("tenant")

    bug_of(Script(plugin(several, name="broken")).replies(b"v", ValueError("callback")))


def test_a_call_that_fails_is_the_plugins_bug() -> None:
    """The function of a Call is the plugin's code: a built-in exception it raises is a bug."""

    def call(command: Command) -> Flow:
        return (yield Call(lambda: NOTHING["bucket"]))

    error = bug_of(Script(plugin(call, name="broken")))
    assert isinstance(error.__cause__, KeyError)


async def test_a_call_that_fails_is_the_plugins_bug_for_async_clients() -> None:
    """The async function's too, and in a pipeline, where calls are awaited together."""

    async def fail() -> None:
        raise KeyError("bucket")

    def call(command: Command) -> Flow:
        return (yield Call(lambda: None, fail))

    script = Script(plugin(call, name="broken"))
    with pytest.raises(PluginError, match="'broken'"):
        await script.run_async("GET", "k")
    with pytest.raises(PluginError, match="'broken'"):
        await script.pipeline_async(("GET", "k"), ("GET", "l"))


def test_a_flow_sees_what_its_call_raised() -> None:
    """At its yield the original is raised, so that it can be caught by its class."""

    def call(command: Command) -> Flow:
        try:
            yield Call(lambda: NOTHING["bucket"])
        except KeyError:
            return (yield command)

    assert Script(plugin(call)).replies(b"v").run("GET", "k") == b"v"


def test_stop_iteration_is_a_bug() -> None:
    """``next()`` of something empty inside a flow is an error, not the end of the flow."""

    def take(command: Command) -> Flow:
        next(iter(()))
        return (yield command)

    assert isinstance(bug_of(Script(plugin(take, name="broken"))).__cause__, RuntimeError)


def test_stop_iteration_of_a_call_is_a_bug() -> None:
    """Raised at the yield it would end the generator: Python turns it into a RuntimeError."""

    def take(command: Command) -> Flow:
        return (yield Call(lambda: next(iter(()))))

    assert isinstance(bug_of(Script(plugin(take, name="broken"))).__cause__, RuntimeError)


def nothing_at_all(command: Command) -> Flow:
    """Ends before it yields."""
    return None
    yield


def forgets_to_return(command: Command) -> Flow:
    """Gets a reply and drops it."""
    yield command


def swallows_a_failure(command: Command) -> Flow:
    """Catches and then says nothing."""
    try:
        return (yield command)
    except ResponseError:
        pass


@pytest.mark.parametrize("flow", [nothing_at_all, forgets_to_return, swallows_a_failure])
def test_a_forgotten_return(flow: Any) -> None:
    """None that was not given is no reply: the message says what to return."""
    script = Script(plugin(flow, name="broken"))
    if flow is swallows_a_failure:
        script.replies(ResponseError("WRONGTYPE"))
    error = bug_of(script.answers(lambda command: b"v"))
    assert "return what the yield gave" in error.problem
    assert "NIL" in error.problem


def test_a_swallowed_failure_is_the_cause() -> None:
    """The failure that the flow swallowed is not lost."""
    failure = ResponseError("WRONGTYPE")
    error = bug_of(Script(plugin(swallows_a_failure, name="broken")).replies(failure))
    assert error.__cause__ is failure


@pytest.mark.parametrize(
    "nonsense",
    [None, "GET k", ("GET", "k"), 7, [b"GET"], [None], Once("k", None), object],  # type: ignore[arg-type]
)
def test_yielding_nonsense(nonsense: Any) -> None:
    """The message shows what was yielded, and says what may be."""

    def yield_nonsense(command: Command) -> Flow:
        return (yield nonsense)

    error = bug_of(Script(plugin(yield_nonsense, name="broken")))
    assert repr(nonsense)[:20] in error.problem
    assert error.problem.endswith("may yield a Command, a list of Commands, Sleep, Call or Once")


def test_yielding_something_huge() -> None:
    """The message shows the beginning only."""

    def yield_nonsense(command: Command) -> Flow:
        return (yield b"x" * 1_000_000)

    assert len(str(bug_of(Script(plugin(yield_nonsense, name="broken"))))) < 500


def test_yielding_nonsense_later() -> None:
    """Also at a second yield, and after a failure."""

    def later(command: Command) -> Flow:
        try:
            yield command
        except ResponseError:
            yield "again"
        return (yield 3.5)

    assert "3.5" in bug_of(Script(plugin(later, name="broken")).replies(b"v")).problem
    script = Script(plugin(later, name="broken")).replies(ResponseError("WRONGTYPE"))
    assert "'again'" in bug_of(script).problem


def test_a_hook_that_is_no_generator() -> None:
    """A hook that returns a value instead of being a generator function: the message tells."""

    def no_flow(command: Command) -> Any:
        return b"value"

    error = bug_of(Script(plugin(no_flow, name="broken")))
    assert "generator function" in error.problem
    assert "b'value'" in error.problem


def test_a_flow_with_a_bug_that_looks_like_no_flow() -> None:
    """``None.send`` inside a flow is an ordinary bug, not a hook that is no generator."""
    socket: Any = None

    def sends(command: Command) -> Flow:
        socket.send(b"x")
        return (yield command)

    error = bug_of(Script(plugin(sends, name="broken")))
    assert "AttributeError" in error.problem
    assert "generator function" not in error.problem


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1"])
def test_sleeping_for_nonsense(seconds: Any) -> None:
    """It is found where the Sleep is made, so the plugin's own line is in the traceback."""

    def nap(command: Command) -> Flow:
        yield Sleep(seconds)
        return (yield command)

    script = Script(plugin(nap, name="broken"))
    assert isinstance(bug_of(script).__cause__, ValueError | TypeError)


def test_once_with_a_key_that_cannot_be_hashed() -> None:
    """Likewise."""

    def share(command: Command) -> Flow:
        return (yield Once(["k"], command))  # type: ignore[arg-type]

    assert isinstance(bug_of(Script(plugin(share, name="broken"))).__cause__, TypeError)


def test_a_bug_in_wants() -> None:
    """It is named like one in a hook."""

    def wants(spec: Any) -> bool:
        raise KeyError(spec.name)

    script = Script(plugin(pass_on, name="broken", wants=wants))
    for run in (lambda: script.run("GET", "k"), lambda: script.pipeline(("GET", "k"))):
        with pytest.raises(PluginError) as caught:
            run()
        assert (caught.value.plugin, caught.value.hook) == ("broken", "wants")


def test_async_hooks_are_refused_when_the_plugin_is_registered() -> None:
    """The message says what to write instead."""

    class AsyncHook:
        @hookimpl
        async def redis_command(self, command: Command) -> Any:
            return command

    class AsyncGenerator:
        @hookimpl
        async def redis_command(self, command: Command) -> Any:
            yield command

    for wrong in (AsyncHook, AsyncGenerator):
        with pytest.raises(PluginLoadError, match="plain generator functions"):
            Script(wrong)


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}])
def test_pluggys_wrappers_are_refused(options: dict[str, Any]) -> None:
    """pluggy does not run the hooks: each of them is around what is inside of it anyway."""

    class Wrapper:
        @hookimpl(**options)
        def redis_command(self, command: Command) -> Generator[Any, Any, Any]:
            return (yield)

    with pytest.raises(PluginLoadError, match="wrapper"):
        Script(Wrapper)


def test_hooks_that_do_not_exist_are_refused() -> None:
    """A misspelt hook, or a misspelt argument, is found when the plugin is registered."""

    class MisspeltHook:
        @hookimpl
        def redis_comand(self, command: Command) -> Flow:
            return (yield command)

    class MisspeltArgument:
        @hookimpl
        def redis_command(self, cmd: Command) -> Flow:
            return (yield cmd)

    class NoHook:
        def redis_command(self, command: Command) -> Flow:
            return (yield command)

    for wrong, text in (
        (MisspeltHook, "redis_comand"),
        (MisspeltArgument, "cmd"),
        (NoHook, "implements no hook"),
    ):
        with pytest.raises(PluginLoadError, match=text):
            Script(wrong)


def test_a_traceback_without_noise() -> None:
    """What a plugin raises on purpose is not shown as following from a StopIteration."""

    def answer(command: Command) -> Flow:
        return NIL
        yield

    def refuse_nil(command: Command) -> Flow:
        if (yield command) is None:
            raise ResponseError("no such key")
        return None

    with pytest.raises(ResponseError) as caught:
        Script(plugin(refuse_nil), plugin(answer)).run("GET", "k")
    assert caught.value.__context__ is None
    with pytest.raises(PluginError) as forgotten:
        Script(plugin(nothing_at_all)).run("GET", "k")
    assert forgotten.value.__context__ is None
