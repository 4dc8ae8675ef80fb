"""A pytest plugin, ``-p record_outcomes``: writes each test's outcome to a file, a line of JSON each.

The file outlives a run that was killed: the next one with the same file goes on after the test
that was running then.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

UNFINISHED = "unfinished"
"""The outcome of a test that was running when its run was killed."""


def read_outcomes(path: Path) -> dict[str, dict[str, Any]]:
    """The last record of each test; none where there is no file yet."""
    outcomes = {}
    if path.exists():
        for line in path.read_text().splitlines():
            record = json.loads(line)
            outcomes[record["test"]] = record
    return outcomes


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
    """Writes a line when a test starts, and its outcome when it has ended.

    The outcome is that of all its phases: ``passed``, ``skipped``, ``xfailed``, ``xpassed``, or
    for each phase that failed its name and the type of the exception.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._parts: list[str] = []
        self._details: list[str] = []

    def _write(self, test: str, outcome: str, detail: str = "") -> None:
        record = {"test": test, "outcome": outcome, "detail": detail}
        self._file.write(json.dumps(record) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that cannot be imported as if it were a test."""
        if report.failed:
            self._write(report.nodeid, "not collected", str(report.longrepr))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Record that a test is running."""
        self._parts.clear()
        self._details.clear()
        self._write(nodeid, UNFINISHED)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of a phase."""
        report = yield
        is_call = report.when == "call"
        if report.failed:
            kind = call.excinfo.type.__name__ if call.excinfo is not None else "xpassed strictly"
            self._parts.append(f"{'failed' if is_call else report.when}: {kind}")
            self._details.append(report.longreprtext)
        elif report.skipped:
            self._parts.append("xfailed" if hasattr(report, "wasxfail") else "skipped")
            self._details.append(str(report.longrepr))
        elif is_call:
            self._parts.append("xpassed" if hasattr(report, "wasxfail") else "passed")
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record the outcome of a test."""
        parts = self._parts if len(self._parts) == 1 else [x for x in self._parts if x != "passed"]
        self._write(nodeid, ", ".join(parts), "\n\n".join(self._details))
