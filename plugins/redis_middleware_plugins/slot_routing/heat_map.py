"""The 16,384 slots of a cluster as a picture: as text for terminals, as SVG for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from redis_middleware.commands import SLOT_COUNT
from redis_middleware_plugins.slot_routing.report import ClusterReport

__all__ = ["LEVELS", "Level", "Line", "text_lines", "to_svg"]


class Level(NamedTuple):
    """How much of the average a slot has.

    Attributes:
        least: times the average, at least.
        shade: the character that stands for it.
        colour: the colour that stands for it.
        name: what the legend calls it.
    """

    least: float
    shade: str
    colour: str
    name: str


LEVELS: Final = (
    Level(0.0, "·", "#eef1f5", "none"),
    Level(1e-9, "░", "#fde3c8", "under ½"),
    Level(0.5, "▒", "#fdb97d", "½ to 1½"),
    Level(1.5, "▓", "#f5803e", "1½ to 3"),
    Level(3.0, "█", "#cf3d1c", "3 to 10"),
    Level(10.0, "X", "#7a0d12", "10 and more"),
)
"""The levels of heat, in times the average slot; the coolest first."""

_UNSERVED: Final = "#2b2f36"
_SLOTS_IN_A_CELL: Final = 8
_CELLS_IN_A_LINE: Final = 64

_SIDE: Final = 128
_CELL: Final = 6
_LEFT: Final = 56
_TOP: Final = 78
_STRIPE: Final = 10
_LEGEND: Final = 300
_NAMED_PRIMARIES: Final = 11
_NODE_COLOURS: Final = (
    "#3b6fb6",
    "#2f9e77",
    "#8a5fbf",
    "#c9a227",
    "#4aa3c7",
    "#a34d7c",
    "#6b8e23",
    "#7f8fa6",
)


class Line(NamedTuple):
    """One line of the heat map in a terminal.

    Attributes:
        first: its first slot.
        cells: for each 8 slots their level; ``None`` where none of them is served.
    """

    first: int
    cells: tuple[Level | None, ...]


def text_lines(report: ClusterReport, measure: str) -> Iterator[Line]:
    """The heat map as lines of 64 cells with 8 slots each.

    Args:
        report: the report.
        measure: one of its measures.
    """
    values = report.measures[measure]
    average = _average(report, values)
    for first in range(0, SLOT_COUNT, _SLOTS_IN_A_CELL * _CELLS_IN_A_LINE):
        cells = []
        for cell in range(_CELLS_IN_A_LINE):
            start = first + cell * _SLOTS_IN_A_CELL
            served = [
                values[slot]
                for slot in range(start, start + _SLOTS_IN_A_CELL)
                if report.owners[slot] is not None
            ]
            cells.append(_level(sum(served) / len(served), average) if served else None)
        yield Line(first, tuple(cells))


def _average(report: ClusterReport, values: Sequence[int]) -> float:
    served = sum(owner is not None for owner in report.owners)
    return sum(values) / served if served else 0.0


def _level(value: float, average: float) -> Level:
    if not value or not average:
        return LEVELS[0]
    return next(level for level in reversed(LEVELS) if value / average >= level.least)


def to_svg(report: ClusterReport, measure: str, title: str) -> str:
    """The heat map as an SVG: 128 rows of 128 slots, read like text; it needs nothing else.

    The stripe beside the slots has a colour for each primary, which the legend names.

    Args:
        report: the report.
        measure: one of its measures.
        title: what to write above it.
    """
    values = report.measures[measure]
    average = _average(report, values)
    colours = [
        _UNSERVED if owner is None else _level(value, average).colour
        for owner, value in zip(report.owners, values, strict=True)
    ]
    grid = _SIDE * _CELL
    width = _LEFT + grid + 2 * _STRIPE + _LEGEND
    height = _TOP + grid + 24
    shown = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="13" fill="#1d2733">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="34" font-size="20" font-weight="600">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="58" fill="#5a6675">{escape(_summary(report, measure))}</text>',
        *_rows(),
        *_cells(colours),
        *_stripe(report),
        *_legend(report, measure),
        "</svg>\n",
    ]
    return "\n".join(shown)


def _summary(report: ClusterReport, measure: str) -> str:
    total = sum(report.measures[measure])
    imbalance = report.imbalance(measure)
    told = f"{measure}: {total:,} in {SLOT_COUNT:,} slots"
    return told if imbalance is None else f"{told}; largest node / smallest: {imbalance:.2f}"


def _rows() -> Iterator[str]:
    for row in range(0, _SIDE, 8):
        y = _TOP + row * _CELL + 9
        yield (
            f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end" font-size="10" fill="#5a6675">'
            f"{row * _SIDE}</text>"
        )


def _cells(colours: Sequence[str]) -> Iterator[str]:
    """One path for each colour, with a bar for each run of slots in a row."""
    paths: dict[str, list[str]] = {}
    for row in range(_SIDE):
        start = 0
        of_row = colours[row * _SIDE : (row + 1) * _SIDE]
        for column in range(1, _SIDE + 1):
            if column == _SIDE or of_row[column] != of_row[start]:
                x, y = _LEFT + start * _CELL, _TOP + row * _CELL
                bar = f"M{x} {y}h{(column - start) * _CELL}v{_CELL}H{x}z"
                paths.setdefault(of_row[start], []).append(bar)
                start = column
    for colour, bars in paths.items():
        yield f'<path fill="{colour}" shape-rendering="crispEdges" d="{"".join(bars)}"/>'


def _stripe(report: ClusterReport) -> Iterator[str]:
    x = _LEFT + _SIDE * _CELL + _STRIPE // 2
    for index, node in enumerate(report.primaries):
        for first, last in node.ranges:
            top = round(_TOP + first / _SIDE * _CELL, 1)
            # A single slot would be too thin to be seen.
            high = round(max((last + 1 - first) / _SIDE * _CELL, 1.0), 1)
            yield _box(x, top, _STRIPE, high, _node_colour(index))


def _legend(report: ClusterReport, measure: str) -> Iterator[str]:
    x = _LEFT + _SIDE * _CELL + 3 * _STRIPE
    y = _TOP + 10
    yield f'<text x="{x}" y="{y}" font-weight="600">times the average slot</text>'
    entries = [(level.colour, level.name) for level in LEVELS]
    if report.uncovered:
        entries.append((_UNSERVED, "not served"))
    for colour, name in entries:
        y += 22
        yield _box(x, y - 11, 14, 14, colour, 'stroke="#c5ccd6"')
        yield f'<text x="{x + 22}" y="{y}">{escape(name)}</text>'
    y += 36
    yield f'<text x="{x}" y="{y}" font-weight="600">primaries</text>'
    sums = report.of_primaries(measure)
    primaries = list(zip(report.primaries, sums, strict=True))
    for index, (node, total) in enumerate(primaries[:_NAMED_PRIMARIES]):
        y += 26
        yield _box(x, y - 11, 14, 14, _node_colour(index))
        yield f'<text x="{x + 22}" y="{y}">{escape(str(node.address))}</text>'
        y += 16
        told = f"{node.slot_count:,} slots, {total:,}"
        yield f'<text x="{x + 22}" y="{y}" fill="#5a6675" font-size="12">{escape(told)}</text>'
    if len(primaries) > _NAMED_PRIMARIES:
        more = len(primaries) - _NAMED_PRIMARIES
        yield f'<text x="{x + 22}" y="{y + 26}">and {more} more</text>'


def _box(x: float, y: float, width: float, height: float, colour: str, more: str = "") -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}" {more}/>'


def _node_colour(index: int) -> str:
    return _NODE_COLOURS[index % len(_NODE_COLOURS)]
