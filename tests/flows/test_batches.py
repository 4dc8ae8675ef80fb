"""``redis_batch``: flows around a whole pipeline or transaction."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import NIL, Batch, Command, Flow, PluginError, Sleep
from redis_middleware.testing import Script


class RefusedError(Exception):
    """What a plugin of these tests refuses with."""


def batch_plugin(function: Any, name: str = "") -> object:
    """A plugin with a ``redis_batch`` hook."""
    return plugin(function, hook="redis_batch", name=name)


def test_around_everything() -> None:
    """It sees the commands before their own flows start and the replies after they end."""
    journal = Journal()
    seen: list[Any] = []

    def look(batch: Batch) -> Flow:
        seen.append(([command.args for command in batch.commands], batch.place.value, len(batch)))
        replies = yield batch
        seen.append(list(replies))
        return replies

    script = Script(journal.watcher("command"), batch_plugin(look)).replies(b"1", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert seen == [([("GET", "a"), ("GET", "b")], "pipeline", 2), [b"1", b"2"]]


def test_single_commands_have_no_batch() -> None:
    """Only pipelines and transactions."""
    journal = Journal()
    script = Script(journal.watcher("batch", hook="redis_batch")).replies(b"v", b"v")
    script.run("GET", "k")
    assert journal.notes == []
    script.transaction(("GET", "k"))
    assert journal.notes[0] == "batch starts"


def test_answering_the_batch() -> None:
    """Without a send, without any flow of a command."""
    journal = Journal()

    def answer(batch: Batch) -> Flow:
        return [b"mine"] * len(batch)
        yield

    script = Script(batch_plugin(answer), journal.watcher("command"))
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"mine", b"mine"]
    assert script.sent == []
    assert journal.notes == []


def test_refusing_the_batch() -> None:
    """Nothing is sent, the exception passes."""
    refusal = RefusedError("too many")

    def limit(batch: Batch) -> Flow:
        if len(batch) > 2:
            raise refusal
        return (yield batch)

    script = Script(batch_plugin(limit)).replies(b"1", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    with pytest.raises(RefusedError) as caught:
        script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c"))
    assert caught.value is refusal
    assert len(script.rounds) == 1


def test_retrying_the_batch() -> None:
    """Yielded again it is executed again: all flows of its commands run again."""
    journal = Journal()

    def retry(batch: Batch) -> Flow:
        try:
            return (yield batch)
        except RedisConnectionError:
            yield Sleep(0.5)
            return (yield batch)

    script = Script(batch_plugin(retry), journal.watcher("command"))
    script.loses(RedisConnectionError("lost")).replies(b"1", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [b"1", b"2"]
    assert script.slept == [0.5]
    assert journal.notes.count("command starts") == journal.notes.count("command ends") == 4


def test_retrying_a_refused_batch() -> None:
    """A refusal by a command's plugin is raised at the batch's yield; nothing was sent then."""
    refusals = [RefusedError("not yet"), RefusedError("not yet")]

    def wait(batch: Batch) -> Flow:
        while True:
            try:
                return (yield batch)
            except RefusedError:
                yield Sleep(1)

    def refuse(command: Command) -> Flow:
        if command.args[1] == "b" and refusals:
            raise refusals.pop()
        return (yield command)

    script = Script(batch_plugin(wait), plugin(refuse)).replies(b"1", b"2", b"3")
    assert script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c")) == [b"1", b"2", b"3"]
    assert script.slept == [1, 1]
    assert len(script.rounds) == 1


def test_retrying_only_what_failed() -> None:
    """A flow may yield a part of the batch again and put the replies together."""

    def retry_failed(batch: Batch) -> Flow:
        replies = yield batch
        failed = [i for i, reply in enumerate(replies) if isinstance(reply, ResponseError)]
        again = yield batch.replace([batch.commands[i] for i in failed])
        for i, reply in zip(failed, again, strict=True):
            replies[i] = reply
        return replies

    script = Script(batch_plugin(retry_failed))
    script.replies(b"1", ResponseError("LOADING"), b"3", b"2")
    assert script.pipeline(("GET", "a"), ("GET", "b"), ("GET", "c")) == [b"1", b"2", b"3"]
    assert script.rounds[1] == [("GET", "b")]


def test_replacing_commands() -> None:
    """Other commands are executed, through their own plugins; inner batch flows see them."""
    journal = Journal()
    seen: list[int] = []

    def twice(batch: Batch) -> Flow:
        replies = yield batch.replace([*batch.commands, *batch.commands])
        return replies[: len(batch)]

    def look(batch: Batch) -> Flow:
        seen.append(len(batch))
        return (yield batch)

    script = Script(batch_plugin(twice), batch_plugin(look), journal.watcher("command"))
    script.answers(lambda command: command.args[1])
    assert script.pipeline(("GET", "a"), ("GET", "b")) == ["a", "b"]
    assert seen == [4]
    assert journal.notes.count("command starts") == 4


@pytest.mark.parametrize("wrong", [[], [b"1"], [b"1", b"2", b"3"], (b"1", b"2"), b"12", 2])
def test_returning_something_else_than_a_reply_each(wrong: Any) -> None:
    """The error names the plugin and says how many replies there must be."""

    def broken(batch: Batch) -> Flow:
        yield batch
        return wrong

    script = Script(batch_plugin(broken), plugin(pass_on)).replies(b"1", b"2")
    with pytest.raises(PluginError, match="a list of 2 replies") as caught:
        script.pipeline(("GET", "a"), ("GET", "b"))
    assert (caught.value.plugin, caught.value.hook) == ("broken", "redis_batch")


def test_forgetting_to_return() -> None:
    """As for single commands."""

    def broken(batch: Batch) -> Flow:
        yield batch

    with pytest.raises(PluginError, match="return what the yield gave"):
        Script(batch_plugin(broken)).replies(b"1").pipeline(("GET", "a"))


@pytest.mark.parametrize("nonsense", [None, NIL, "batch"])
def test_yielding_nonsense(nonsense: Any) -> None:
    """Batch flows yield batches, Sleep and Call; a command belongs into a batch."""

    def broken(batch: Batch) -> Flow:
        return (yield nonsense)

    with pytest.raises(PluginError, match="it may yield a Batch, Sleep or Call") as caught:
        Script(batch_plugin(broken)).pipeline(("GET", "a"))
    assert caught.value.subject == "<Batch of 1 commands, pipeline>"

    def yields_a_command(batch: Batch) -> Flow:
        return (yield batch.commands[0])

    with pytest.raises(PluginError, match="it yielded"):
        Script(batch_plugin(yields_a_command)).pipeline(("GET", "a"))


def test_order() -> None:
    """The first plugin of the list is outermost, around batches too."""
    journal = Journal()
    script = Script(*[journal.watcher(name, hook="redis_batch") for name in "abc"])
    script.replies(b"1").pipeline(("GET", "a"))
    assert [note for note in journal.notes if note.endswith("starts")] == [
        "a starts",
        "b starts",
        "c starts",
    ]


def test_an_empty_batch_in_place_of_the_applications() -> None:
    """Nothing is sent for it, and no replies come back."""

    def none_of_them(batch: Batch) -> Flow:
        assert (yield batch.replace([])) == []
        return [None] * len(batch)

    script = Script(batch_plugin(none_of_them))
    assert script.pipeline(("GET", "a"), ("GET", "b")) == [None, None]
    assert script.rounds == []
