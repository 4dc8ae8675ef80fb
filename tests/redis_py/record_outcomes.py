"""A pytest plugin, ``-p record_outcomes``: writes the outcome of each test to a file.

The file outlives a run that was killed: the next one with the same file goes on after the test
that was running then.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

UNFINISHED = "unfinished"
"""The outcome of a test that was running when its run was killed."""

_KIND = "redis_py_exception"


@dataclass(frozen=True)
class Outcome:
    """How a test ended.

    Attributes:
        test: its id.
        outcome: ``passed``, ``skipped``, ``xfailed``, ``xpassed``, or for each phase that failed
            (``setup``, ``call``, ``teardown``) its name and the type of the exception.
        detail: the reports of failures, and the reasons of skips.
    """

    test: str
    outcome: str
    detail: str = ""


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """The outcome of each test in a file; none where there is no file yet."""
    if not path.exists():
        return {}
    written = [Outcome(**json.loads(line)) for line in path.read_text().splitlines()]
    return {outcome.test: outcome for outcome in written}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    parser.addoption("--outcomes", type=Path, required=True, help="the file of outcomes")
    parser.addoption("--only-tests", type=Path, help="run only the tests that this file lists")


def pytest_configure(config: pytest.Config) -> None:
    """Start recording."""
    config.pluginmanager.register(_Recorder(config.getoption("outcomes")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has an outcome already, and what is not listed."""
    known = read_outcomes(config.getoption("outcomes"))
    only = config.getoption("only_tests")
    listed = None if only is None else set(only.read_text().splitlines())
    items[:] = [
        item
        for item in items
        if item.nodeid not in known and (listed is None or item.nodeid in listed)
    ]


class _Recorder:
    """Writes a line when a test starts, and one when it has ended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._phases: list[str] = []
        self._details: list[str] = []

    def _write(self, outcome: Outcome) -> None:
        self._file.write(json.dumps(asdict(outcome)) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that cannot be imported as if it were a test."""
        if report.failed:
            self._write(Outcome(report.nodeid, "not collected", str(report.longrepr)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Record that a test is running."""
        self._phases.clear()
        self._details.clear()
        self._write(Outcome(nodeid, UNFINISHED))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the type of the exception with the report of a phase."""
        report = yield
        if call.excinfo is not None:
            setattr(report, _KIND, call.excinfo.type.__name__)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase ended."""
        if report.failed:
            self._phases.append(f"{report.when}: {getattr(report, _KIND, 'no exception')}")
            self._details.append(report.longreprtext)
        elif report.skipped:
            self._phases.append("xfailed" if hasattr(report, "wasxfail") else "skipped")
            self._details.append(str(report.longrepr))
        elif report.when == "call":
            self._phases.append("xpassed" if hasattr(report, "wasxfail") else "passed")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record how a test ended."""
        ended = [phase for phase in self._phases if phase != "passed"] or ["passed"]
        self._write(Outcome(nodeid, ", ".join(ended), "\n\n".join(self._details)))
