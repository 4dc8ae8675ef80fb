"""The table of before and after."""

from __future__ import annotations

from rich import box
from rich.table import Table

from redis_middleware.cli.demo.meter import Reading
from redis_middleware.cli.demo.wording import amount, change, milliseconds, percent

__all__ = ["comparison"]


def comparison(before: Reading, after: Reading) -> Table:
    """What the cache changed: of the requests, and of the server that was the busiest before."""
    busiest = before.busiest
    later = after.server(busiest.address)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("before", "after", ""):
        table.add_column(name, justify="right")
    table.add_row(
        "requests/s", amount(before.rate), amount(after.rate), change(before.rate, after.rate)
    )
    table.add_row("p50", milliseconds(before.p50), milliseconds(after.p50))
    table.add_row("p99", milliseconds(before.p99), milliseconds(after.p99))
    table.add_row(
        f"commands/s at {busiest.address}",
        amount(busiest.commands),
        amount(later.commands),
        change(busiest.commands, later.commands),
    )
    table.add_row("its use of a core", percent(busiest.cpu), percent(later.cpu))
    return table
