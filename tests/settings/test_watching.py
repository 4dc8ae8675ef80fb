"""Noticing a changed settings file, in the ways that files are changed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from redis_middleware.settings import Origin, Watch, load_settings


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return its reading in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock at 100 seconds."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a settings file."""
    path = tmp_path / "redis-middleware.toml"
    path.write_text("plugins = ['a']")
    return path


def watching(path: Path, clock: Clock) -> Watch:
    """Load settings and watch their file."""
    return Watch(load_settings(path, environ={}).origin, clock)


def looked(watch: Watch, clock: Clock) -> bool:
    """Let half a second pass and ask."""
    clock.now += 0.5
    return watch.changed()


def replaced(path: Path, text: str) -> None:
    """Replace a file as editors do: write another one beside it and rename that."""
    other = path.with_suffix(".new")
    other.write_text(text)
    os.replace(other, path)


def test_an_unchanged_file_has_not_changed(path: Path, clock: Clock) -> None:
    """Neither at the first look nor later."""
    watch = watching(path, clock)
    assert not watch.changed()
    assert not looked(watch, clock)


def test_each_change_is_told_once(path: Path, clock: Clock) -> None:
    """A file written in place."""
    watch = watching(path, clock)
    path.write_text("plugins = ['a', 'b']")
    assert looked(watch, clock)
    assert not looked(watch, clock)
    path.write_text("plugins = ['a', 'b', 'c']")
    assert looked(watch, clock)
    assert not looked(watch, clock)


def test_a_change_between_loading_and_watching_is_told(path: Path, clock: Clock) -> None:
    """What counts is the version that was read, not the one that was there when watching began."""
    origin = load_settings(path, environ={}).origin
    path.write_text("plugins = ['a', 'b']")
    assert Watch(origin, clock).changed()


def test_it_looks_at_most_every_half_second(path: Path, clock: Clock) -> None:
    """Between two looks nothing is told, and next_check tells when the next look is."""
    watch = watching(path, clock)
    assert watch.next_check <= clock()
    watch.changed()
    assert watch.next_check == clock() + 0.5
    path.write_text("plugins = ['a', 'b']")
    clock.now += 0.4
    assert not watch.changed()
    clock.now += 0.2
    assert watch.changed()


def test_a_file_of_the_same_size_that_was_renamed_is_told(path: Path, clock: Clock) -> None:
    """Same size and even the same time, but another file."""
    watch = watching(path, clock)
    before = path.stat()
    replaced(path, "plugins = ['b']")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looked(watch, clock)


def test_links_that_are_switched_are_told(tmp_path: Path, clock: Clock) -> None:
    """As Kubernetes changes a ConfigMap: the file is a link through a link to a directory."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "redis-middleware.toml").write_text("plugins = ['a']")
    (tmp_path / "data").symlink_to("one")
    path = tmp_path / "redis-middleware.toml"
    path.symlink_to("data/redis-middleware.toml")
    watch = watching(path, clock)
    (tmp_path / "data.new").symlink_to("two")
    os.replace(tmp_path / "data.new", tmp_path / "data")
    assert looked(watch, clock)
    assert not looked(watch, clock)


def test_a_file_that_goes_away_and_comes_back(path: Path, clock: Clock) -> None:
    """Nothing changes while it is away, whatever comes back is a change."""
    watch = watching(path, clock)
    path.unlink()
    assert not looked(watch, clock)
    assert not looked(watch, clock)
    path.write_text("plugins = ['b', 'c']")
    assert looked(watch, clock)
    assert not looked(watch, clock)


def test_a_file_that_is_away_is_told_once(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning when it goes, with what holds meanwhile, and a line when it is back."""
    caplog.set_level(logging.INFO, "redis_middleware")
    watch = watching(path, clock)
    for _ in range(2):
        path.unlink()
        for _ in range(3):
            looked(watch, clock)
        path.write_text("plugins = ['a']")
        looked(watch, clock)
        looked(watch, clock)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            f"the settings file {path} cannot be read (No such file or directory): the settings "
            "in force stay until it is back",
        ),
        ("INFO", f"the settings file {path} is back"),
    ] * 2


def test_a_file_that_is_moved_away_and_back_is_the_same(path: Path, clock: Clock) -> None:
    """The very same file has not changed."""
    watch = watching(path, clock)
    away = path.with_suffix(".away")
    path.rename(away)
    assert not looked(watch, clock)
    away.rename(path)
    assert not looked(watch, clock)


def test_a_pyproject_is_watched_too(tmp_path: Path, clock: Clock) -> None:
    """Any change of the file is told; whether the settings differ is told by comparing them."""
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.redis-middleware]\nplugins = ['a']")
    before = load_settings(environ={}, directory=tmp_path)
    watch = Watch(before.origin, clock)
    path.write_text("[tool.redis-middleware]\nplugins = ['a']\n[tool.other]")
    assert looked(watch, clock)
    assert load_settings(environ={}, directory=tmp_path) == before


def test_settings_without_a_file_never_change(clock: Clock) -> None:
    """A mapping, or no settings at all: there is no next look."""
    for origin in (Origin(), load_settings({"plugins": []}, environ={}).origin):
        watch = Watch(origin, clock)
        assert watch.next_check == float("inf")
        assert not looked(watch, clock)
