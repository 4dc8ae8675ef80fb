"""The panels of figures on the demo's screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.bar import Bar
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.demo.meter import Reading
from redis_middleware.cli.demo.stage import Stage
from redis_middleware.cli.demo.wording import amount, milliseconds, percent
from redis_middleware_plugins.key_access import KeyAccess

__all__ = ["keys_panel", "requests_panel", "servers_panel", "sparkline"]

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_BUSY: Final = 2.0
"""So many times the commands of the idlest server make a server a busy one."""


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values, as many as there are columns, as bars from 0 to the largest of them."""
    shown = values[-width:]
    most = max(shown, default=0.0)
    last = len(_BLOCKS) - 1
    return "".join([_BLOCKS[round(value / most * last)] if most else _BLOCKS[0] for value in shown])


def requests_panel(stage: Stage, width: int) -> Panel:
    """The requests of the last second, and their rate since the start in so many columns."""
    reading = stage.meter.latest(1.0)
    errors = stage.load.errors.total()
    figures = Text.assemble(
        (amount(reading.rate), "bold green"),
        f" requests/s   p50 {milliseconds(reading.p50)}   p99 ",
        (milliseconds(reading.p99), "bold"),
        "   ",
        (f"{amount(errors)} errors", "bold red" if errors else ""),
    )
    figures.append(f"\n{sparkline(stage.meter.rates(), width)}", style="green")
    return Panel(figures, title="requests", title_align="left", border_style="dim")


def servers_panel(reading: Reading) -> Panel:
    """What each server does; the bars compare them."""
    commands = [server.commands for server in reading.servers]
    least, most = min(commands), max(commands)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for server in reading.servers:
        color = "red" if server.commands > _BUSY * least else "cyan"
        table.add_row(
            f":{server.address.rpartition(':')[2]}",
            Bar(most or 1.0, 0.0, server.commands, color=color),
            f"{amount(server.commands)}/s",
            percent(server.cpu),
        )
    title = "servers: commands, of a core"
    return Panel(table, title=title, title_align="left", border_style="dim")


def keys_panel(stage: Stage, rows: int) -> Panel:
    """The keys that are asked for most."""
    key_access: KeyAccess = stage.plugins["key_access"]
    report = key_access.report(rows)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for key in report.windows[0].keys[:rows]:
        style = "bold red" if key.is_hot else ""
        table.add_row(
            Text(key.name, style=style),
            Text("hot" if key.is_hot else "", style=style),
            f"{key.share.estimate:.1%}",
        )
    title = "key_access: the last 10 s"
    return Panel(table, title=title, title_align="left", border_style="dim")
