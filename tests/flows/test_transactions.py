"""Transactions: one round only, between MULTI and EXEC."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError, WatchError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import Batch, Call, Command, Flow, Once, Place, PluginError, Sleep
from redis_middleware.testing import Script


def test_one_round() -> None:
    """Flows that yield once work as in a pipeline."""
    script = Script(plugin(pass_on)).replies(b"1", True)
    assert script.transaction(("GET", "a"), ("SET", "a", "2")) == [b"1", True]
    assert script.rounds == [[("GET", "a"), ("SET", "a", "2")]]


def test_a_list_expands_in_place() -> None:
    """All of it is inside the transaction."""

    def each_key(command: Command) -> Flow:
        return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    script = Script(plugin(each_key, wants=lambda spec: spec.name == "MGET"))
    script.replies(b"1", b"2", True)
    assert script.transaction(("MGET", "a", "b"), ("SET", "c", "3")) == [[b"1", b"2"], True]
    assert script.rounds == [[("GET", "a"), ("GET", "b"), ("SET", "c", "3")]]


def test_waiting_before_the_send_is_allowed() -> None:
    """Sleeps and calls come before the one round."""

    def wait(command: Command) -> Flow:
        yield Sleep(1)
        yield Call(lambda: None)
        return (yield command)

    script = Script(plugin(wait)).replies(b"1", b"2")
    assert script.transaction(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert len(script.rounds) == 1


def test_waiting_after_the_send_is_allowed() -> None:
    """Only commands cannot be sent any more."""

    def store(command: Command) -> Flow:
        reply = yield command
        yield Call(lambda: None)
        yield Sleep(1)
        return reply

    assert Script(plugin(store)).replies(b"1").transaction(("GET", "a")) == [b"1"]


def yields_again(command: Command) -> Flow:
    """Ask twice."""
    yield command
    return (yield command)


def yields_a_list(command: Command) -> Flow:
    """Ask once, then for several."""
    yield command
    return (yield [command])


def yields_once(command: Command) -> Flow:
    """Ask once, then for a shared send."""
    yield command
    return (yield Once("k", command))


def retries(command: Command) -> Flow:
    """Ask again after a failure."""
    try:
        return (yield command)
    except ResponseError:
        return (yield command)


@pytest.mark.parametrize("flow", [yields_again, yields_a_list, yields_once, retries])
def test_a_second_yield_is_an_error_of_the_plugin_that_did_it(flow: Any) -> None:
    """It is named, although an inner plugin has passed its second command on."""
    journal = Journal()
    script = Script(plugin(pass_on), plugin(flow, name="twice"), journal.watcher("inner"))
    script.replies(ResponseError("WRONGTYPE") if flow is retries else b"1")
    with pytest.raises(PluginError, match="after the transaction was sent") as caught:
        script.transaction(("GET", "a"))
    assert (caught.value.plugin, caught.value.hook) == ("twice", "redis_command")
    assert len(script.rounds) == 1
    assert journal.notes.count("inner starts") == journal.notes.count("inner ends")


def test_a_flow_may_look_where_it_is() -> None:
    """``command.place`` tells, so that a plugin retries only where that can be done."""

    def retry(command: Command) -> Flow:
        try:
            return (yield command)
        except ResponseError:
            if command.place is Place.TRANSACTION:
                raise
            return (yield command)

    failure = ResponseError("WRONGTYPE")
    script = Script(plugin(retry)).replies(failure, failure, b"v")
    assert script.transaction(("GET", "a")) == [failure]
    assert script.run("GET", "a") == b"v"


def test_once_is_just_its_command() -> None:
    """Each command must be sent to be part of the transaction."""

    def share(command: Command) -> Flow:
        return (yield Once("same", command))

    script = Script(plugin(share)).replies(b"1", b"2")
    assert script.transaction(("GET", "a"), ("GET", "a")) == [b"1", b"2"]
    assert script.rounds == [[("GET", "a"), ("GET", "a")]]


def test_a_refusal_sends_nothing() -> None:
    """As in a pipeline."""

    def refuse(command: Command) -> Flow:
        if command.name == "DEL":
            raise ResponseError("no deleting")
        return (yield command)

    script = Script(plugin(refuse))
    with pytest.raises(ResponseError):
        script.transaction(("SET", "a", "1"), ("DEL", "b"))
    assert script.sent == []


def test_a_transaction_that_failed_as_a_whole() -> None:
    """A watched key that changed is raised in every flow and leaves as the exception it is."""
    journal = Journal()
    changed = WatchError("Watched variable changed.")
    script = Script(journal.watcher("a")).loses(changed)
    with pytest.raises(WatchError) as caught:
        script.transaction(("GET", "a"), ("GET", "b"))
    assert caught.value is changed
    assert journal.notes.count("a gets WatchError") == 2


def test_a_whole_transaction_may_be_repeated() -> None:
    """A flow around the batch yields it again: that is another MULTI/EXEC, with one round."""

    def again(batch: Batch) -> Flow:
        try:
            return (yield batch)
        except ConnectionError:
            return (yield batch)

    script = Script(plugin(again, hook="redis_batch"), plugin(pass_on))
    script.loses(ConnectionError("lost")).replies(b"1", b"2")
    assert script.transaction(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert script.rounds == [[("GET", "a"), ("GET", "b")]] * 2


def test_the_order_of_commands_is_kept() -> None:
    """A flow that waits before it sends does not let later commands overtake it."""

    def wait_for_a(command: Command) -> Flow:
        if command.args[1] == "a":
            yield Sleep(1)
            yield Call(lambda: None)
        if command.args[1] == "c":
            yield Call(lambda: None)
        return (yield command)

    for run in ("transaction", "pipeline"):
        script = Script(plugin(wait_for_a)).answers(lambda command: command.args[1])
        commands = [("SET", key, "v") for key in "abcd"] + [("DEL", "a")]
        assert getattr(script, run)(*commands) == ["a", "b", "c", "d", "a"]
        assert script.rounds == [commands]
