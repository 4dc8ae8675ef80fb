"""The demo's tables."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.table import Table

from redis_middleware.cli.demo.measurements import Measurements
from redis_middleware.cli.demo.workload import OPERATIONS

__all__ = ["milliseconds", "new_table", "operations_table"]

_WIDE: Final = 95


def new_table(title: str, *columns: str) -> Table:
    """An empty table; a column's name that ends in ``>`` makes it one of numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        if column.endswith(">"):
            table.add_column(column[:-1], justify="right", overflow="fold")
        else:
            table.add_column(column, overflow="fold")
    return table


def milliseconds(seconds: float) -> str:
    """A duration with the digits that matter."""
    value = seconds * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def operations_table(measurements: Measurements, seconds: float, width: int) -> Table:
    """The rates and latencies so far.

    Args:
        measurements: of every kind of operation.
        seconds: how long they have been taken.
        width: columns of the terminal; the commands are shown where there is room.
    """
    columns = ["operation", "per s>", "median ms>", "99 % ms>", "longest ms>"]
    all_timings = [measurements.of(operation.name) for operation in OPERATIONS]
    if width >= _WIDE:
        columns.insert(1, "commands")
    if any(timings.errors for timings in all_timings):
        columns.append("failed")
    table = new_table(f"{measurements.count:,} operations in {seconds:.1f} s", *columns)
    for operation, timings in zip(OPERATIONS, all_timings, strict=True):
        cells = {
            "operation": operation.name,
            "commands": operation.commands,
            "per s>": f"{timings.count / seconds:,.1f}" if seconds else "",
            "median ms>": milliseconds(timings.percentile(0.5)),
            "99 % ms>": milliseconds(timings.percentile(0.99)),
            "longest ms>": milliseconds(timings.longest),
            "failed": ", ".join(f"{count} {name}" for name, count in timings.errors.items()),
        }
        table.add_row(*[cells[column] for column in columns])
    return table
