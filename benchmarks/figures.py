"""The figures of ``benchmarks/results`` as Markdown, for the README and the documentation.

``python -m tools.generate_docs`` puts them into the pages, so that none is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.rows import Row, described, groups, read_rows

__all__ = ["figures", "headlines", "ratios"]

HEADLINES: Final = {
    "engine": ("sync GET: wrapped, 5 plugins want it / bare",),
    "key_access": ("GET: added", "a key jumps to 5%: told after, longest of 40"),
    "local_cache": (
        "hit / hit of redis-py's cache",
        "8 threads: time of a request / bare",
        "8 threads: server commands / bare",
    ),
    "otel": (
        "sync GET: span and duration metric: added / added by opentelemetry-instrumentation-redis",
    ),
    "size_guard": (
        "SET of 1 KB: the guard adds to another plugin",
        "HGETALL of 1 M fields, paged: worst PING of another client",
    ),
    "slot_routing": (
        "sync GET: slot_routing / RedisCluster",
        "sync pipeline of 100 GETs: slot_routing / RedisCluster",
    ),
}
"""The rows that the README shows beside those that missed their targets."""


def figures(group: str, *words: str) -> str:
    """The rows of a group as a table, below the machine that they were measured on.

    Args:
        group: the group.
        words: what the names of the rows begin with, alternatives after commas; without them, all
            rows.
    """
    machine, rows = read_rows(group)
    beginnings = tuple(" ".join(words).split(", "))
    lines = [_measured(machine), "", "| measured | value | ± | target |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {_digits(row.value, 3)} {row.unit} | {_spread(row)} | {_target(row)} |"
        for row in rows
        if row.name.startswith(beginnings)
    ]
    return "\n".join(lines)


def ratios() -> str:
    """Every ratio and every figure that has a target, of all groups."""
    return _of_all_groups(lambda row: row.is_compared)


def headlines() -> str:
    """What each plugin costs at its commonest work, and every target that was missed.

    Raises:
        ValueError: there is no row of a name in ``HEADLINES``.
    """
    for group, names in HEADLINES.items():
        if missing := set(names) - {row.name for row in read_rows(group)[1]}:
            raise ValueError(f"no row of the group {group} is called {' or '.join(missing)}")
    return _of_all_groups(
        lambda row: row.holds is False or row.name in HEADLINES.get(row.group, ())
    )


def _of_all_groups(is_shown: Callable[[Row], bool]) -> str:
    lines: list[str] = []
    for group in groups():
        machine, rows = read_rows(group)
        said = _measured(machine)
        if said not in lines:
            before = [""] if lines else []
            heading = ["| group | measured | value | target |", "|---|---|---|---|"]
            lines += [*before, said, "", *heading]
        lines += [
            f"| {row.group} | {row.name} | {_digits(row.value, 3)} {row.unit} | {_target(row)} |"
            for row in rows
            if is_shown(row)
        ]
    return "\n".join(lines)


def _measured(machine: Mapping[str, Any]) -> str:
    return f"Measured on {machine['date']}: {described(machine)}."


def _spread(row: Row) -> str:
    return _digits(row.spread, 2) if row.spread else ""


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return f"≤ {row.target:g}{'' if row.holds else ' (missed)'}"


def _digits(value: float, significant: int) -> str:
    """A number with so many digits that tell something; thousands between commas."""
    short = f"{value:.{significant}g}"
    return f"{float(short):,.0f}" if "e+" in short or abs(value) >= 1000 else short
