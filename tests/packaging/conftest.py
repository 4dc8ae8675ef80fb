"""The distributions, built as for a release, and an environment to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a program and return its output; the test fails with all of it if the program does."""
    finished = subprocess.run(
        [str(each) for each in arguments],
        cwd=cwd,
        # What the test run imports must not stand in for what was installed.
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, f"{arguments} ended with:\n{finished.stdout}"
    return finished.stdout


def build(project: Path, target: str, directory: Path) -> Path:
    """Build a project's ``"wheel"`` or ``"sdist"`` and return the file."""
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", directory, cwd=project)
    (file,) = directory.iterdir()
    return file


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source distribution."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the source distribution, as installers would."""
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (project,) = directory.iterdir()
    return build(project, "wheel", tmp_path_factory.mktemp("wheel"))


class Environment:
    """A virtual environment in which our distribution comes from the wheel.

    What it depends on comes from the environment that runs the tests.

    Args:
        directory: where to make it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        run(sys.executable, "-m", "venv", "--without-pip", directory, cwd=directory.parent)
        self.python = directory / "bin" / "python"
        program = "import sysconfig; print(sysconfig.get_path('purelib'))"
        self.site = Path(run(self.python, "-c", program, cwd=directory).strip())
        # Paths that a .pth file names are after the environment's own, and .pth files in them,
        # such as the one of an editable installation, are not read.
        others = [
            path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")
        ]
        (self.site / "of_the_tests.pth").write_text("\n".join(others))

    def install(self, *wheels: Path) -> None:
        """Install wheels, and nothing from an index."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-index", "--ignore-installed"]
        run(*pip, "--python", self.python, "install", *options, *wheels, cwd=self.directory)

    def run(self, *arguments: str | Path, **environ: str) -> str:
        """Run Python in it."""
        return run(self.python, *arguments, cwd=self.directory, environ=environ)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel installed."""
    environment = Environment(tmp_path_factory.mktemp("environment") / "venv")
    environment.install(wheel)
    return environment
