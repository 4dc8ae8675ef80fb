"""A running client uses its changed settings file, with the next command."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.reload.running import Running, SettingsFile, events

from redis_middleware import Flow, SettingsError, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Server
from redis_middleware.settings import watching


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors that were logged."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_changed_table_reconfigures(running: Running, file: SettingsFile) -> None:
    """A plugin that can be reconfigured stays the object it is."""
    file.use(reconfigured={"tag": "a"})
    running.start(file.path)
    plugin = running.middleware.plugins["reconfigured"]
    assert running.echo() == "a"
    file.use(reconfigured={"tag": "b"})
    assert running.echo() == "b"
    assert running.middleware.plugins["reconfigured"] is plugin
    assert events() == ["a attached", "a becomes b"]


def test_a_changed_table_replaces(running: Running, file: SettingsFile) -> None:
    """One that cannot be is made anew; the new one is attached before the old one is detached."""
    file.use(replaced={"tag": "a"})
    running.start(file.path)
    plugin = running.middleware.plugins["replaced"]
    file.use(replaced={"tag": "b"})
    assert running.echo() == "b"
    assert running.middleware.plugins["replaced"] is not plugin
    assert events() == ["a attached", "b attached", "a detached"]


def test_plugins_whose_table_did_not_change_stay(running: Running, file: SettingsFile) -> None:
    """Neither reconfigured nor replaced: their state is theirs."""
    file.use(replaced={"tag": "a"}, reconfigured={"tag": "b"}, another={"tag": "c"})
    running.start(file.path)
    before = dict(running.middleware.plugins)
    file.use(replaced={"tag": "a"}, reconfigured={"tag": "b"}, another={"tag": "d"})
    assert running.echo() == "dba"
    assert dict(running.middleware.plugins) == before
    assert events()[3:] == ["c becomes d"]


def test_the_list_of_plugins(running: Running, file: SettingsFile) -> None:
    """Plugins come, go and change places."""
    file.use(replaced={"tag": "a"})
    running.start(file.path)
    assert running.echo() == "a"
    file.use(reconfigured={"tag": "b"}, replaced={"tag": "a"})
    assert running.echo() == "ab"
    file.use(replaced={"tag": "a"}, reconfigured={"tag": "b"})
    assert running.echo() == "ba"
    file.use(reconfigured={"tag": "b"})
    assert running.echo() == "b"
    file.write("")
    assert running.echo() == ""
    assert events() == ["a attached", "b attached", "a detached", "b detached"]


def test_pipelines_use_them_too(running: Running, file: SettingsFile) -> None:
    """A pipeline's execution looks at the file as a command does."""
    running.start(file.path)
    file.use(replaced={"tag": "a"})
    assert running.echo_in_pipeline() == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plugins = [", "is not valid TOML"),
        ("plugins = ['unheard_of']", "no installed plugin has the name 'unheard_of'"),
        ("plugins = ['reconfigured']\n[reconfigured]\ntag = 7", "[reconfigured]"),
        ("plugins = ['reconfigured']\n[reconfigured]\ntagg = 'b'", "tagg"),
        ("plugins = ['reconfigured', 'replaced']\n[replaced]\nrefuse = true", "cannot be made"),
        (
            "plugins = ['reconfigured', 'replaced']\n[replaced]\ntag = 'unattachable'",
            "plugin 'replaced', hook redis_attach",
        ),
        (
            "plugins = ['reconfigured']\n[reconfigured]\ntag = 'refused'",
            "plugin 'reconfigured', hook reconfigure",
        ),
    ],
)
def test_settings_that_cannot_be_used(
    running: Running, file: SettingsFile, caplog: pytest.LogCaptureFixture, text: str, message: str
) -> None:
    """Nothing changes, and it is logged once for each version of the file."""
    file.use(reconfigured={"tag": "a"})
    running.start(file.path)
    settings = running.middleware.settings
    for _ in range(2):
        file.write(text)
        for _ in range(3):
            assert running.echo() == "a"
    logged = errors_in(caplog)
    assert len(logged) == 2
    assert logged[0] == logged[1]
    assert logged[0].startswith("the changed settings are not used: ")
    assert message in logged[0]
    assert running.middleware.settings == settings
    assert list(running.middleware.plugins) == ["reconfigured"]
    file.use(reconfigured={"tag": "b"})
    assert running.echo() == "b"


def test_all_plugins_are_reconfigured_or_none(running: Running, file: SettingsFile) -> None:
    """Where one refuses its new settings, those before it get their old ones back."""
    file.use(reconfigured={"tag": "a"}, another={"tag": "b"})
    running.start(file.path)
    file.use(reconfigured={"tag": "c"}, another={"tag": "refused"})
    assert running.echo() == "ba"
    assert events()[2:] == [
        "a becomes c",
        "b becomes refused",
        "b becomes b",
        "c becomes a",
    ]


def test_reconfiguring_is_undone_where_a_plugin_cannot_be_attached(
    running: Running, file: SettingsFile
) -> None:
    """All that a version of the file says holds, or nothing of it."""
    file.use(reconfigured={"tag": "a"})
    running.start(file.path)
    file.use(reconfigured={"tag": "b"}, replaced={"tag": "unattachable"})
    assert running.echo() == "a"
    assert events() == [
        "a attached",
        "a becomes b",
        "unattachable attached",
        "unattachable detached",
        "b becomes a",
    ]


def test_a_file_that_goes_and_comes_back(
    running: Running, file: SettingsFile, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away the settings in force stay, which is told."""
    file.use(reconfigured={"tag": "a"})
    running.start(file.path)
    file.path.unlink()
    assert running.echo() == "a"
    assert running.echo() == "a"
    file.use(reconfigured={"tag": "b"})
    assert running.echo() == "b"
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"the settings file {file.path} cannot be read (No such file")


def test_a_file_that_is_emptied(
    running: Running, file: SettingsFile, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes all plugins off, and says so louder than other changes."""
    file.use(reconfigured={"tag": "a"})
    running.start(file.path)
    file.write("")
    assert running.echo() == ""
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{file.path} is empty, so no plugin runs")


def test_a_file_that_is_replaced(running: Running, file: SettingsFile) -> None:
    """As editors and deployments do it, by renaming."""
    running.start(file.path)
    file.replace("plugins = ['reconfigured']\n[reconfigured]\ntag = 'b'")
    assert running.echo() == "b"


def test_a_file_that_was_not_changed(
    running: Running, file: SettingsFile, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was only touched is read again, and nothing happens to the plugins."""
    file.use(reconfigured={"tag": "a"}, replaced={"tag": "b"})
    running.start(file.path)
    before = dict(running.middleware.plugins)
    file.write(file.path.read_text())
    assert running.echo() == "ba"
    assert dict(running.middleware.plugins) == before
    assert events() == ["a attached", "b attached"]


def test_the_environment_lies_over_the_changed_file(
    running: Running, file: SettingsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As over the first one: what a variable sets does not change."""
    monkeypatch.setenv("REDIS_MIDDLEWARE__RECONFIGURED__TAG", "e")
    file.use(reconfigured={"tag": "a"}, another={"tag": "b"})
    running.start(file.path)
    assert running.echo() == "be"
    file.use(reconfigured={"tag": "c"}, another={"tag": "d"})
    assert running.echo() == "de"


def test_the_profile_stays(running: Running, file: SettingsFile) -> None:
    """The profile that the client was wrapped with lies over the changed file."""
    text = (
        "plugins = ['reconfigured']\n[reconfigured]\ntag = '{}'\n"
        "[profiles.jobs.reconfigured]\ntag = '{}'"
    )
    file.write(text.format("a", "b"))
    running.start(file.path, profile="jobs")
    assert running.echo() == "b"
    file.write(text.format("c", "d"))
    assert running.echo() == "d"


def test_a_program_that_goes_elsewhere(
    running: Running, file: SettingsFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is the file of the first time that is read again, whatever the working directory is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file.use(reconfigured={"tag": "a"})
    for settings in (None, file.path.name):
        monkeypatch.chdir(file.path.parent)
        file.use(reconfigured={"tag": "a"})
        running.start(settings)
        monkeypatch.chdir(elsewhere)
        file.use(reconfigured={"tag": "b"})
        assert running.echo() == "b"


def test_a_table_of_a_pyproject(running: Running, tmp_path: Path) -> None:
    """Settings in a ``pyproject.toml`` change the same way."""
    file = SettingsFile(tmp_path / "pyproject.toml")
    text = "[tool.redis-middleware]\nplugins = ['reconfigured']\nreconfigured = {{tag = '{}'}}"
    file.write(text.format("a"))
    running.start(file.path)
    assert running.echo() == "a"
    file.write(text.format("b"))
    assert running.echo() == "b"


def test_plugins_given_in_code(running: Running, file: SettingsFile) -> None:
    """Their list is the code's, their tables are the file's."""
    text = "plugins = ['another']\n[reconfigured]\ntag = '{}'"
    file.write(text.format("a"))
    running.start(file.path, plugins=["reconfigured"])
    assert running.echo() == "a"
    file.write(text.format("b"))
    assert running.echo() == "b"


def test_settings_given_as_a_mapping(running: Running) -> None:
    """There is no file to look at: no time of any command is spent on it."""
    running.start({"plugins": ["reconfigured"], "reconfigured": {"tag": "a"}})
    assert running.middleware.next_check == float("inf")
    running.middleware.reload()
    assert running.echo() == "a"


def test_reloading_by_hand(running: Running, file: SettingsFile) -> None:
    """``reload()`` does it at once, and raises what is wrong."""
    running.start(file.path)
    file.use(reconfigured={"tag": "a"})
    running.middleware.reload()
    assert list(running.middleware.plugins) == ["reconfigured"]
    file.write("plugins = ['unheard_of']")
    with pytest.raises(SettingsError, match="unheard_of"):
        running.middleware.reload()
    assert list(running.middleware.plugins) == ["reconfigured"]


def test_it_happens_within_about_half_a_second(
    running: Running, file: SettingsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with every command: looking costs time."""
    monkeypatch.setattr(watching, "CHECK_INTERVAL", 0.5)
    running.start(file.path)
    assert running.echo() == ""
    file.use(reconfigured={"tag": "a"})
    began = time.monotonic()
    assert running.echo() == ""
    while running.echo() != "a":
        assert time.monotonic() - began < 10
    assert time.monotonic() - began > 0.2


def test_work_of_a_replaced_plugin(running: Running, file: SettingsFile) -> None:
    """That of the old one ends, that of the new one goes on."""
    file.use(working={"tag": "a"})
    running.start(file.path)
    deadline = time.monotonic() + 10
    while "a turns" not in events():
        assert time.monotonic() < deadline
        running.echo()
    file.use(working={"tag": "b"})
    while events()[-2:] != ["b turns", "b turns"]:
        assert time.monotonic() < deadline
        running.echo()
    assert events().count("a ends") == 1
    assert "b ends" not in events()


def test_threads_that_come_during_a_change(file: SettingsFile, clean_standalone: Server) -> None:
    """One of them reloads; the others go on with the settings in force. Each gets one or the
    other pipeline, whole."""
    client = wrap(redis.Redis(port=clean_standalone.port), file.path)
    file.use(replaced={"tag": "a0"}, another={"tag": "b0"})
    replies: set[Any] = set()
    failures: list[Exception] = []
    done = threading.Event()

    def use() -> None:
        while not done.is_set():
            try:
                replies.add(client.echo("x"))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 10):
        file.use(replaced={"tag": f"a{number}"}, another={"tag": f"b{number}"})
        time.sleep(0.03)
    deadline = time.monotonic() + 10
    while b"xb9a9" not in replies and time.monotonic() < deadline:
        time.sleep(0.005)
    done.set()
    for thread in threads:
        thread.join()
    client.close()
    assert failures == []
    # `another` is reconfigured, the same object for all; `replaced` is of one pipeline.
    assert b"xb9a9" in replies
    attached = [event for event in events() if event.startswith("a") and "attached" in event]
    assert len(attached) == len(set(attached))


def test_a_command_under_way_ends_with_the_plugins_it_began_with(
    file: SettingsFile, clean_standalone: Server
) -> None:
    """A change in the midst of a command leaves that command alone."""
    file.use(replaced={"tag": "a"})
    client = wrap(redis.Redis(port=clean_standalone.port), file.path)
    came, go_on = threading.Event(), threading.Event()

    class Hold:
        def wants(self, spec: object) -> bool:
            return not go_on.is_set()

        @hookimpl
        def redis_command(self, command: object) -> Flow:
            came.set()
            assert go_on.wait(10)
            return (yield command)

    middleware_of(client).add(Hold())
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(client.echo("x")))
    thread.start()
    assert came.wait(10)
    file.use(replaced={"tag": "b"})
    middleware_of(client).reload()
    go_on.set()
    thread.join()
    assert got == [b"xa"]
    assert client.echo("x") == b"xb"
    client.close()


def test_files_named_by_the_environment(
    running: Running, file: SettingsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that ``REDIS_MIDDLEWARE_SETTINGS`` named is watched; later changes of the variable
    are not looked at."""
    file.use(reconfigured={"tag": "a"})
    monkeypatch.setenv("REDIS_MIDDLEWARE_SETTINGS", os.fspath(file.path))
    running.start(None)
    monkeypatch.delenv("REDIS_MIDDLEWARE_SETTINGS")
    file.use(reconfigured={"tag": "b"})
    assert running.echo() == "b"
