"""``middleware_of(client).add`` and ``remove``, and what becomes of them when the file changes."""

from __future__ import annotations

import logging

import pytest
from tests.reload.running import Running, SettingsFile, events

from redis_middleware import (
    Command,
    Flow,
    PluginNotFoundError,
    SettingsError,
    hookimpl,
    middleware_of,
    unwrap,
)
from redis_middleware.commands import CommandSpec


class Tag:
    """A plugin given in code that adds a tag."""

    def __init__(self, name: str) -> None:
        self.name = name

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Add the tag."""
        reply = yield command
        return reply + self.name.encode() if command.name == "ECHO" else reply


def tags(*names: str) -> list[Tag]:
    """Plugins of some names."""
    return [Tag(name) for name in names]


def test_adding_goes_innermost(running: Running) -> None:
    """The innermost plugin gets the reply first."""
    running.start({}, plugins=tags("a", "b"))
    running.middleware.add(Tag("c"))
    assert list(running.middleware.plugins) == ["a", "b", "c"]
    assert running.echo() == "cba"
    assert running.echo_in_pipeline() == "cba"


def test_adding_before_and_after(running: Running) -> None:
    """Before is outside of, after is right inside of."""
    running.start({}, plugins=tags("a", "b"))
    running.middleware.add(Tag("c"), before="a")
    running.middleware.add(Tag("d"), after="a")
    running.middleware.add(Tag("e"), before="b")
    assert list(running.middleware.plugins) == ["c", "a", "d", "e", "b"]
    assert running.echo() == "bedac"


def test_adding_classes_and_names(running: Running, file: SettingsFile) -> None:
    """As for ``wrap``, with their tables of the settings."""
    file.write("plugins = ['replaced']\n[reconfigured]\ntag = 'r'")
    running.start(file.path)
    running.middleware.add("reconfigured")

    class Mark:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            reply = yield command
            return reply + b"m" if command.name == "ECHO" else reply

    running.middleware.add(Mark)
    assert list(running.middleware.plugins) == ["replaced", "reconfigured", "mark"]
    assert running.echo() == "mr-"


def test_removing(running: Running) -> None:
    """What is removed is detached and has no part in anything."""
    running.start({"plugins": ["replaced", "reconfigured"]})
    assert running.echo() == "--"
    running.middleware.remove("replaced")
    assert running.echo() == "-"
    assert events() == ["- attached", "- attached", "- detached"]


def test_wrong_names(running: Running) -> None:
    """The errors say what the pipeline has."""
    running.start({}, plugins=tags("a", "b"))
    handle = running.middleware
    with pytest.raises(PluginNotFoundError, match=r"no plugin named 'c' in the .*; it has a, b"):
        handle.remove("c")
    for place in ({"before": "c"}, {"after": "c"}):
        with pytest.raises(PluginNotFoundError, match="no plugin named 'c'"):
            handle.add(Tag("d"), **place)
    with pytest.raises(SettingsError, match="'a' is in the pipeline already"):
        handle.add(Tag("a"))
    with pytest.raises(PluginNotFoundError, match="unheard_of"):
        handle.add("unheard_of")
    assert list(handle.plugins) == ["a", "b"]


def test_a_plugin_that_cannot_be_attached_is_not_added(running: Running) -> None:
    """The pipeline stays as it was."""
    running.start({"replaced": {"tag": "unattachable"}}, plugins=tags("a"))
    with pytest.raises(Exception, match="plugin 'replaced', hook redis_attach"):
        running.middleware.add("replaced")
    assert list(running.middleware.plugins) == ["a"]
    assert running.echo() == "a"


def test_what_code_added_stays_when_the_file_changes(running: Running, file: SettingsFile) -> None:
    """In its place: right inside of the plugin that it was inside of."""
    file.use(reconfigured={"tag": "1"}, another={"tag": "2"})
    running.start(file.path)
    handle = running.middleware
    handle.add(Tag("a"), before="reconfigured")
    handle.add(Tag("b"), after="reconfigured")
    handle.add(Tag("c"))
    assert running.echo() == "c2b1a"
    file.use(reconfigured={"tag": "3"}, another={"tag": "4"})
    assert running.echo() == "c4b3a"
    file.use(another={"tag": "4"}, reconfigured={"tag": "3"}, replaced={"tag": "5"})
    assert running.echo() == "5b3c4a"
    assert list(handle.plugins) == ["a", "another", "c", "reconfigured", "b", "replaced"]
    file.use(replaced={"tag": "5"})
    assert running.echo().endswith("a")
    assert set(handle.plugins) == {"a", "b", "c", "replaced"}


def test_what_code_added_has_the_changed_table(running: Running, file: SettingsFile) -> None:
    """A plugin added by name is reconfigured like any other."""
    file.write("[reconfigured]\ntag = 'a'")
    running.start(file.path)
    running.middleware.add("reconfigured")
    assert running.echo() == "a"
    file.write("[reconfigured]\ntag = 'b'")
    assert running.echo() == "b"
    assert events() == ["a attached", "a becomes b"]


def test_what_code_removed_stays_out_when_the_file_changes(
    running: Running, file: SettingsFile
) -> None:
    """Until code adds it again."""
    file.use(reconfigured={"tag": "1"}, another={"tag": "2"})
    running.start(file.path)
    running.middleware.remove("reconfigured")
    file.use(reconfigured={"tag": "1"}, another={"tag": "3"})
    assert running.echo() == "3"
    running.middleware.add("reconfigured")
    assert running.echo() == "13"
    file.use(reconfigured={"tag": "4"}, another={"tag": "5"})
    assert running.echo() == "54"


def test_blocked_plugins(
    running: Running, file: SettingsFile, caplog: pytest.LogCaptureFixture
) -> None:
    """The settings' kill switch stops what code added, and what code is about to add."""
    running.start(file.path)
    running.middleware.add("reconfigured")
    assert running.echo() == "-"
    file.write("blocked = ['reconfigured', 'replaced']")
    assert running.echo() == ""
    with caplog.at_level(logging.INFO):
        running.middleware.add("replaced")
    assert "'replaced' is blocked" in caplog.text
    assert running.echo() == ""


def test_unwrapping(running: Running) -> None:
    """The plugins are detached, the client is what it was."""
    running.start({"plugins": ["replaced"]})
    unwrap(running.client)
    assert running.echo() == ""
    assert events() == ["- attached", "- detached"]
    with pytest.raises(LookupError):
        middleware_of(running.client)


def test_a_plugin_can_want_other_commands_than_before(running: Running) -> None:
    """It is asked again, in pipelines too; it stays what it is, and where it is."""

    class Fickle(Tag):
        is_idle = False

        def wants(self, spec: CommandSpec) -> bool:
            return not self.is_idle

    fickle = Fickle("f")
    running.start({}, plugins=[*tags("a"), fickle, *tags("b")])
    assert running.echo() == "bfa"
    fickle.is_idle = True
    assert running.echo() == "bfa"
    running.middleware.recompile()
    assert running.echo() == running.echo_in_pipeline() == "ba"
    fickle.is_idle = False
    running.middleware.recompile()
    assert running.echo() == "bfa"
    assert running.middleware.plugins["f"] is fickle


def test_a_plugin_is_added_at_one_place(running: Running) -> None:
    """Neither of two neighbours is silently forgotten."""
    running.start({}, plugins=tags("a", "b"))
    with pytest.raises(ValueError, match="before='a' and after='b' together"):
        running.middleware.add(Tag("c"), before="a", after="b")
    assert list(running.middleware.plugins) == ["a", "b"]
