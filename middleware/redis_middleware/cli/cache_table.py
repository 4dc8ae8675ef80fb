"""What the caches of all processes do, as a table for ``redis-middleware top``."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.fitting import fitted, text_width
from redis_middleware.cli.output import counted

__all__ = ["cache_table"]

_RULE: Final = "rule"
_HIT_RATIO: Final = "hit ratio"
_SIZE: Final = "size"
_COUNTS: Final = ("hits", "misses", "stored", "evicted", "invalidated")
_LEFT_OUT_FIRST: Final = ("evicted", "stored", _SIZE, "invalidated", "misses", "hits")
_ENOUGH_OF_A_RULE: Final = 24


def cache_table(caches: dict[str, Any], width: int, most_rules: int | None) -> RenderableType:
    """The table of what ``read_fleet`` of the plugin local_cache has read.

    Args:
        caches: what it has read.
        width: the columns of the terminal; where they are few, only the columns that matter most
            are shown, so that rules can be read.
        most_rules: how many rules to show at most, those that are asked most; ``None`` for all.
    """
    rules = caches["rules"]
    asked = sorted(rules, key=lambda rule: -(rules[rule]["hits"] + rules[rule]["misses"]))
    shown = rules if most_rules is None else [rule for rule in rules if rule in asked[:most_rules]]
    rest = len(rules) - len(shown)
    states = ", ".join(f"{count} {state}" for state, count in sorted(caches["states"].items()))
    heading = Text(
        f"local_cache of {counted(caches['processes'], 'process', 'processes')} ({states}): "
        f"{counted(caches['entries'], 'entry', 'entries')}, {_mebibytes(caches['bytes'])}"
        f"{f'; {rest} more rules' if rest else ''}"
    )
    return Group(heading, _table({rule: rules[rule] for rule in shown}, width))


def _table(rules: dict[str, Any], width: int) -> Table:
    columns = _columns(rules)
    widths = fitted(
        {title: text_width(title, cells) for title, cells in columns.items()},
        width,
        enough={_RULE: _ENOUGH_OF_A_RULE},
        left_out_first=_LEFT_OUT_FIRST,
    )
    table = Table()
    for title, wide in widths.items():
        table.add_column(
            title, width=wide, overflow="fold", justify="left" if title == _RULE else "right"
        )
    for row in zip(*[columns[title] for title in widths], strict=True):
        table.add_row(*map(Text, row))
    return table


def _columns(rules: dict[str, Any]) -> dict[str, list[str]]:
    """The text of each cell, by the title of its column."""
    counts = rules.values()
    return {
        _RULE: list(rules),
        _HIT_RATIO: [f"{each['hit_ratio']:.1%}" for each in counts],
        **{name: [f"{each[name]:,}" for each in counts] for name in _COUNTS},
        _SIZE: [_mebibytes(each["bytes"]) for each in counts],
    }


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB"
