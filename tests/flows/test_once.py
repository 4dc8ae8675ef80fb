"""``Once``: concurrent callers share one send."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ResponseError
from tests.flows.making import plugin

from redis_middleware import Call, Command, Flow, Once
from redis_middleware.testing import Script

LIMIT = 10.0
"""Seconds after which a test that should have ended long ago is taken for a deadlock."""


def share(command: Command) -> Flow:
    """Share sends of the same arguments."""
    return (yield Once(command.args, command))


class Gate:
    """A server that answers when it is told to.

    Attributes:
        asked: how many commands came so far.
        answer: what they get.
    """

    def __init__(self, answer: Any = b"v") -> None:
        self.asked = 0
        self.answer = answer
        self._came = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, command: Command) -> Any:
        """Wait until the gate is open."""
        self.asked += 1
        self._came.release()
        assert self._open.wait(LIMIT)
        return self.answer

    def wait_for_a_command(self) -> None:
        """Return when another command has come."""
        assert self._came.acquire(timeout=LIMIT)

    def open(self) -> None:
        """Let the commands that wait, and all later ones, have their answer."""
        self._open.set()


def followers_of(script: Script, count: int) -> None:
    """Return when so many callers wait for another's send."""
    deadline = time.monotonic() + LIMIT
    while script.middleware.once.followers < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_caller_by_itself() -> None:
    """Nobody to share with: the command is sent, the reply is its own."""
    script = Script(plugin(share)).replies(b"1", b"2")
    assert script.run("GET", "k") == b"1"
    assert script.run("GET", "k") == b"2"


def test_threads_share_one_send() -> None:
    """Those who come while the leader's command is under way get the same reply."""
    gate = Gate()
    script = Script(plugin(share)).answers(gate)
    with ThreadPoolExecutor(5) as threads:
        leader = threads.submit(script.run, "GET", "k")
        gate.wait_for_a_command()
        followers = [threads.submit(script.run, "GET", "k") for _ in range(4)]
        followers_of(script, 4)
        gate.open()
        assert [caller.result(LIMIT) for caller in (leader, *followers)] == [b"v"] * 5
    assert script.sent == [("GET", "k")]


def test_other_keys_are_not_shared() -> None:
    """Each key has its own leader."""
    gate = Gate()
    script = Script(plugin(share)).answers(gate)
    with ThreadPoolExecutor(2) as threads:
        callers = [threads.submit(script.run, "GET", key) for key in "ab"]
        gate.wait_for_a_command()
        gate.wait_for_a_command()
        gate.open()
        assert [caller.result(LIMIT) for caller in callers] == [b"v", b"v"]


def test_other_plugins_do_not_share() -> None:
    """The same key in two plugins is two keys, also where one is inside of the other."""
    gate = Gate()
    gate.open()
    script = Script(plugin(share, name="a"), plugin(share, name="b")).answers(gate)
    assert script.run("GET", "k") == b"v"
    assert gate.asked == 1


async def test_tasks_share_one_send() -> None:
    """Tasks of an async client as well."""
    script = Script(plugin(share)).replies(b"v")
    async with asyncio.timeout(LIMIT):
        assert await asyncio.gather(*[script.run_async("GET", "k") for _ in range(5)]) == [b"v"] * 5
    assert script.sent == [("GET", "k")]


def test_commands_of_one_pipeline_share() -> None:
    """The second one follows the first of the same pipeline; it is sent once."""
    script = Script(plugin(share)).replies(b"v", b"w")
    assert script.pipeline(("GET", "a"), ("GET", "a"), ("GET", "b")) == [b"v", b"v", b"w"]
    assert script.rounds == [[("GET", "a"), ("GET", "b")]]


def test_followers_get_copies() -> None:
    """Containers are each caller's own: nobody sees what another does to his."""
    reply = {b"field": [b"value", {b"set"}]}
    script = Script(plugin(share)).replies(reply)
    first, second = script.pipeline(("HGETALL", "k"), ("HGETALL", "k"))
    assert first is reply
    assert second == reply
    assert second is not first
    assert second[b"field"] is not first[b"field"]
    first[b"field"].append(b"mine")
    assert second == {b"field": [b"value", {b"set"}]}


def test_what_the_leader_does_to_its_reply_stays_its_own() -> None:
    """Also where it does it before the followers had time to look."""

    def share_and_clear(command: Command) -> Flow:
        reply = yield Once("key", command)
        if command.position == 0:
            reply.clear()
        return reply

    script = Script(plugin(share_and_clear)).replies([b"a", b"b"])
    assert script.pipeline(("LRANGE", "k", 0, 1), ("LRANGE", "k", 0, 1)) == [[], [b"a", b"b"]]


def test_what_cannot_be_copied_is_shared() -> None:
    """A reply that a callback made of something odd."""
    odd = (number for number in range(3))
    script = Script(plugin(share)).replies(odd)
    assert script.pipeline(("GET", "k"), ("GET", "k")) == [odd, odd]


def test_what_refuses_to_be_copied_is_shared() -> None:
    """Whatever error its class raises for it; what is around it is copied."""

    class Single:
        def __deepcopy__(self, memo: object) -> None:
            raise ValueError("I am one of a kind")

    single = Single()
    script = Script(plugin(share)).replies([single])
    first, second = script.pipeline(("LRANGE", "k", 0, 0), ("LRANGE", "k", 0, 0))
    assert first == second == [single]
    assert second is not first


def test_the_leaders_failure_is_shared() -> None:
    """Each follower gets a copy of it, with the leader's as its cause."""
    failure = ResponseError("WRONGTYPE")
    script = Script(plugin(share)).replies(failure)
    first, second = script.pipeline(("GET", "k"), ("GET", "k"))
    assert first is failure
    assert type(second) is ResponseError
    assert second is not failure
    assert second.args == failure.args
    assert second.__cause__ is failure


def test_a_failure_of_an_inner_plugin_is_shared() -> None:
    """What the leader's command comes to is what all get: a refusal further in, too."""
    gate = Gate()

    def refuse(command: Command) -> Flow:
        yield command
        raise ResponseError("refused")

    script = Script(plugin(share), plugin(refuse)).answers(gate)
    with ThreadPoolExecutor(2) as threads:
        leader = threads.submit(script.run, "GET", "k")
        gate.wait_for_a_command()
        follower = threads.submit(script.run, "GET", "k")
        followers_of(script, 1)
        gate.open()
        for caller in (leader, follower):
            with pytest.raises(ResponseError, match="refused"):
                caller.result(LIMIT)


def test_a_refused_leader_lets_others_lead() -> None:
    """An inner plugin that refuses ends the lead; the next caller has one of its own."""
    refusals = [ResponseError("refused")]

    def refuse(command: Command) -> Flow:
        if refusals:
            raise refusals.pop()
        return (yield command)

    script = Script(plugin(share), plugin(refuse)).replies(b"v")
    with pytest.raises(ResponseError):
        script.run("GET", "k")
    assert script.run("GET", "k") == b"v"


def test_after_an_interrupted_leader_a_follower_leads() -> None:
    """Its own command is sent; whoever starts again before the reply is there follows it."""
    gate = Gate(KeyboardInterrupt())
    script = Script(plugin(share)).answers(
        lambda command: gate(command) if not gate.asked else b"second"
    )
    with ThreadPoolExecutor(4) as threads:
        leader = threads.submit(script.run, "GET", "k")
        gate.wait_for_a_command()
        followers = [threads.submit(script.run, "GET", "k") for _ in range(3)]
        followers_of(script, 3)
        gate.open()
        with pytest.raises(KeyboardInterrupt):
            leader.result(LIMIT)
        assert [follower.result(LIMIT) for follower in followers] == [b"second"] * 3
    assert len(script.sent) > 1


async def test_after_a_cancelled_leader_a_follower_leads() -> None:
    """Likewise for tasks; a follower that is cancelled harms nobody."""
    came = asyncio.Event()
    go_on = asyncio.Event()

    async def wait(command: Command) -> bytes:
        came.set()
        await go_on.wait()
        return b"v"

    script = Script(plugin(share)).answers(wait)
    async with asyncio.timeout(LIMIT):
        leader = asyncio.create_task(script.run_async("GET", "k"))
        await came.wait()
        followers = [asyncio.create_task(script.run_async("GET", "k")) for _ in range(3)]
        await asyncio.sleep(0.01)
        followers.pop().cancel()
        leader.cancel()
        go_on.set()
        assert await asyncio.gather(*followers) == [b"v", b"v"]
    assert script.sent == [("GET", "k")] * 2


async def test_a_leader_in_a_pipeline_that_is_cancelled() -> None:
    """Followers of any command of a cancelled pipeline are freed."""
    came = asyncio.Event()

    async def wait(command: Command) -> bytes:
        if not came.is_set():
            came.set()
            await asyncio.Event().wait()
        return b"v"

    script = Script(plugin(share)).answers(wait)
    async with asyncio.timeout(LIMIT):
        pipeline = asyncio.create_task(script.pipeline_async(("GET", "x"), ("GET", "k")))
        await came.wait()
        follower = asyncio.create_task(script.run_async("GET", "k"))
        await asyncio.sleep(0.01)
        pipeline.cancel()
        assert await follower == b"v"


def test_two_pipelines_that_follow_each_other_in_threads() -> None:
    """Each leads one key and waits for the other's: what one leads is sent before it waits."""
    for _ in range(20):
        meeting = threading.Barrier(2)

        def flow(command: Command, meeting: threading.Barrier = meeting) -> Flow:
            if command.args[2] == "follows":
                # Both lead by now.
                meeting.wait(LIMIT)
            return (yield Once(command.args[1], command))

        def answer(command: Command, meeting: threading.Barrier = meeting) -> Any:
            # Both follow by now.
            meeting.wait(LIMIT)
            return command.args[1]

        script = Script(plugin(flow)).answers(answer)
        with ThreadPoolExecutor(2) as threads:
            one = threads.submit(script.pipeline, ("GET", "a", "leads"), ("GET", "b", "follows"))
            other = threads.submit(script.pipeline, ("GET", "b", "leads"), ("GET", "a", "follows"))
            assert one.result(LIMIT) == ["a", "b"]
            assert other.result(LIMIT) == ["b", "a"]
        assert sorted(script.sent) == [("GET", "a", "leads"), ("GET", "b", "leads")]


async def test_two_pipelines_that_follow_each_other_in_tasks() -> None:
    """The same for tasks, with any number of pipelines in a ring."""
    count = 5
    meeting = asyncio.Barrier(count)

    async def meet() -> None:
        await meeting.wait()

    def flow(command: Command) -> Flow:
        if command.args[2] == "follows":
            yield Call(lambda: None, meet)
        return (yield Once(command.args[1], command))

    script = Script(plugin(flow)).answers(lambda command: command.args[1])
    async with asyncio.timeout(LIMIT):
        replies = await asyncio.gather(
            *[
                script.pipeline_async(
                    ("GET", number, "leads"), ("GET", (number + 1) % count, "follows")
                )
                for number in range(count)
            ]
        )
    assert replies == [[number, (number + 1) % count] for number in range(count)]
    assert len(script.sent) == count


def test_raising_after_following_is_the_commands_own_outcome() -> None:
    """A pipeline that has only followed others has had its sends: there is nothing to refuse."""
    gate = Gate()

    def flow(command: Command) -> Flow:
        reply = yield Once("key", command)
        if command.args[1] == "raises":
            raise ResponseError("late")
        return [reply, (yield command)]

    script = Script(plugin(flow)).answers(gate)
    with ThreadPoolExecutor(2) as threads:
        leader = threads.submit(script.run, "GET", "leads")
        gate.wait_for_a_command()
        pipeline = threads.submit(script.pipeline, ("GET", "raises"), ("GET", "x"), ("GET", "y"))
        followers_of(script, 3)
        gate.open()
        failure, *replies = pipeline.result(LIMIT)
        leader.result(LIMIT)
    assert isinstance(failure, ResponseError)
    assert replies == [[b"v", b"v"]] * 2


async def test_nothing_is_left_of_failures_that_nobody_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A follower of two leads goes on with the first; asyncio has no complaint of the second."""
    gates = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def wait(command: Command) -> Any:
        await gates[command.args[1]].wait()
        return ResponseError("failed") if command.args[1] == "b" else b"v"

    script = Script(plugin(share)).answers(wait)
    async with asyncio.timeout(LIMIT):
        leaders = [asyncio.create_task(script.run_async("GET", key)) for key in "ab"]
        await asyncio.sleep(0.01)
        follower = asyncio.create_task(script.pipeline_async(("GET", "a"), ("GET", "b")))
        await asyncio.sleep(0.01)
        gates["a"].set()
        await asyncio.sleep(0.01)
        gates["b"].set()
        replies = await follower
        assert replies[0] == b"v"
        assert isinstance(replies[1], ResponseError)
        await asyncio.gather(*leaders, return_exceptions=True)
    del follower, leaders, replies
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.records == []
