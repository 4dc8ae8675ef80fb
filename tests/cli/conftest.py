"""The command line, run in this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.discovery.conftest import install
from typer.testing import CliRunner

from redis_middleware.cli.application import app

__all__ = ["install"]

Run = Callable[..., "Outcome"]


class Outcome:
    """What a run of the command line came to.

    Attributes:
        code: the exit code.
        output: what it printed, standard error included.
    """

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    def line(self, start: str) -> str:
        """The only line that begins so, whatever is before it on the margin."""
        (line,) = [each.strip() for each in self.output.splitlines() if _starts(each, start)]
        return line


def _starts(line: str, start: str) -> bool:
    return line.strip().startswith(start)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in a directory of its own, in an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("REDIS_MIDDLEWARE") and name != "REDIS_MIDDLEWARE_SERVER":
            monkeypatch.delenv(name)


@pytest.fixture
def run() -> Run:
    """Return a function that runs the command line with some arguments in this process."""

    def run_here(*arguments: str | Path) -> Outcome:
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.output)

    return run_here


@pytest.fixture
def run_process() -> Run:
    """Return a function that runs it as users do, in a process of its own."""

    def run_there(*arguments: str | Path) -> Outcome:
        finished = subprocess.run(
            [sys.executable, "-m", "redis_middleware", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return Outcome(finished.returncode, finished.stdout)

    return run_there
