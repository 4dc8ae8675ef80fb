"""What a flow can do with one command: everything in the table of the README, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import NIL, Call, Command, Flow, Sleep
from redis_middleware.testing import Script


class RefusedError(Exception):
    """What a plugin of these tests refuses with."""


def test_observing_changes_nothing() -> None:
    """The flow yields the command and returns the reply: both stay the objects they are."""
    seen: list[Any] = []

    def observe(command: Command) -> Flow:
        reply = yield command
        seen.append((command.args, reply))
        return reply

    reply = [b"a", b"b"]
    script = Script(plugin(observe)).replies(reply)
    assert script.run("LRANGE", "k", 0, -1) is reply
    assert script.sent == [("LRANGE", "k", 0, -1)]
    assert seen == [(("LRANGE", "k", 0, -1), reply)]


def test_options_reach_the_server() -> None:
    """redis-py's options travel with the command that is passed on."""
    script = Script(plugin(pass_on)).replies(b"v")
    script.run("GET", "k", keys=["k"])
    assert script.commands[0].options == {"keys": ["k"]}


def test_answering_without_the_server() -> None:
    """A flow that returns before it yields answers; nothing is sent."""

    def answer(command: Command) -> Flow:
        return b"cached"
        yield

    script = Script(plugin(answer))
    assert script.run("GET", "k") == b"cached"
    assert script.sent == []


def test_an_answer_passes_the_outer_plugins_only() -> None:
    """Outer flows get the answer as their reply; inner plugins never hear of the command."""
    journal = Journal()

    def answer(command: Command) -> Flow:
        return b"cached"
        yield

    script = Script(journal.watcher("outer"), plugin(answer), journal.watcher("inner"))
    assert script.run("GET", "k") == b"cached"
    assert journal.notes == ["outer starts", "outer gets b'cached'", "outer ends"]


def test_refusing() -> None:
    """A flow that raises before it yields refuses: nothing is sent, the exception is the same."""
    journal = Journal()
    refusal = RefusedError("not on Sundays")

    def refuse(command: Command) -> Flow:
        raise refusal
        yield

    script = Script(journal.watcher("outer"), plugin(refuse), journal.watcher("inner"))
    with pytest.raises(RefusedError) as caught:
        script.run("GET", "k")
    assert caught.value is refusal
    assert script.sent == []
    assert journal.notes == ["outer starts", "outer gets RefusedError", "outer ends"]


def test_a_plain_function_may_refuse_too() -> None:
    """A hook that raises before it makes a flow refuses just as well."""

    def refuse(command: Command) -> Flow:
        raise RefusedError

    with pytest.raises(RefusedError):
        Script(plugin(refuse)).run("GET", "k")


def test_a_hook_may_hand_its_flow_over() -> None:
    """A hook that returns another generator function's generator is a flow."""

    def hand_over(command: Command) -> Flow:
        return pass_on(command)

    assert Script(plugin(hand_over)).replies(b"v").run("GET", "k") == b"v"


def test_rewriting_arguments() -> None:
    """What is yielded in place of the command is sent; options are dropped with the arguments."""

    def prefix(command: Command) -> Flow:
        return (yield command.replace((command.args[0], f"app:{command.args[1]}")))

    script = Script(plugin(prefix)).replies(b"v")
    assert script.run("GET", "k", keys=["k"]) == b"v"
    assert script.sent == [("GET", "app:k")]
    assert script.commands[0].options == {}


def test_rewriting_to_another_name_goes_to_the_inner_plugins_that_want_it() -> None:
    """Which inner plugins see a rewritten command is decided by its new name."""
    journal = Journal()

    def rewrite(command: Command) -> Flow:
        return (yield command.replace(("HGET", "hash", command.args[1])))

    script = Script(
        journal.watcher("outer gets", wants=lambda spec: spec.name == "GET"),
        plugin(rewrite, wants=lambda spec: spec.name == "GET"),
        journal.watcher("inner of GET", wants=lambda spec: spec.name == "GET"),
        journal.watcher("inner of HGET", wants=lambda spec: spec.name == "HGET"),
    ).replies(b"v")
    script.run("GET", "k")
    starts = [note for note in journal.notes if note.endswith("starts")]
    assert starts == ["outer gets starts", "inner of HGET starts"]
    assert script.sent == [("HGET", "hash", "k")]


def test_a_rewritten_command_does_not_go_outwards() -> None:
    """A plugin outside of the one that rewrote is not run, although it wants the new name."""
    journal = Journal()

    def rewrite(command: Command) -> Flow:
        return (yield command.replace(("SET", "k", "v")))

    script = Script(
        journal.watcher("outer", wants=lambda spec: spec.name == "SET"),
        plugin(rewrite, wants=lambda spec: spec.name == "GET"),
    ).replies(True)
    script.run("GET", "k")
    assert journal.notes == []


def test_notes_stay_with_a_rewritten_command() -> None:
    """Plugins leave notes for each other; replacing arguments keeps them."""
    seen: list[Any] = []

    def leave(command: Command) -> Flow:
        command.notes["tenant"] = 7
        return (yield command.replace(("HGET", "hash", "k")))

    def read(command: Command) -> Flow:
        seen.append(command.notes)
        return (yield command)

    Script(plugin(leave), plugin(read)).replies(b"v").run("GET", "k")
    assert seen == [{"tenant": 7}]


def test_changing_the_reply() -> None:
    """What the flow returns is the reply for whoever is outside."""
    journal = Journal()

    def upper(command: Command) -> Flow:
        return (yield command).upper()

    script = Script(journal.watcher("outer"), plugin(upper)).replies(b"value")
    assert script.run("GET", "k") == b"VALUE"
    assert "outer gets b'VALUE'" in journal.notes


def test_a_nil_reply_passes() -> None:
    """None is a reply where it came from below."""
    assert Script(plugin(pass_on), plugin(pass_on, name="other")).replies(None).run("GET", "k") is (
        None
    )


@pytest.mark.parametrize("yields_first", [False, True])
def test_answering_nil(yields_first: bool) -> None:
    """NIL becomes None, before and after a send."""

    def nil(command: Command) -> Flow:
        if yields_first:
            yield command
        return NIL
        yield

    assert Script(plugin(pass_on), plugin(nil)).replies(b"v").run("GET", "k") is None


def test_nil_after_a_failure() -> None:
    """A flow may answer nil in place of a failure."""

    def nil(command: Command) -> Flow:
        try:
            return (yield command)
        except ResponseError:
            return NIL

    script = Script(plugin(pass_on), plugin(nil)).replies(ResponseError("WRONGTYPE"))
    assert script.run("GET", "k") is None


def test_retrying() -> None:
    """A flow catches the failure and yields again: the inner plugins run again too."""
    journal = Journal()

    def retry(command: Command) -> Flow:
        for _ in range(2):
            try:
                return (yield command)
            except RedisConnectionError:
                pass
        return (yield command)

    script = Script(plugin(retry), journal.watcher("inner"))
    script.replies(RedisConnectionError("lost"), RedisConnectionError("lost"), b"v")
    assert script.run("GET", "k") == b"v"
    assert script.sent == [("GET", "k")] * 3
    assert journal.notes.count("inner starts") == journal.notes.count("inner ends") == 3


def test_retrying_after_a_reply() -> None:
    """A second yield needs no failure: this asks again until it likes the reply."""

    def ask_again(command: Command) -> Flow:
        reply = yield command
        while reply != b"ready":
            yield Sleep(1.5)
            reply = yield command
        return reply

    script = Script(plugin(ask_again)).replies(b"no", b"no", b"ready")
    assert script.run("GET", "state") == b"ready"
    assert script.slept == [1.5, 1.5]
    assert script.clock() == 3.0


def test_redirecting() -> None:
    """A command with a target of its own is sent there; the rest of it stays."""
    replica = object()

    def redirect(command: Command) -> Flow:
        return (yield command.replace(target=replica))

    script = Script(plugin(redirect)).replies(b"v")
    script.run("GET", "k", keys=["k"])
    assert script.commands[0].target is replica
    assert script.commands[0].options == {"keys": ["k"]}


def test_fanning_out() -> None:
    """A list goes out together; its replies come back in order, failures among them."""
    got: list[Any] = []

    def each_key(command: Command) -> Flow:
        replies = yield [command.replace(("GET", key)) for key in command.args[1:]]
        got.append(list(replies))
        return [None if isinstance(reply, ResponseError) else reply for reply in replies]

    failure = ResponseError("WRONGTYPE")
    script = Script(plugin(each_key)).replies(b"1", failure, b"3")
    assert script.run("MGET", "a", "b", "c") == [b"1", None, b"3"]
    assert script.rounds == [[("GET", "a"), ("GET", "b"), ("GET", "c")]]
    assert got == [[b"1", failure, b"3"]]


def test_fanning_out_through_inner_plugins() -> None:
    """Each command of the list goes through the inner plugins that want it."""
    journal = Journal()

    def each_key(command: Command) -> Flow:
        return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    def answer_b(command: Command) -> Flow:
        if command.args[1] == "b":
            return b"from memory"
        return (yield command)

    script = Script(
        plugin(each_key, wants=lambda spec: spec.name == "MGET"),
        plugin(answer_b, wants=lambda spec: spec.name == "GET"),
        journal.watcher("innermost", wants=lambda spec: spec.name == "GET"),
    ).replies(b"1", b"3")
    assert script.run("MGET", "a", "b", "c") == [b"1", b"from memory", b"3"]
    assert script.rounds == [[("GET", "a"), ("GET", "c")]]
    assert journal.notes.count("innermost starts") == 2


def test_fanning_out_within_fanning_out() -> None:
    """Nested lists go out in one round too, in the order of the outermost list."""

    def pairs(command: Command) -> Flow:
        names = command.args[1:]
        return (yield [command.replace(("EXISTS", *names[i : i + 2])) for i in (0, 2)])

    def singles(command: Command) -> Flow:
        return sum((yield [command.replace(("EXISTS", name)) for name in command.args[1:]]))

    script = Script(
        plugin(pairs, wants=lambda spec: spec.name == "MGET"),
        plugin(singles, wants=lambda spec: spec.name == "EXISTS"),
    ).replies(1, 0, 1, 1)
    assert script.run("MGET", "a", "b", "c", "d") == [1, 2]
    assert script.rounds == [[("EXISTS", "a"), ("EXISTS", "b"), ("EXISTS", "c"), ("EXISTS", "d")]]


def test_rounds_of_a_fan_out() -> None:
    """A retry of one command of the list makes a second round of that command only."""

    def each_key(command: Command) -> Flow:
        return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    def retry(command: Command) -> Flow:
        try:
            return (yield command)
        except ResponseError:
            return (yield command)

    script = Script(
        plugin(each_key, wants=lambda spec: spec.name == "MGET"),
        plugin(retry, wants=lambda spec: spec.name == "GET"),
    ).replies(b"1", ResponseError("LOADING"), b"3", b"2")
    assert script.run("MGET", "a", "b", "c") == [b"1", b"2", b"3"]
    assert script.rounds == [[("GET", "a"), ("GET", "b"), ("GET", "c")], [("GET", "b")]]


def test_an_empty_list() -> None:
    """Nothing is sent for it; an empty list of replies comes back at once."""

    def nothing(command: Command) -> Flow:
        assert (yield []) == []
        return b"answered"

    script = Script(plugin(nothing))
    assert script.run("GET", "k") == b"answered"
    assert script.rounds == []


def test_a_refusal_within_a_fan_out_is_one_of_its_replies() -> None:
    """The other commands of the list are sent; who fanned out decides what to make of it."""
    refusal = RefusedError("b")

    def each_key(command: Command) -> Flow:
        return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    def refuse_b(command: Command) -> Flow:
        if command.args[1] == "b":
            raise refusal
        return (yield command)

    script = Script(
        plugin(each_key, wants=lambda spec: spec.name == "MGET"),
        plugin(refuse_b, wants=lambda spec: spec.name == "GET"),
    ).replies(b"1")
    assert script.run("MGET", "a", "b") == [b"1", refusal]
    assert script.sent == [("GET", "a")]


def test_an_exception_that_is_returned_is_raised() -> None:
    """``return replies[0]`` after a fan-out raises it where that is a failure, like redis-py."""
    failure = ResponseError("WRONGTYPE")

    def first(command: Command) -> Flow:
        replies = yield [command]
        return replies[0]

    with pytest.raises(ResponseError) as caught:
        Script(plugin(pass_on), plugin(first)).replies(failure).run("GET", "k")
    assert caught.value is failure


def test_sleeping() -> None:
    """Sleep waits without the flow doing it: the script's clock moves, and None comes back."""

    def wait(command: Command) -> Flow:
        assert (yield Sleep(0.25)) is None
        return (yield command)

    script = Script(plugin(wait)).replies(b"v")
    assert script.run("GET", "k") == b"v"
    assert script.slept == [0.25]


def test_calling() -> None:
    """Call gives the function's result back, or raises what it raised, at the yield."""
    failure = OSError("bucket not found")
    caught: list[OSError] = []

    def load(found: bool) -> bytes:
        if not found:
            raise failure
        return b"from the bucket"

    def fetch(command: Command) -> Flow:
        try:
            yield Call(lambda: load(False))
        except OSError as error:
            caught.append(error)
        return (yield Call(lambda: load(True)))

    script = Script(plugin(fetch))
    assert script.run("GET", "k") == b"from the bucket"
    assert caught == [failure]
    assert script.sent == []


async def test_calling_from_an_async_client() -> None:
    """The async function is awaited; where there is none, the function runs in a thread."""
    import threading

    async def load() -> str:
        return "awaited"

    def fetch(command: Command) -> Flow:
        awaited = yield Call(lambda: "called", load)
        thread = yield Call(threading.current_thread)
        return [awaited, thread]

    awaited, thread = await Script(plugin(fetch)).run_async("GET", "k")
    assert awaited == "awaited"
    assert thread is not threading.current_thread()


def test_several_things_in_one_flow() -> None:
    """A flow is ordinary code: a lock around a command, say, with a wait and a release."""

    def locked(command: Command) -> Flow:
        while not (yield command.replace(("SET", "lock", "me", "NX"))):
            yield Sleep(0.1)
        try:
            return (yield command)
        finally:
            yield command.replace(("DEL", "lock"))

    script = Script(plugin(locked, wants=lambda spec: spec.name == "INCR"))
    script.replies(None, True, 5, 1)
    assert script.run("INCR", "k") == 5
    assert [args[0] for args in script.sent] == ["SET", "SET", "INCR", "DEL"]


def test_two_words_are_one_name() -> None:
    """``CONFIG GET`` as one argument or two is the same command to plugins."""
    names: list[str] = []

    def note(command: Command) -> Flow:
        names.append(command.name)
        return (yield command)

    script = Script(plugin(note, wants=lambda spec: spec.name == "CONFIG GET")).answers(
        lambda command: {}
    )
    script.run("CONFIG GET", "maxmemory")
    script.run("CONFIG", "GET", "maxmemory")
    script.run("CONFIG", "SET", "maxmemory", "1mb")
    script.run("config get", "maxmemory")
    assert names == ["CONFIG GET"] * 3
