"""Which plugins run around a command, and in what order."""

from __future__ import annotations

from tests.flows.making import Journal

from redis_middleware import Command, Flow, hookimpl
from redis_middleware.commands import CommandSpec
from redis_middleware.testing import Script


def starts(journal: Journal) -> list[str]:
    """The names of the plugins in the order in which their flows started."""
    return [note.removesuffix(" starts") for note in journal.notes if note.endswith("starts")]


def test_the_first_plugin_is_outermost() -> None:
    """It starts first and ends last."""
    journal = Journal()
    Script(*[journal.watcher(name) for name in "abc"]).replies(b"v").run("GET", "k")
    assert starts(journal) == ["a", "b", "c"]
    ends = [note for note in journal.notes if note.endswith("ends")]
    assert ends == ["c ends", "b ends", "a ends"]


def test_tryfirst_and_trylast() -> None:
    """pluggy's words for a hook: outermost or innermost, whatever the list says."""
    journal = Journal()

    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        def note(self, command: Command) -> Flow:
            journal.notes.append(f"{self.name} starts")
            return (yield command)

    class Plain(Noting):
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            return self.note(command)

    class First(Noting):
        @hookimpl(tryfirst=True)
        def redis_command(self, command: Command) -> Flow:
            return self.note(command)

    class Last(Noting):
        @hookimpl(trylast=True)
        def redis_command(self, command: Command) -> Flow:
            return self.note(command)

    script = Script(Last("last"), Plain("a"), First("first"), Plain("b"))
    script.replies(b"v").run("GET", "k")
    assert starts(journal) == ["first", "a", "b", "last"]


def test_wants_is_asked_once_for_each_command_name() -> None:
    """A plugin that does not want a command costs nothing on it: it is asked once."""
    journal = Journal()
    asked: list[str] = []

    def reads_only(spec: CommandSpec) -> bool:
        asked.append(spec.name)
        return spec.is_read

    script = Script(journal.watcher("reads", wants=reads_only)).answers(lambda command: b"v")
    for args in (("GET", "k"), ("SET", "k", "v"), ("GET", "l"), ("SET", "l", "v")):
        script.run(*args)
    assert starts(journal) == ["reads", "reads"]
    assert asked == ["GET", "SET"]


def test_a_command_that_nobody_wants_goes_straight_to_the_server() -> None:
    """Without a plugin, and in a pipeline beside commands that have one."""
    journal = Journal()
    watcher = journal.watcher("reads", wants=lambda spec: spec.is_read)
    script = Script(watcher).replies(True, b"v", True)
    assert script.run("SET", "k", "v") is True
    assert journal.notes == []
    assert script.pipeline(("GET", "k"), ("SET", "k", "v")) == [b"v", True]
    assert starts(journal) == ["reads"]


def test_commands_nobody_knows_have_plugins_too() -> None:
    """A command that the table does not have is wanted or not by what little is known of it."""
    journal = Journal()
    script = Script(journal.watcher("all")).replies(b"v")
    assert script.run("NOSUCH.COMMAND", "k") == b"v"
    assert starts(journal) == ["all"]


def test_a_plugin_may_leave_out_its_argument() -> None:
    """pluggy lets hooks take fewer arguments than the specification has."""

    class Answer:
        @hookimpl
        def redis_command(self) -> Flow:
            return b"always"
            yield

    assert Script(Answer).run("GET", "k") == b"always"
