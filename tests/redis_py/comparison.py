"""Compares the outcomes of redis-py's tests, bare and wrapped."""

from __future__ import annotations

import re
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.redis_py.pytest_runs import MODES, Runs
from tests.redis_py.record_outcomes import Outcome

__all__ = ["Comparison", "Difference", "Explained", "compare", "read_explained"]

_ATTEMPTS = 3
_NOT_RUN = Outcome("", "not run")


@dataclass(frozen=True)
class Explained:
    """A difference that is known, and due to a fact outside of the middleware's reach.

    Attributes:
        test: the id of the test; ``*`` stands for anything.
        reason: the fact.
        plugin: the plugin without which it ends as ever; empty where it is any wrapping.
    """

    test: str
    reason: str
    plugin: str = ""

    def covers(self, test: str) -> bool:
        """Whether it is about this test."""
        return re.fullmatch(re.escape(self.test).replace(r"\*", ".*"), test) is not None


@dataclass(frozen=True)
class Difference:
    """A test that ends otherwise where clients are wrapped.

    Attributes:
        test: its id.
        bare: how it ends with clients as they are.
        wrapped: how it ends with wrapped ones.
        detail: what pytest says of the wrapped one.
        reason: why it is not the middleware's fault; empty where it is.
    """

    test: str
    bare: str
    wrapped: str
    detail: str
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """The outcomes of one part's tests compared.

    Attributes:
        part: the part's name.
        counts: for each mode how many tests ended how, without the types of exceptions.
        seen: how many commands, batches, connections and messages the plugins passed on.
        differences: the tests whose outcomes differ each time.
        flaky: the ids of tests whose outcomes differed, and did not when run again.
        seconds: how long it took.
    """

    part: str
    counts: dict[str, dict[str, int]]
    seen: dict[str, int]
    differences: list[Difference] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    seconds: float = 0.0


def read_explained(path: Path, plugins: Collection[str]) -> list[Explained]:
    """The differences that a TOML file explains, in tables ``[[difference]]``.

    Args:
        path: the file.
        plugins: the built-in plugins that run.
    """
    tables = tomllib.loads(path.read_text()).get("difference", [])
    known = [Explained(**table) for table in tables]
    return [each for each in known if not each.plugin or each.plugin in plugins]


def compare(runs: Runs, explained: Iterable[Explained]) -> Comparison:
    """Run a part's tests bare and wrapped; run those again whose outcomes differ."""
    start = time.monotonic()
    outcomes = {mode: runs.run(mode) for mode in MODES}
    counts = {mode: _counts(outcomes[mode].values()) for mode in MODES}
    seen = runs.seen()
    first = differing = _differing(outcomes)
    for attempt in range(_ATTEMPTS):
        if differing:
            names = f"again-{attempt + 1}"
            print(f"{runs.part.name}: {len(differing)} differ, run {names}", flush=True)
            outcomes = {mode: runs.run(mode, names, differing) for mode in MODES}
            differing = [test for test in differing if test in _differing(outcomes)]
    differences = []
    for test in differing:
        bare, wrapped = (outcomes[mode].get(test, _NOT_RUN) for mode in MODES)
        reason = next((known.reason for known in explained if known.covers(test)), "")
        differences.append(Difference(test, bare.outcome, wrapped.outcome, wrapped.detail, reason))
    flaky = sorted(set(first) - set(differing))
    seconds = time.monotonic() - start
    return Comparison(runs.part.name, counts, seen, differences, flaky, seconds)


def _differing(outcomes: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    bare, wrapped = (outcomes[mode] for mode in MODES)
    return sorted(
        test
        for test in {*bare, *wrapped}
        if bare.get(test, _NOT_RUN).outcome != wrapped.get(test, _NOT_RUN).outcome
    )


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    # "call: ValueError" is a failure of the test, in "setup" or "teardown" it is an error.
    kinds = {"call": "failed", "setup": "error", "teardown": "error"}
    names = (outcome.outcome.partition(":")[0] for outcome in outcomes)
    return dict(Counter(kinds.get(name, name) for name in names))
