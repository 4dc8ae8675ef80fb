"""What the caches of all processes do, as a table for ``redis-middleware top``."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["cache_table"]

_COLUMNS = ("hits", "misses", "stored", "evicted", "invalidated")


def cache_table(caches: dict[str, Any]) -> RenderableType:
    """The table of what ``read_fleet`` of the plugin local_cache has read."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(caches["states"].items()))
    heading = Text(
        f"local_cache of {caches['processes']} processes ({states}): "
        f"{caches['entries']:,} entries, {_mebibytes(caches['bytes'])}"
    )
    table = Table(expand=True)
    table.add_column("rule", ratio=1, overflow="fold")
    for name in ("hit ratio", *_COLUMNS, "size"):
        table.add_column(name, justify="right")
    for rule, counts in caches["rules"].items():
        table.add_row(
            Text(rule),
            f"{counts['hit_ratio']:.1%}",
            *[f"{counts[name]:,}" for name in _COLUMNS],
            _mebibytes(counts["bytes"]),
        )
    return Group(heading, table)


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB"
