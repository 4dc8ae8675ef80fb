"""redis-py's own tests, out of the source distribution of the version that is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import redis

__all__ = ["PARTS", "Part", "Suite", "SuiteError", "fetch"]

# Each needs something that no package from PyPI brings, or is about something that is no client.
_LEFT_OUT = (
    "*/test_scenario/*",  # a fault injector
    "*/maint_notifications/*",  # a proxy that imitates a managed service
    "*/test_multidb/*",  # a client of several databases, which makes its clients itself
    "*/test_auth/*",
    "*/test_http/*",
    "*/test_background.py",
    "*/test_ssl.py",  # certificates of redis-py's own
    "*/test_*search*.py",  # from here on: modules that the server does not have
    "*/test_bloom.py",
    "*/test_json.py",
    "*/test_timeseries.py",
    "*/test_vsets.py",
)


class SuiteError(Exception):
    """redis-py's tests could not be had."""


@dataclass(frozen=True)
class Part:
    """The tests of one colour against one kind of server.

    Attributes:
        name: what it is called on the command line.
        is_async: whether it is the tests of redis.asyncio.
        is_cluster: whether they run against a cluster.
    """

    name: str
    is_async: bool
    is_cluster: bool

    @property
    def markers(self) -> str:
        """The expression that leaves out tests for the other kind of server."""
        other = "onlynoncluster" if self.is_cluster else "onlycluster"
        return f"not {other} and not redismod"


PARTS = tuple(
    Part(f"{colour}-{kind}", colour == "async", kind == "cluster")
    for kind in ("standalone", "cluster")
    for colour in ("sync", "async")
)


@dataclass(frozen=True)
class Suite:
    """The unpacked tests.

    Attributes:
        version: the version of redis-py that is installed and that they are of.
        directory: where they are, with pytest's configuration for them beside.
    """

    version: str
    directory: Path

    def files(self, part: Part) -> list[str]:
        """The test files of a part, relative to the directory."""
        tests = self.directory / "tests"
        found = (path.relative_to(self.directory).as_posix() for path in tests.rglob("test_*.py"))
        return sorted(
            name
            for name in found
            if name.startswith("tests/test_asyncio/") == part.is_async
            and not any(fnmatch(name, pattern) for pattern in _LEFT_OUT)
        )


def fetch(cache: Path) -> Suite:
    """Take the tests from the cache, or download and unpack them.

    Raises:
        SuiteError: the source distribution cannot be downloaded, or there are no tests in it.
    """
    version = redis.__version__
    directory = cache / f"redis-{version}"
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            unpacked = Path(temporary) / "unpacked"
            _unpack(_download(version, Path(temporary)), unpacked)
            unpacked.rename(directory)
    return Suite(version, directory)


def _download(version: str, to: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary", "redis", "--dest", str(to), f"redis=={version}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(
            f"the source distribution of redis {version} cannot be downloaded:\n{done.stderr}"
        )
    return next(to.glob("redis-*.tar.gz"))


def _unpack(archive: Path, to: Path) -> None:
    """Unpack the tests and their configuration: redis-py itself is the one that is installed."""
    with tarfile.open(archive) as members:
        for member, name in _wanted(members):
            content = members.extractfile(member)
            assert content is not None
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes(content.read())
    if not (to / "tests" / "conftest.py").exists():
        raise SuiteError(f"there are no tests in {archive.name}")


def _wanted(members: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    for member in members:
        name = member.name.partition("/")[2]
        is_inside = ".." not in Path(name).parts
        if member.isfile() and is_inside and (name == "pyproject.toml" or name[:6] == "tests/"):
            yield member, name
