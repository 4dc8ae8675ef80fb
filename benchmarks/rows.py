"""What a benchmark reports: rows, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = [
    "Row",
    "described",
    "groups",
    "machine",
    "print_compared",
    "print_rows",
    "read_rows",
    "write_rows",
]

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

    @property
    def is_compared(self) -> bool:
        """Whether it is a ratio, or has a target: what the table of all groups shows."""
        return self.unit == "ratio" or self.target is not None


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        **{name: version(name) for name in ("redis", "hiredis", "pluggy")},
    }


def _processor() -> str:
    """The processor's model, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def described(machine: Mapping[str, Any]) -> str:
    """The machine in words."""
    processor = machine.get("processor")
    return (
        f"Python {machine['python']}, redis-py {machine['redis']} with hiredis "
        f"{machine['hiredis']}, {machine['system']}, {machine['cores']} cores"
        f"{f' ({processor})' if processor else ''}, server on the same machine"
    )


def groups() -> list[str]:
    """The groups whose rows are stored."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def read_rows(group: str) -> tuple[dict[str, Any], list[Row]]:
    """The machine and the rows that ``write_rows`` wrote last for a group."""
    content = json.loads((RESULTS / f"{group}.json").read_text(encoding="utf-8"))
    names = [each.name for each in fields(Row)]
    return content["machine"], [
        Row(**{name: row[name] for name in names}) for row in content["rows"]
    ]


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


def print_compared(rows: Iterable[Row], console: Console) -> None:
    """Print one table of the ratios and of what has a target, of all groups."""
    console.print(f"Machine: {described(machine())}.")
    print_rows([row for row in rows if row.is_compared], console)


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
