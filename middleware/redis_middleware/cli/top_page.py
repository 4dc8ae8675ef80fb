"""What ``redis-middleware top`` shows, fitted to the terminal."""

from __future__ import annotations

from typing import Any, Final

from rich.bar import Bar
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.cache_table import cache_table
from redis_middleware.cli.fitting import fitted, text_width
from redis_middleware.cli.output import counted

__all__ = ["page", "screen"]

_KEY: Final = "key"
_BAR: Final = ""
_SERVER: Final = "server"
_BOUNDS: Final = {"per second": "estimate", "at least": "lower", "at most": "upper"}
_LEFT_SIDE: Final = (_KEY, _BAR, _SERVER)
_BAR_WIDTH: Final = 20
_ENOUGH: Final = {_KEY: 16, _SERVER: 19}
_LEFT_OUT_FIRST: Final = (_BAR, "at most", "at least", "slot", _SERVER, "per second")
_PARTS: Final = 5
_PARTS_OF_LOW_SCREENS: Final = 2
_FEWEST_KEYS: Final = 3


def page(
    report: dict[str, Any],
    rows: int,
    width: int,
    problem: str | None = None,
    *,
    parts: int = _PARTS,
    rules: int | None = None,
) -> RenderableType:
    """Everything, one below the other.

    Args:
        report: what the fleet's readers have read; ``caches`` is ``None`` where none tells.
        rows: how many keys to show at most.
        width: the columns of the terminal.
        problem: why the report is not of now.
        parts: how many groups, servers, slots and commands to show at most.
        rules: how many rules of caches to show at most; ``None`` for all.
    """
    shown: list[RenderableType] = []
    if problem is not None:
        shown.append(Text(problem, style="bold red"))
    if "windows" in report:
        shown.append(_keys(report, rows, width, parts))
    if report["caches"] is not None:
        shown.append(cache_table(report["caches"], width, rules))
    return Group(*shown)


def screen(
    report: dict[str, Any], rows: int, terminal: Console, problem: str | None = None
) -> RenderableType:
    """The page; where it is too long, with fewer groups, and then fewer keys and rules."""
    keys = min(rows, len(report["windows"][0]["keys"])) if "windows" in report else 0
    rules = len(report["caches"]["rules"]) if report["caches"] is not None else 0
    parts = _PARTS

    def fitted() -> tuple[RenderableType, int]:
        made = page(report, keys, terminal.width, problem, parts=parts, rules=rules)
        return made, len(terminal.render_lines(made)) - terminal.height

    made, excess = fitted()
    if excess > 0:
        parts = _PARTS_OF_LOW_SCREENS
        made, excess = fitted()
    if excess > 0:
        keys = max(min(keys, _FEWEST_KEYS), keys - excess)
        made, excess = fitted()
    if excess > 0:
        rules = max(min(rules, 1), rules - excess)
        made, excess = fitted()
    if excess > 0:
        keys = max(min(keys, 1), keys - excess)
        made, excess = fitted()
    return made


def _keys(report: dict[str, Any], rows: int, width: int, parts: int) -> RenderableType:
    window = report["windows"][0]
    imbalance = report["imbalance"]
    who = report["process"] or counted(report["fleet"]["members"], "process", "processes")
    balance = "" if imbalance is None else f"; busiest server {imbalance:.1f} times the idlest"
    heading = Text(
        f"{who}, {window['rate']:,.0f} accesses/s in the last "
        f"{window['seconds']:.0f} s, {counted(len(report['hot']), 'hot key')}{balance}"
    )
    return Group(heading, _key_table(window["keys"][:rows], width), _parts(report, parts))


def _key_table(keys: list[dict[str, Any]], width: int) -> Table:
    columns: dict[str, list[str]] = {
        _KEY: [key["name"] for key in keys],
        "kind": [key["kind"] for key in keys],
        **{
            title: [f"{key['rate'][bound]:,.1f}" for key in keys]
            for title, bound in _BOUNDS.items()
        },
        "share": [f"{key['share']['estimate']:.2%}" for key in keys],
        _BAR: [" " * _BAR_WIDTH],
        "slot": ["" if key["slot"] is None else str(key["slot"]) for key in keys],
        _SERVER: [key["node"] or "" for key in keys],
    }
    widths = fitted(
        {title: text_width(title, cells) for title, cells in columns.items()},
        width,
        enough=_ENOUGH,
        left_out_first=_LEFT_OUT_FIRST,
    )
    table = Table()
    for title, wide in widths.items():
        justify: JustifyMethod = "left" if title in _LEFT_SIDE else "right"
        table.add_column(title, width=wide, overflow="fold", justify=justify)
    for row, key in enumerate(keys):
        drawn: dict[str, RenderableType] = {_KEY: _name(key), _BAR: _bar(key)}
        table.add_row(
            *[drawn[title] if title in drawn else Text(columns[title][row]) for title in widths]
        )
    return table


def _name(key: dict[str, Any]) -> Text:
    return Text(key["name"], style="bold red" if key["is_hot"] else "")


def _bar(key: dict[str, Any]) -> Bar:
    share = min(key["share"]["estimate"], 1.0)
    return Bar(1.0, 0.0, share, width=_BAR_WIDTH, color="red" if key["is_hot"] else "cyan")


def _parts(report: dict[str, Any], most: int) -> Table:
    table = Table(expand=True)
    columns = []
    for name in ("groups", "nodes", "slots", "commands"):
        table.add_column(name, overflow="fold")
        parts = report[name][:most]
        columns.append("\n".join(f"{part['share']:6.1%} {part['name']}" for part in parts))
    table.add_row(*map(Text, columns))
    return table
