"""``python -m benchmarks [group …]``: run all groups, or those named."""

from __future__ import annotations

import importlib
import sys

from rich.console import Console

from benchmarks.rows import Row, machine, print_rows, write_rows

GROUPS = ("engine", "size_guard", "local_cache", "otel", "key_access")
"""Each is a module of this package with a function ``rows() -> list[Row]``."""


def main(names: list[str]) -> int:
    """Run the groups; 1 where a target is missed, 2 where a group is not known."""
    console = Console()
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        console.print(f"no benchmark group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
        return 2
    console.print(machine())
    all_rows: list[Row] = []
    for name in names or GROUPS:
        console.print(f"{name} …")
        rows = importlib.import_module(f"benchmarks.{name}").rows()
        path = write_rows(name, rows)
        print_rows(rows, console)
        console.print(f"written to {path}")
        all_rows += rows
    missed = [row for row in all_rows if row.holds is False]
    for row in missed:
        console.print(f"missed: {row.group}: {row.name}: {row.value:.3f} > {row.target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
