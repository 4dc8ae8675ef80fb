"""Pipelines: N flows in lockstep, round by round."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import Call, Command, Flow, PluginError, Sleep
from redis_middleware.testing import Script


class RefusedError(Exception):
    """What a plugin of these tests refuses with."""


def test_one_round_trip() -> None:
    """What all flows yield first goes out together, in order; replies come back in order."""
    script = Script(plugin(pass_on)).replies(b"1", b"2", b"3")
    assert script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c")) == [b"1", b"2", b"3"]
    assert script.rounds == [[("GET", "a"), ("GET", "b"), ("GET", "c")]]


def test_the_commands_know_their_place() -> None:
    """Place and position are those in the application's pipeline."""
    seen: list[Any] = []

    def look(command: Command) -> Flow:
        seen.append((command.place.value, command.position))
        return (yield command)

    script = Script(plugin(look)).answers(lambda command: b"v")
    script.pipeline(("GET", "a"), ("GET", "b"))
    script.transaction(("GET", "a"))
    script.run("GET", "a")
    assert seen == [("pipeline", 0), ("pipeline", 1), ("transaction", 0), ("single", None)]


def test_an_early_answer_drops_out_of_the_round() -> None:
    """The other commands go without it, and its reply stands in its place."""

    def answer_b(command: Command) -> Flow:
        if command.args[1] == "b":
            return b"cached"
        return (yield command)

    script = Script(plugin(answer_b)).replies(b"1", b"3")
    assert script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c")) == [b"1", b"cached", b"3"]
    assert script.rounds == [[("GET", "a"), ("GET", "c")]]


def test_nothing_is_sent_if_every_command_is_answered() -> None:
    """No round at all."""

    def answer(command: Command) -> Flow:
        return b"cached"
        yield

    script = Script(plugin(answer))
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"cached", b"cached"]
    assert script.rounds == []


def test_a_second_yield_makes_a_second_round() -> None:
    """Of those that yield again only."""

    def retry(command: Command) -> Flow:
        try:
            return (yield command)
        except ResponseError:
            return (yield command)

    script = Script(plugin(retry))
    script.replies(b"1", ResponseError("LOADING"), b"3", ResponseError("LOADING"), b"2", b"4")
    replies = script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"), ("GET", "d"))
    assert replies == [b"1", b"2", b"3", b"4"]
    assert script.rounds[1] == [("GET", "b"), ("GET", "d")]


def refuse_b(command: Command) -> Flow:
    """Refuse the command of one key."""
    if command.args[1] == "b":
        raise RefusedError("b")
    return (yield command)


def refuse_b_after_a_call(command: Command) -> Flow:
    """Refuse it after other I/O than Redis."""
    if command.args[1] == "b":
        yield Call(lambda: None)
        raise RefusedError("b")
    return (yield command)


def refuse_b_after_a_sleep(command: Command) -> Flow:
    """Refuse it after a wait."""
    if command.args[1] == "b":
        yield Sleep(1)
        raise RefusedError("b")
    return (yield command)


def refuse_b_within_a_fan_out(command: Command) -> Flow:
    """Refuse it because an inner refusal leaves nothing to be sent."""
    if command.args[1] == "b":
        replies = yield [command.replace(("GET", "refused inside"))]
        raise replies[0]
    return (yield command)


def refuse_inside(command: Command) -> Flow:
    """Refuse the command of the fan-out above."""
    if command.args[1] == "refused inside":
        raise RefusedError("inside")
    return (yield command)


@pytest.mark.parametrize(
    "refuse", [refuse_b, refuse_b_after_a_call, refuse_b_after_a_sleep, refuse_b_within_a_fan_out]
)
def test_a_refusal_before_the_first_send_stops_everything(refuse: Any) -> None:
    """Nothing at all is sent, every other flow is closed, and the refusal is raised as it is."""
    journal = Journal()
    script = Script(journal.watcher("outer"), plugin(refuse), plugin(refuse_inside))
    with pytest.raises(RefusedError):
        script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"))
    assert script.sent == []
    assert journal.notes.count("outer starts") == journal.notes.count("outer ends")
    assert journal.notes.count("outer gets RefusedError") == 1
    assert "outer gets GeneratorExit" in journal.notes


def test_a_refusal_stops_commands_that_no_plugin_wants() -> None:
    """They are not sent either."""

    def refuse(command: Command) -> Flow:
        raise RefusedError
        yield

    script = Script(plugin(refuse, wants=lambda spec: spec.is_write))
    with pytest.raises(RefusedError):
        script.pipeline(("GET", "a"), ("SET", "b", "1"))
    assert script.sent == []


def test_raising_after_the_send_is_the_commands_own_outcome() -> None:
    """Other commands have their replies; the exception stands among them."""
    failure = RefusedError("late")

    def check(command: Command) -> Flow:
        reply = yield command
        if reply == b"2":
            raise failure
        return reply

    script = Script(plugin(check)).replies(b"1", b"2", b"3")
    assert script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c")) == [b"1", failure, b"3"]


def test_error_replies_reach_their_own_flow() -> None:
    """An error in the round is raised in the flow whose command it is of, and may be handled."""

    def handle(command: Command) -> Flow:
        try:
            return (yield command)
        except ResponseError as error:
            return f"handled {error}"

    script = Script(plugin(handle)).replies(b"1", ResponseError("WRONGTYPE"), b"3")
    replies = script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"))
    assert replies == [b"1", "handled WRONGTYPE", b"3"]


def test_a_bug_stops_the_pipeline() -> None:
    """A bug before the send refuses; one after it is raised when the round is done."""

    def broken(command: Command) -> Flow:
        reply = yield command
        raise KeyError(reply)

    script = Script(plugin(broken)).replies(b"1", b"2")
    with pytest.raises(PluginError, match="plugin 'broken', hook redis_command, GET: KeyError"):
        script.pipeline(("GET", "a"), ("GET", "b"))


def test_a_lost_connection_is_raised_in_every_flow() -> None:
    """And leaves as the one exception that it is."""
    journal = Journal()
    lost = RedisConnectionError("lost")
    script = Script(journal.watcher("a")).loses(lost)
    with pytest.raises(RedisConnectionError) as caught:
        script.pipeline(("GET", "a"), ("GET", "b"))
    assert caught.value is lost
    assert journal.notes.count("a gets ConnectionError") == 2


def test_the_traceback_of_a_lost_round_stays_short() -> None:
    """The frames of every flow that saw it do not pile up in it."""
    script = Script(plugin(pass_on)).loses(RedisConnectionError("lost"))
    with pytest.raises(RedisConnectionError) as caught:
        script.pipeline(*[("GET", str(number)) for number in range(500)])
    assert len(caught.traceback) < 30


def test_retrying_a_lost_round() -> None:
    """Every flow that yields again is part of the second round."""

    def retry(command: Command) -> Flow:
        try:
            return (yield command)
        except RedisConnectionError:
            return (yield command)

    script = Script(plugin(retry)).loses(RedisConnectionError("lost")).replies(b"1", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert script.rounds == [[("GET", "a"), ("GET", "b")]] * 2


def test_rounds_lost_twice() -> None:
    """Commands lost in different rounds: the pipeline fails as a whole, as redis-py's does."""

    def retry_a(command: Command) -> Flow:
        if command.args[1] != "a":
            return (yield command)
        try:
            return (yield command)
        except RedisConnectionError:
            return (yield command)

    first, second = RedisConnectionError("first"), RedisConnectionError("second")
    script = Script(plugin(retry_a)).loses(first).loses(second)
    with pytest.raises(RedisConnectionError) as caught:
        script.pipeline(("GET", "a"), ("GET", "b"))
    assert caught.value in (first, second)
    script = Script(plugin(retry_a)).loses(first).replies(b"1")
    with pytest.raises(RedisConnectionError) as caught:
        script.pipeline(("GET", "a"), ("GET", "b"))
    assert caught.value is first


def test_sleeping_together() -> None:
    """The round waits for the longest of its sleeps, not for their sum."""

    def wait(command: Command) -> Flow:
        yield Sleep(float(command.args[1]))
        return (yield command)

    script = Script(plugin(wait)).replies(b"1", b"2", b"3")
    script.pipeline(("GET", "0.5"), ("GET", "2"), ("GET", "1"))
    assert script.slept == [2.0]
    assert len(script.rounds) == 1


async def test_calls_of_a_round_run_together() -> None:
    """An async client awaits them side by side."""
    import asyncio

    both = asyncio.Barrier(2)

    def call(command: Command) -> Flow:
        yield Call(lambda: None, both.wait)
        return (yield command)

    script = Script(plugin(call)).replies(b"1", b"2")
    async with asyncio.timeout(10):
        assert await script.pipeline_async(("GET", "a"), ("GET", "b")) == [b"1", b"2"]


def test_fanning_out_in_a_pipeline() -> None:
    """The commands of a list stand in the round in the place of the one that fanned out."""

    def each_key(command: Command) -> Flow:
        return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    script = Script(plugin(each_key, wants=lambda spec: spec.name == "MGET"))
    script.replies(True, b"1", b"2", b"3")
    replies = script.pipeline(("SET", "x", "0"), ("MGET", "a", "b"), ("GET", "c"))
    assert replies == [True, [b"1", b"2"], b"3"]
    assert script.rounds == [[("SET", "x", "0"), ("GET", "a"), ("GET", "b"), ("GET", "c")]]


def test_an_empty_pipeline() -> None:
    """Nothing goes out, nothing comes back."""
    assert Script(plugin(pass_on)).pipeline() == []
