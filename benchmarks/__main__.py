"""``python -m benchmarks [group …]``: run all groups, or those named.

Each group's rows are printed and written to ``benchmarks/results``. At the end one table has the
ratios and the targets of all of them, and the charts and the figures in the pages are made anew.
"""

from __future__ import annotations

import importlib
import sys

from rich.console import Console
from tools import generate_docs

from benchmarks.charts import write_charts
from benchmarks.rows import Row, print_compared, print_rows, write_rows

GROUPS = ("engine", "size_guard", "local_cache", "otel", "key_access", "slot_routing")
"""Each is a module of this package with a function ``rows() -> list[Row]``."""


def main(names: list[str]) -> int:
    """Run the groups; 1 where a target is missed, 2 where a group is not known."""
    console = Console()
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        console.print(f"no benchmark group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
        return 2
    all_rows: list[Row] = []
    for name in names or GROUPS:
        console.print(f"{name} …")
        rows = importlib.import_module(f"benchmarks.{name}").rows()
        path = write_rows(name, rows)
        print_rows(rows, console)
        console.print(f"written to {path}")
        all_rows += rows
    print_compared(all_rows, console)
    for path in write_charts():
        console.print(f"drew {path}")
    generate_docs.main([])
    return 1 if any(row.holds is False for row in all_rows) else 0


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        print("broken off: groups that had ended are written", file=sys.stderr)
        status = 130
    sys.exit(status)
