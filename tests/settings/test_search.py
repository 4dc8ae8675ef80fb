"""Which settings are found, and what is said when they cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from redis_middleware.errors import SettingsError
from redis_middleware.settings import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return an empty directory two levels below another one."""
    directory = tmp_path / "project" / "package"
    directory.mkdir(parents=True)
    return directory


def written(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mapping_is_used_as_it_is(project: Path) -> None:
    """A mapping given in code wins over every file, and is not changed by overrides."""
    written(project / "redis-middleware.toml", 'plugins = ["from_file"]')
    given = {"plugins": ("from_code",), "slow_log": {"keep": 1}}
    settings = load_settings(
        given, environ={"REDIS_MIDDLEWARE__SLOW_LOG__KEEP": "2"}, directory=project
    )
    assert settings.plugins == ("from_code",)
    assert settings.tables == {"slow_log": {"keep": 2}}
    assert given["slow_log"] == {"keep": 1}
    assert str(settings.origin) == "the settings mapping given in code"


@pytest.mark.parametrize("kind", [str, Path])
def test_the_argument_wins_over_the_environment_and_the_search(
    project: Path, kind: type[str] | type[Path]
) -> None:
    """A path given in code is read though the environment and the directory name others."""
    named = written(project / "named.toml", 'plugins = ["named"]')
    other = written(project / "other.toml", 'plugins = ["other"]')
    written(project / "redis-middleware.toml", 'plugins = ["searched"]')
    settings = load_settings(
        kind(named), environ={"REDIS_MIDDLEWARE_SETTINGS": str(other)}, directory=project
    )
    assert settings.plugins == ("named",)
    assert settings.origin.path == named


def test_the_environment_wins_over_the_search(project: Path) -> None:
    """The file that REDIS_MIDDLEWARE_SETTINGS names is read; an empty variable counts as unset."""
    other = written(project / "other.toml", 'plugins = ["other"]')
    written(project / "redis-middleware.toml", 'plugins = ["searched"]')
    by_variable = {"REDIS_MIDDLEWARE_SETTINGS": str(other)}
    assert load_settings(environ=by_variable, directory=project).plugins == ("other",)
    empty = {"REDIS_MIDDLEWARE_SETTINGS": ""}
    assert load_settings(environ=empty, directory=project).plugins == ("searched",)


def test_the_nearest_settings_file_upwards_is_found(project: Path) -> None:
    """A file in a parent is found, one in the directory itself comes first."""
    written(project.parent / "redis-middleware.toml", 'plugins = ["parent"]')
    assert load_settings(environ={}, directory=project).plugins == ("parent",)
    written(project / "redis-middleware.toml", 'plugins = ["here"]')
    assert load_settings(environ={}, directory=project).plugins == ("here",)


def test_a_settings_file_above_wins_over_a_pyproject_here(project: Path) -> None:
    """pyproject.toml is looked at only where no redis-middleware.toml is found at all."""
    written(project / "pyproject.toml", '[tool.redis-middleware]\nplugins = ["pyproject"]')
    assert load_settings(environ={}, directory=project).plugins == ("pyproject",)
    written(project.parent / "redis-middleware.toml", 'plugins = ["file"]')
    assert load_settings(environ={}, directory=project).plugins == ("file",)


def test_a_pyproject_without_the_table_is_passed_over(project: Path) -> None:
    """The nearest pyproject.toml that has the table counts; others need not even be TOML."""
    written(project / "pyproject.toml", "this is [not TOML")
    table = (
        '[tool.redis-middleware]\nplugins = ["parent"]\n[tool.redis-middleware.slow_log]\nkeep=1'
    )
    pyproject = written(project.parent / "pyproject.toml", table)
    settings = load_settings(environ={}, directory=project)
    assert settings.plugins == ("parent",)
    assert settings.tables == {"slow_log": {"keep": 1}}
    assert (settings.origin.path, settings.origin.prefix) == (
        pyproject,
        ("tool", "redis-middleware"),
    )


def test_without_any_settings_they_are_empty(project: Path) -> None:
    """Where nothing is found there are no plugins, and that is no error."""
    settings = load_settings(environ={}, directory=project)
    assert (settings.plugins, settings.blocked, dict(settings.tables)) == ((), (), {})
    assert settings.origin.path is None


def test_the_search_begins_in_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a directory the working directory is used, and a relative path is relative to it."""
    written(project / "redis-middleware.toml", 'plugins = ["here"]')
    monkeypatch.chdir(project)
    assert load_settings(environ={}).plugins == ("here",)
    assert load_settings("redis-middleware.toml", environ={}).plugins == ("here",)


def test_a_pyproject_can_be_named(project: Path) -> None:
    """A pyproject.toml given by path is read at its table, and must have it."""
    pyproject = written(project / "pyproject.toml", "[tool.redis-middleware]\nplugins = ['a']")
    assert load_settings(pyproject, environ={}).plugins == ("a",)
    written(pyproject, "[project]\nname = 'x'")
    with pytest.raises(SettingsError, match=r"has no table \[tool\.redis-middleware\]: add it"):
        load_settings(pyproject, environ={})


def test_a_byte_order_mark_is_taken(project: Path) -> None:
    """A file saved by an editor that writes a byte order mark is read."""
    path = project / "settings.toml"
    path.write_bytes(b"\xef\xbb\xbfplugins = ['a']")
    assert load_settings(path, environ={}).plugins == ("a",)


def test_a_missing_file_is_named_with_who_asked_for_it(project: Path) -> None:
    """The message has the path, whether argument or variable named it, and the working directory
    where the path is relative.
    """
    path = project / "nowhere.toml"
    with pytest.raises(SettingsError, match=r"settings argument: the file .*nowhere.toml does not"):
        load_settings(path, environ={})
    with pytest.raises(SettingsError, match=r"variable REDIS_MIDDLEWARE_SETTINGS: the file .*nowh"):
        load_settings(environ={"REDIS_MIDDLEWARE_SETTINGS": str(path)})
    with pytest.raises(SettingsError, match="relative to /"):
        load_settings("nowhere-at-all.toml", environ={})


def test_a_directory_is_no_settings_file(project: Path) -> None:
    """The message says that it is a directory and what a file in it would be called."""
    with pytest.raises(SettingsError, match=r"is a directory: name a file, such as .*redis-middle"):
        load_settings(project, environ={})


@pytest.mark.parametrize("above", [False, True])
def test_a_directory_in_place_of_the_file_is_no_missing_file(project: Path, above: bool) -> None:
    """A container runtime makes it where the file to mount was missing: no silent start without."""
    directory = (project.parent if above else project) / "redis-middleware.toml"
    directory.mkdir()
    message = rf"the search for settings: {directory} is a directory: put a file in its place"
    with pytest.raises(SettingsError, match=message):
        load_settings(environ={}, directory=project)


def test_a_dangling_link_that_the_search_meets_is_told(project: Path) -> None:
    """The file was meant to be there: starting without any plugin would hide that it is not."""
    (project / "redis-middleware.toml").symlink_to(project / "gone.toml")
    with pytest.raises(SettingsError, match=r"redis-middleware.toml does not exist"):
        load_settings(environ={}, directory=project)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_says_so(project: Path) -> None:
    """The message has the system's reason."""
    path = written(project / "secret.toml", "plugins = []")
    path.chmod(0)
    with pytest.raises(SettingsError, match=r"secret.toml cannot be read \(Permission denied\)"):
        load_settings(path, environ={})


def test_a_path_through_a_file_says_so(project: Path) -> None:
    """Whatever else the system answers is in the message too."""
    path = written(project / "file", "")
    with pytest.raises(SettingsError, match=r"cannot be read \(Not a directory\): let this proc"):
        load_settings(path / "settings.toml", environ={})


def test_a_link_that_leads_nowhere_is_a_missing_file(project: Path) -> None:
    """A dangling link is told as a file that does not exist."""
    link = project / "link.toml"
    link.symlink_to(project / "gone.toml")
    with pytest.raises(SettingsError, match=r"link.toml does not exist"):
        load_settings(link, environ={})


def test_what_is_not_toml_is_told_with_line_and_column(project: Path) -> None:
    """The message has the file and tomllib's reason and position."""
    path = written(project / "settings.toml", 'plugins = ["a"]\nslow_log = yes\n')
    with pytest.raises(SettingsError, match=r"settings.toml is not valid TOML: .*line 2, column"):
        load_settings(path, environ={})


def test_what_is_not_utf_8_is_told_with_the_byte(project: Path) -> None:
    """The message has the byte and what to do."""
    path = project / "settings.toml"
    path.write_bytes(b'# caf\xe9\nplugins = ["a"]\n')
    with pytest.raises(SettingsError, match=r"not UTF-8.*byte 5 is 0xe9; save the file as UTF-8"):
        load_settings(path, environ={})


def test_a_table_that_is_no_table_in_pyproject_is_refused(project: Path) -> None:
    """``tool.redis-middleware = 1`` is an error of its own, not empty settings."""
    written(project / "pyproject.toml", "[tool]\nredis-middleware = 1")
    with pytest.raises(SettingsError, match=r"\[tool.redis-middleware\] is not a table"):
        load_settings(environ={}, directory=project)


def test_a_source_of_another_type_is_a_type_error() -> None:
    """The message says what settings can be."""
    with pytest.raises(TypeError, match=r"a path, a mapping or None .* not int"):
        load_settings(5, environ={})  # type: ignore[arg-type]
