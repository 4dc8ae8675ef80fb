"""What is logged where no settings are found, or they say nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from redis_middleware.errors import SettingsError
from redis_middleware.settings import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty directory two levels below another one."""
    directory = tmp_path / "project" / "package"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "redis_middleware")


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """The messages of a level."""
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_that_no_settings_were_found_is_told(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says where the search began, and what comes of it."""
    load_settings(environ={}, directory=project)
    assert logged(caplog, logging.INFO) == [
        f"no settings found from {project} upwards: no plugin runs, but for those given in code"
    ]
    assert not logged(caplog, logging.WARNING)


@pytest.mark.parametrize(
    ("source", "environ"),
    [
        ({}, {}),
        (None, {"REDIS_MIDDLEWARE__PLUGINS": "slow_log"}),
    ],
)
def test_settings_from_elsewhere_need_no_file(
    project: Path,
    caplog: pytest.LogCaptureFixture,
    source: dict[str, object] | None,
    environ: dict[str, str],
) -> None:
    """A mapping given in code, empty or not, and plugins listed by the environment."""
    load_settings(source, environ=environ, directory=project)
    assert not caplog.records


@pytest.mark.parametrize(
    "name",
    [
        "redis_middleware.toml",
        "redismiddleware.toml",
        "Redis_Middleware.toml",
        ".redis-middleware.toml",
        "redis-midleware.toml",
        "redis_middleware.TOML",
    ],
)
@pytest.mark.parametrize("above", [False, True])
def test_a_file_that_is_nearly_the_settings_file_is_told(
    project: Path, caplog: pytest.LogCaptureFixture, name: str, above: bool
) -> None:
    """Beside the directory's and its parents' other files, which are not spoken of."""
    path = (project.parent if above else project) / name
    for other in (path, project / "redis.toml", project / "redis-middleware.schema.json"):
        other.write_text("plugins = ['slow_log']")
    assert load_settings(environ={}, directory=project).plugins == ()
    assert logged(caplog, logging.WARNING) == [
        f"{path} is not read; did you mean {path.parent / 'redis-middleware.toml'}?"
    ]


@pytest.mark.parametrize(
    "header",
    [
        "[tool.redis_middleware]",
        "[ tool . redismiddleware ]",
        "[tool.'redis-midleware'.slow_log]",
        "[redis-middleware]",
        "[[tool.redis_middleware]]",
    ],
)
def test_a_table_that_is_nearly_the_settings_table_is_told(
    project: Path, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    """Of whichever pyproject.toml the search meets; other tools' tables are not spoken of."""
    path = project.parent / "pyproject.toml"
    path.write_text(f"[project]\nname = 'redis-middleware'\n[tool.redis]\nx = 1\n{header}\ny = 1\n")
    assert load_settings(environ={}, directory=project).plugins == ()
    (message,) = logged(caplog, logging.WARNING)
    assert message.startswith(f"{path}, line 5: table [")
    assert message.endswith("is not read; did you mean [tool.redis-middleware]?")


def test_a_table_that_is_nearly_right_in_a_file_that_was_named(project: Path) -> None:
    """The error for the missing table has the name that was meant."""
    path = project / "pyproject.toml"
    path.write_text("[tool.redis_middleware]\nplugins = []\n")
    with pytest.raises(SettingsError, match=r"has no table \[tool\.redis-middleware\]; line 1 has"):
        load_settings(path, environ={})


def test_nothing_is_said_of_other_names_where_settings_are_found(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was named or found is the one; others may lie about."""
    (project / "redis_middleware.toml").write_text("")
    (project / "redis-middleware.toml").write_text("plugins = ['slow_log']")
    load_settings(environ={}, directory=project)
    assert not caplog.records


@pytest.mark.parametrize("text", ["", "# plugins = ['slow_log']\n", "\n\n"])
def test_a_settings_file_that_says_nothing_is_told(
    project: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """It may have been emptied by accident, or be about to be written."""
    path = project / "redis-middleware.toml"
    path.write_text(text)
    load_settings(environ={}, directory=project)
    (message,) = logged(caplog, logging.WARNING)
    assert message == (
        f"{path} is empty, so no plugin runs, but for those given in code: "
        "write plugins = [] if that is meant"
    )


def test_a_table_of_a_pyproject_that_says_nothing_is_told(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a file of its own is."""
    path = project / "pyproject.toml"
    path.write_text("[tool.redis-middleware]\n")
    load_settings(environ={}, directory=project)
    (message,) = logged(caplog, logging.WARNING)
    assert message.startswith(f"[tool.redis-middleware] of {path} is empty, so no plugin runs")


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("plugins = []", {}),
        ("[slow_log]\nkeep = 1", {}),
        ("", {"REDIS_MIDDLEWARE__PLUGINS": "slow_log"}),
    ],
)
def test_a_file_without_plugins_is_taken_at_its_word(
    project: Path, caplog: pytest.LogCaptureFixture, text: str, environ: dict[str, str]
) -> None:
    """Whoever writes that no plugin runs, or lists them in the environment, means it."""
    (project / "redis-middleware.toml").write_text(text)
    load_settings(environ=environ, directory=project)
    assert not caplog.records
