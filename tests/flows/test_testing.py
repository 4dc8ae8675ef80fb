"""``redis_middleware.testing``: what plugin authors test their flows with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.discovery.distributions import Installer
from tests.flows.making import pass_on, plugin

from redis_middleware import (
    Batch,
    Call,
    Command,
    Flow,
    Middleware,
    Place,
    PluginError,
    ServerAddress,
    Sleep,
    hookimpl,
)
from redis_middleware.testing import FakeClock, Script, ScriptError, client_view, command


class Timing:
    """A plugin of somebody's: how long commands took."""

    class Settings(BaseModel):
        """Its settings."""

        unit: float = 1.0

    def __init__(self, settings: Settings | None = None, clock: Any = None) -> None:
        self.unit = 1.0 if settings is None else settings.unit
        self.clock = clock or FakeClock()
        self.durations: list[float] = []

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Measure."""
        start = self.clock()
        try:
            return (yield command)
        finally:
            self.durations.append((self.clock() - start) / self.unit)


class Reporting:
    """A plugin of somebody's with work in the background."""

    def __init__(self) -> None:
        self.detached = False
        self.ended = False
        self.view: Any = None

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Ask for the work."""
        self.view = middleware.client
        middleware.run_in_background(self.report)

    @hookimpl
    def redis_detach(self) -> None:
        """End."""
        self.detached = True

    def report(self) -> Flow:
        """Report every minute."""
        try:
            while True:
                yield self.view.command("INCR", "reports")
                yield Sleep(60)
        finally:
            self.ended = True


def test_a_clock_that_stands_still() -> None:
    """Until it is moved; forwards only."""
    clock = FakeClock(100)
    assert (clock(), clock()) == (100, 100)
    clock.advance(2.5)
    assert clock() == 102.5
    with pytest.raises(ValueError, match="forwards only"):
        clock.advance(-1)
    assert repr(clock) == "FakeClock(102.5)"


def test_replies_that_take_time() -> None:
    """The script's clock is the plugin's: durations are exact."""
    clock = FakeClock()
    timing = Timing(clock=clock)
    script = Script(timing, clock=clock).replies(b"1", takes=0.25).replies(b"2")
    assert script.run("GET", "k") == b"1"
    assert script.run("GET", "k") == b"2"
    assert timing.durations == [0.25, 0.0]


def test_replies_of_a_round_take_their_time_together() -> None:
    """The round takes as long as the longest of them."""
    clock = FakeClock()
    timing = Timing(clock=clock)
    script = Script(timing, clock=clock).replies(b"1", takes=1).replies(b"2", takes=3)
    script.pipeline(("GET", "a"), ("GET", "b"))
    assert timing.durations == [3.0, 3.0]


def test_replies_in_order_by_name_and_by_function() -> None:
    """Those for a name go first, then those in order, then the function."""
    script = (
        Script(plugin(pass_on))
        .replies(b"in order")
        .replies_to("get", b"by name")
        .replies_to("CONFIG GET", {"a": "b"})
        .answers(lambda command: command.args[-1])
    )
    assert script.run("CONFIG", "GET", "a") == {"a": "b"}
    assert script.run("GET", "k") == b"by name"
    assert script.run("GET", "k") == b"in order"
    assert script.run("GET", "k") == "k"


def test_failures() -> None:
    """Exceptions are raised for a single command, and stand among the replies of a pipeline."""
    error = ResponseError("WRONGTYPE")
    script = Script(plugin(pass_on)).replies(error, b"1", error)
    with pytest.raises(ResponseError):
        script.run("GET", "k")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", error]
    with pytest.raises(TypeError, match=r"ResponseError is a class: give an instance"):
        script.replies(ResponseError)


def test_a_lost_round() -> None:
    """All commands of the round fail with it, those too that were answered before."""
    script = Script(plugin(pass_on)).replies(b"1").loses(RedisConnectionError("lost"), takes=5)
    with pytest.raises(RedisConnectionError):
        script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"))
    assert script.rounds == [[("GET", "a"), ("GET", "b"), ("GET", "c")]]
    assert script.clock() == 5


def test_a_function_that_fails() -> None:
    """Errors of Redis and of the system are the command's; any other is the test's own."""

    def answer(command: Command) -> Any:
        if command.args[1] == "a":
            raise ResponseError("WRONGTYPE")
        raise KeyError("no such thing")

    script = Script(plugin(pass_on)).answers(answer)
    with pytest.raises(ResponseError):
        script.run("GET", "a")
    with pytest.raises(ScriptError, match=r"raised KeyError\('no such thing'\) for GET 'b'"):
        script.run("GET", "b")


def test_what_the_script_does_not_have() -> None:
    """The test fails with what was sent, even where the plugin handles every exception."""

    def retry(command: Command) -> Flow:
        try:
            return (yield command)
        except Exception:
            return b"hidden"

    script = Script(plugin(retry)).replies(b"1")
    script.run("SET", "k", b"v")
    with pytest.raises(ScriptError) as caught:
        script.run("GET", "k")
    message = str(caught.value)
    assert message.startswith("GET 'k' was sent, and the script has no reply for it")
    assert message.endswith("Sent before: SET 'k' b'v'")


def test_asserting_what_was_sent() -> None:
    """The message shows what was expected and what was sent."""
    script = Script(plugin(pass_on)).replies(b"1", b"2")
    script.run("GET", "a")
    script.run("SET", "b", 2)
    script.assert_sent(("GET", "a"), ("SET", "b", 2))
    with pytest.raises(AssertionError) as caught:
        script.assert_sent(("GET", "a"))
    assert str(caught.value) == (
        "expected to be sent:\n  GET 'a'\nwas sent:\n  GET 'a'\n  SET 'b' 2"
    )
    with pytest.raises(AssertionError, match="expected to be sent:\n  nothing"):
        script.assert_sent()


def test_asserting_that_all_of_it_happened() -> None:
    """Replies that nobody asked for are shown."""
    script = Script(plugin(pass_on)).replies(b"1", b"2").replies_to("GET", b"3")
    script.fails_to_connect(RedisConnectionError("refused"))
    with pytest.raises(AssertionError, match=r"4 more than happened: b'1', b'2', b'3', "):
        script.assert_done()
    script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"))
    with pytest.raises(RedisConnectionError):
        script.connect()
    script.assert_done()


def test_plugins_as_for_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, classes with their settings, and names of what is installed."""
    installer = Installer(tmp_path, monkeypatch)
    installer("own", {"own_timing": f"{__name__}:Timing"})
    timing = Timing()
    script = Script(
        timing,
        plugin(pass_on, name="other"),
        "own_timing",
        settings={"own_timing": {"unit": 60}},
    )
    assert list(script.plugins) == ["timing", "other", "own_timing"]
    assert script.plugins["timing"] is timing
    assert script.plugins["own_timing"].unit == 60
    script = Script(Timing, settings={"timing": {"unit": 1000}})
    assert script.plugins["timing"].unit == 1000


def test_the_environment_has_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not depend on the machine that it runs on."""
    monkeypatch.setenv("REDIS_MIDDLEWARE__TIMING__UNIT", "7")
    monkeypatch.setenv("REDIS_MIDDLEWARE_PROFILE", "nowhere")
    assert Script(Timing, settings={"timing": {"unit": 1000}}).plugins["timing"].unit == 1000


def test_background_work() -> None:
    """It runs when the test says so, for as many sleeps, and is then ended as by ``close()``."""
    reporting = Reporting()
    script = Script(reporting).answers(lambda command: 1)
    assert script.work == ["report"]
    assert script.sent == []
    script.run_in_background(sleeps=2)
    assert script.sent == [("INCR", "reports")] * 3
    assert script.slept == [60, 60]
    assert script.clock() == 120
    assert reporting.ended
    with pytest.raises(LookupError, match="no background work 'other': the plugins asked for rep"):
        script.run_in_background("other")
    with pytest.raises(LookupError, match="asked for none"):
        Script(plugin(pass_on)).run_in_background()


def test_background_work_that_fails() -> None:
    """Its error is the test's."""
    script = Script(Reporting()).replies(ResponseError("OOM"))
    with pytest.raises(ResponseError, match="OOM"):
        script.run_in_background()


def test_attaching_and_detaching() -> None:
    """A script attaches its plugins; the end of the ``with`` block detaches them."""
    reporting = Reporting()
    with Script(reporting) as script:
        assert reporting.view is script.client
        assert not reporting.detached
    assert reporting.detached
    assert script.plugins == {}


def test_a_command_by_itself() -> None:
    """For stepping through a flow by hand."""
    made = command("CONFIG", "GET", "maxmemory", keys=["a"])
    assert made.name == "CONFIG GET"
    assert made.options == {"keys": ["a"]}
    assert (made.place, made.position, made.target) == (Place.SINGLE, None, None)
    node = object()
    made = command("GET", "k", place=Place.TRANSACTION, position=3, target=node)
    assert made.keys == (b"k",)
    assert (made.place, made.position, made.target) == (Place.TRANSACTION, 3, node)
    flow = pass_on(made)
    assert next(flow) is made
    with pytest.raises(StopIteration) as stop:
        flow.send(b"v")
    assert stop.value.value == b"v"


def test_running_a_command_that_the_test_made() -> None:
    """Under WATCH, say, or with a target."""
    seen: list[Place] = []

    def look(command: Command) -> Flow:
        seen.append(command.place)
        return (yield command)

    script = Script(plugin(look)).replies(b"1", b"2")
    assert script.run(command("GET", "k", place=Place.WATCH)) == b"1"
    assert script.pipeline(command("GET", "k", place=Place.PIPELINE, position=0)) == [b"2"]
    assert seen == [Place.WATCH, Place.PIPELINE]


def test_facts_of_the_client() -> None:
    """A stand-in has the facts that a view of a real client has."""
    view = client_view()
    assert (view.is_async, view.is_cluster, view.decode_responses, view.db) == (
        False,
        False,
        False,
        0,
    )
    assert view.encode("é") == "é".encode()
    assert view.address_of() == ServerAddress("server.test", 6379)
    view = client_view(
        is_async=True,
        is_cluster=True,
        address=ServerAddress("other.test", 7000),
        decode_responses=True,
        db=3,
        encoding="latin-1",
    )
    assert (view.is_async, view.is_cluster, view.decode_responses, view.db) == (True, True, True, 3)
    assert view.encode("é") == "é".encode("latin-1")
    assert view.address_of(command("GET", "k", client=view)) == ServerAddress("other.test", 7000)
    target = ServerAddress("node.test", 7001)
    sent_there = command("GET", "k", client=view, target=target)
    assert view.address_of(sent_there) == target
    script = Script(plugin(pass_on), client=view).replies(b"v")
    script.run("GET", "k")
    assert script.commands[0].client is view


def test_both_drivers_do_the_same() -> None:
    """Every method of the application's part has a twin for async clients."""

    def look(batch: Batch) -> Flow:
        return (yield batch)

    def make() -> Script:
        return Script(
            Timing(),
            plugin(look, hook="redis_batch", name="batch"),
            plugin(pass_on, hook="redis_message", name="message"),
            plugin(pass_on, hook="redis_connect", name="connect"),
        ).replies(*range(5))

    async def use(script: Script) -> list[Any]:
        return [
            await script.run_async("GET", "a"),
            await script.pipeline_async(("GET", "a"), ("GET", "b")),
            await script.transaction_async(("GET", "a"), ("GET", "b")),
            await script.deliver_async(b"news", b"hello"),
            (await script.connect_async()).address,
        ]

    one, other = make(), make()
    expected = [
        one.run("GET", "a"),
        one.pipeline(("GET", "a"), ("GET", "b")),
        one.transaction(("GET", "a"), ("GET", "b")),
        one.deliver(b"news", b"hello"),
        one.connect().address,
    ]
    assert asyncio.run(use(other)) == expected
    assert one.rounds == other.rounds


async def test_tasks_side_by_side() -> None:
    """The async driver lets other tasks run before it answers, and awaits async functions."""
    order: list[str] = []

    async def answer(command: Command) -> Any:
        order.append(f"{command.args[1]} comes")
        await asyncio.sleep(0)
        order.append(f"{command.args[1]} goes")
        return command.args[1]

    script = Script(plugin(pass_on)).answers(answer)
    assert await asyncio.gather(*[script.run_async("GET", key) for key in "ab"]) == ["a", "b"]
    assert order == ["a comes", "b comes", "a goes", "b goes"]


def test_bugs_of_observers_are_there_to_be_looked_at() -> None:
    """A test of an observer looks at ``bugs``: the application would never notice."""

    class Watch:
        observes = True

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            yield command
            raise KeyError("x")

    script = Script(Watch()).replies(b"v")
    assert script.run("GET", "k") == b"v"
    assert script.bugs == {"watch": {"KeyError": 1}}


def test_calls_are_called() -> None:
    """A script stands in for the server, not for other I/O: that is the plugin's to replace."""

    def fetch(command: Command) -> Flow:
        return (yield Call(lambda: b"called"))

    assert Script(plugin(fetch)).run("GET", "k") == b"called"


def test_errors_of_plugins_are_those_of_real_clients() -> None:
    """The same code runs: a bug is a PluginError here too."""

    def broken(command: Command) -> Flow:
        yield command
        raise KeyError("x")

    with pytest.raises(PluginError, match="plugin 'broken'"):
        Script(plugin(broken)).replies(b"v").run("GET", "k")
