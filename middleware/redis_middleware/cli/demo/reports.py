"""What each plugin did while the demo ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from redis_middleware.cli.demo.display import milliseconds, new_table

if TYPE_CHECKING:
    from redis_middleware_plugins.slow_log import SlowEntry, SlowLog

__all__ = ["REPORTS"]


def _slow_log(plugin: SlowLog) -> Table:
    by_name: dict[str, list[SlowEntry]] = {}
    for entry in plugin.entries():
        by_name.setdefault(entry.name, []).append(entry)
    table = new_table(
        f"slow_log: {plugin.total} commands took longer than their threshold",
        "command",
        "times>",
        "limit ms>",
        "longest ms>",
        "reply bytes>",
        "keys of the slowest",
    )
    for name, entries in sorted(by_name.items(), key=lambda item: -len(item[1])):
        slowest = max(entries, key=lambda entry: entry.duration)
        more = slowest.key_count - 1
        keys = ", ".join(slowest.keys[:1]) + (f" and {more} more" if more > 0 else "")
        table.add_row(
            name,
            str(len(entries)),
            milliseconds(slowest.threshold),
            milliseconds(slowest.duration),
            f"{slowest.reply_size or 0:,}",
            keys,
        )
    return table


REPORTS: Final[Mapping[str, Callable[[Any], Table]]] = {"slow_log": _slow_log}
"""For each plugin of the demo what it did, as a table."""
