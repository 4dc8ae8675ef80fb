"""The figures of ``benchmarks/results`` as Markdown, for the README and the documentation.

``python -m tools.generate_docs`` puts them into the pages, so that none is typed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.rows import Row, described, groups, read_rows

__all__ = ["figures", "ratios"]


def figures(group: str, *words: str) -> str:
    """The rows of a group as a table, below the machine that they were measured on.

    Args:
        group: the group.
        words: what the names of the rows begin with; without them, all rows.
    """
    machine, rows = read_rows(group)
    lines = [_measured(machine), "", "| measured | value | ± | target |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.value:.3g} {row.unit} | {row.spread:.2g} | {_target(row)} |"
        for row in rows
        if row.name.startswith(" ".join(words))
    ]
    return "\n".join(lines)


def ratios() -> str:
    """Every ratio and every figure that has a target, of all groups."""
    lines: list[str] = []
    for group in groups():
        machine, rows = read_rows(group)
        said = _measured(machine)
        if said not in lines:
            before = [""] if lines else []
            heading = ["| group | measured | value | target |", "|---|---|---|---|"]
            lines += [*before, said, "", *heading]
        lines += [
            f"| {row.group} | {row.name} | {row.value:.3g} {row.unit} | {_target(row)} |"
            for row in rows
            if row.is_compared
        ]
    return "\n".join(lines)


def _measured(machine: Mapping[str, Any]) -> str:
    return f"Measured on {machine['date']}: {described(machine)}."


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return f"≤ {row.target:g}{'' if row.holds else ' (missed)'}"
