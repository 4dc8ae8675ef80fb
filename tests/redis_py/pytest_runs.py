"""Runs of pytest over redis-py's tests, bare or wrapped, that survive tests which hang or crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.redis_py.record_outcomes import Outcome, read_outcomes
from tests.redis_py.servers import servers_of
from tests.redis_py.suite import Part, Suite

__all__ = ["MODES", "RunError", "Runs"]

MODES = ("bare", "wrapped")

_PLUGINS = Path(__file__).parent
_TEST_TIMEOUT = 30
_SILENT_FOR = 90.0
_POLL_EVERY = 0.2
_PROGRESS_EVERY = 30.0
_ENDED_BY_ITSELF = (0, 1, 5)
_INTERRUPTED = 2
_LOG_LINES = 30


class RunError(Exception):
    """pytest could not run at all."""


@dataclass(frozen=True)
class Runs:
    """Runs of one part's tests, each with new servers.

    Attributes:
        suite: the tests.
        part: which of them.
        directory: where logs and outcomes go.
        arguments: further arguments of pytest's.
        copies: whether a plugin of wrapped clients passes copies on.
        settings: the settings file of wrapped clients; without it their plugins pass all on.
    """

    suite: Suite
    part: Part
    directory: Path
    arguments: Sequence[str] = ()
    copies: bool = False
    settings: Path | None = None

    def run(
        self, mode: str, name: str = "all", only: Collection[str] | None = None
    ) -> dict[str, Outcome]:
        """Run the part's tests in one of the ``MODES``, or only those given; their outcomes.

        Args:
            mode: with clients as they are, or wrapped.
            name: what log and outcomes are called.
            only: the ids of the tests to run.

        Raises:
            RunError: pytest does not start, or makes no progress.
        """
        stem = self._stem(mode, name)
        records, log = stem.with_suffix(".jsonl"), stem.with_suffix(".log")
        for left in (records, stem.with_suffix(".seen")):
            left.unlink(missing_ok=True)
        with servers_of(self.part) as options, log.open("wb") as output:
            command = [*self._command(mode, records, only), *options]
            known = -1
            # A test that hung or crashed has an outcome: the next process goes on after it.
            while not self._ends(command, mode, records, output):
                before, known = known, len(read_outcomes(records))
                if known == before:
                    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
                    raise RunError("\n".join([f"{self.part.name}, {mode}, does not run:", *lines]))
        return read_outcomes(records)

    def seen(self, name: str = "all") -> dict[str, int]:
        """How much the plugins of a wrapped run passed on, by what it was."""
        path = self._stem("wrapped", name).with_suffix(".seen")
        total: Counter[str] = Counter()
        for line in path.read_text().splitlines() if path.exists() else ():
            total.update(json.loads(line))
        return dict(total)

    def _stem(self, mode: str, name: str) -> Path:
        return self.directory / f"{self.part.name}-{mode}-{name}"

    def _command(self, mode: str, records: Path, only: Collection[str] | None) -> list[str]:
        command = [sys.executable, "-m", "pytest", "--quiet", "--continue-on-collection-errors"]
        command += ["-c", "pyproject.toml", "-o", "addopts=", "-p", "no:cacheprovider"]
        for plugin in ("pytest_asyncio.plugin", "pytest_timeout", "record_outcomes"):
            command += ["-p", plugin]
        if mode == "wrapped":
            command += ["-p", "wrap_clients", *(["--copies"] if self.copies else [])]
            if self.settings is not None:
                command.append(f"--settings={self.settings.absolute()}")
        command += [f"--timeout={_TEST_TIMEOUT}", "--timeout-method=signal"]
        command += ["-W", "ignore", "-m", self.part.markers, f"--outcomes={records}"]
        command += self.arguments
        if only is None:
            return [*command, *self.suite.files(self.part)]
        listed = records.with_suffix(".txt")
        listed.write_text("\n".join(only))
        files = {test.partition("::")[0] for test in only}
        return [*command, f"--only-tests={listed}", *sorted(files)]

    def _ends(self, command: list[str], mode: str, records: Path, output: IO[bytes]) -> bool:
        """Run pytest; false if it crashed, or was killed because a test hung."""
        process = subprocess.Popen(
            command,
            cwd=self.suite.directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        written, changed, told = 0, time.monotonic(), time.monotonic()
        try:
            while process.poll() is None:
                time.sleep(_POLL_EVERY)
                now = time.monotonic()
                size = records.stat().st_size if records.exists() else 0
                if size != written:
                    written, changed = size, now
                elif now - changed > _SILENT_FOR:
                    return False
                if now - told > _PROGRESS_EVERY:
                    told = now
                    done = len(read_outcomes(records))
                    print(f"{self.part.name}, {mode}: {done} tests", flush=True)
        finally:
            process.kill()
            process.wait()
        if process.returncode == _INTERRUPTED:
            raise RunError("interrupted")
        return process.returncode in _ENDED_BY_ITSELF


def _environment() -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REDIS_MIDDLEWARE", "PYTEST_"))
    }
    inherited = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    paths = [str(_PLUGINS), *map(os.path.abspath, inherited)]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return environment
