"""``python -m tests.redis_py``: run redis-py's own tests, bare and wrapped, and compare.

Every test of redis-py's must end the same whether the clients in it are as redis-py makes them or
run plugins: such as pass everything on, or with ``--settings`` those of a settings file. The tests
are those of the installed version, taken from its source distribution. What differs is run again up
to three times before it counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.redis_py.comparison import Comparison, Explained, compare, read_explained
from tests.redis_py.pytest_runs import RunError, Runs
from tests.redis_py.servers import well_known_server
from tests.redis_py.suite import PARTS, Suite, SuiteError, fetch

_CACHE = Path(__file__).parents[2] / ".cache" / "redis-py"
_EXPLAINED = Path(__file__).with_name("differences.toml")


def main() -> int:
    """Run what the command line asks for.

    Returns:
        0 where nothing differs that is not explained, 1 where something does, 2 where the tests
        cannot be run.
    """
    options = _options()
    parts = [part for part in PARTS if part.name in (options.only or [part.name])]
    arguments = [*(["-k", options.expression] if options.expression else []), *options.pytest]
    start = time.monotonic()
    try:
        suite = fetch(_CACHE)
        directory = _CACHE / "runs"
        directory.mkdir(exist_ok=True)
        explained = read_explained(_EXPLAINED, _plugins_of(options.settings))
        with well_known_server():
            comparisons = _compare(
                [
                    Runs(suite, part, directory, arguments, options.copies, options.settings)
                    for part in parts
                ],
                explained,
            )
    except (SuiteError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    text = _report(suite, comparisons, time.monotonic() - start)
    (_CACHE / "report.txt").write_text(text)
    (_CACHE / "report.json").write_text(_as_json(suite, comparisons))
    print(f"\n{text}\nreport: {_CACHE / 'report.json'}")
    found = [difference for each in comparisons for difference in each.differences]
    if all(difference.reason for difference in found):
        if not options.keep:
            shutil.rmtree(directory)
        return 0
    print(f"logs: {directory}")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.redis_py", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", action="append", choices=names, help="a part; repeatable")
    parser.add_argument("-k", dest="expression", help="run only tests that match, as in pytest")
    plugins = parser.add_mutually_exclusive_group()
    plugins.add_argument("--copies", action="store_true", help="one plugin passes copies on")
    plugins.add_argument("--settings", type=Path, help="run the plugins of this settings file")
    parser.add_argument("--keep", action="store_true", help="keep the logs of every run")
    parser.add_argument("pytest", nargs="*", help="after --: for pytest, such as --protocol=2")
    return parser.parse_args()


def _plugins_of(settings: Path | None) -> list[str]:
    if settings is None:
        return []
    plugins: list[str] = tomllib.loads(settings.read_text())["plugins"]
    return plugins


def _compare(all_runs: Sequence[Runs], explained: Sequence[Explained]) -> list[Comparison]:
    """Compare the parts: those of a single server beside those of a cluster."""

    def compare_all(of_cluster: bool) -> list[Comparison]:
        return [compare(runs, explained) for runs in all_runs if runs.part.is_cluster == of_cluster]

    with ThreadPoolExecutor() as threads:
        return [each for lane in threads.map(compare_all, (False, True)) for each in lane]


def _report(suite: Suite, comparisons: Sequence[Comparison], seconds: float) -> str:
    lines = [f"redis-py {suite.version}, Python {platform.python_version()}, {seconds:.0f} s", ""]
    for each in comparisons:
        for mode, counts in each.counts.items():
            described = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
            lines.append(f"{each.part:<17} {mode:<8} {sum(counts.values()):>5} tests: {described}")
        seen = ", ".join(f"{count} {name}" for name, count in each.seen.items())
        lines.append(f"{'':<17} {'':<8} the plugins saw {seen or 'nothing'}")
    for each in comparisons:
        lines.append(f"\n{each.part}: {len(each.differences)} differ ({each.seconds:.0f} s)")
        for found in each.differences:
            lines.append(f"  {found.test}\n    bare {found.bare}, wrapped {found.wrapped}")
            lines.append(f"    {'explained: ' + found.reason if found.reason else 'NOT EXPLAINED'}")
        lines += [f"  flaky, the same when run again: {test}" for test in each.flaky]
    return "\n".join(lines) + "\n"


def _as_json(suite: Suite, comparisons: Sequence[Comparison]) -> str:
    report = {"redis_py": suite.version, "parts": [asdict(each) for each in comparisons]}
    return json.dumps(report, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
