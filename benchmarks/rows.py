"""What a benchmark reports: rows, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Row", "machine", "print_rows", "write_rows"]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        group: the benchmark's group, such as ``"engine"``.
        name: what was measured, beside what.
        value: the median.
        unit: ``"ratio"``, ``"µs"``, ``"MiB"`` and so on.
        spread: half the distance between the quartiles, in the same unit.
        target: the largest value that is good enough; ``None`` where the figure is only reported.
    """

    group: str
    name: str
    value: float
    unit: str
    spread: float = 0.0
    target: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; ``None`` without one."""
        return None if self.target is None else self.value <= self.target


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in ("redis", "hiredis", "pluggy")},
    }


def write_rows(group: str, rows: Iterable[Row]) -> Path:
    """Write a group's rows to ``benchmarks/results/<group>.json``; give the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{group}.json"
    figures = [
        {**asdict(row), "value": round(row.value, 4), "spread": round(row.spread, 4)}
        | {"holds": row.holds}
        for row in rows
    ]
    content = {"group": group, "machine": machine(), "rows": figures}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def print_rows(rows: Iterable[Row], console: Console) -> None:
    """Print the rows as a table."""
    table = Table()
    for heading in ("group", "name"):
        table.add_column(heading, overflow="fold")
    for heading in ("value", "± spread", "target", "holds"):
        table.add_column(heading, justify="right")
    words = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}
    for row in rows:
        table.add_row(
            row.group,
            row.name,
            f"{row.value:.3f} {row.unit}",
            f"{row.spread:.3f}",
            "" if row.target is None else f"≤ {row.target:g}",
            words[row.holds],
        )
    console.print(table)
