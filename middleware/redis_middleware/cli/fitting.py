"""Tables that fit the terminal: what matters most is shown whole, other columns are left out.

rich makes every column narrower instead, down to names of two characters a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len

__all__ = ["fitted", "text_width"]

_FRAME: Final = 3
"""What a column takes besides its text; the table takes one more."""


def text_width(title: str, cells: Sequence[str]) -> int:
    """What a column needs for its text."""
    return max(map(cell_len, (title, *cells)))


def fitted(
    needed: Mapping[str, int],
    width: int,
    *,
    enough: Mapping[str, int],
    left_out_first: Sequence[str],
) -> dict[str, int]:
    """Choose the columns of a table that is as wide as the terminal.

    Args:
        needed: by the title of each column what it needs for its text.
        width: the columns of the terminal.
        enough: of columns whose text may be folded how much is enough; they get more where there
            is room, the first of them first.
        left_out_first: the titles of columns that make room for the others, in that order.

    Returns:
        The width of each column that is shown. What is left over goes to the first of them.
    """
    widths = {title: min(wide, enough.get(title, wide)) for title, wide in needed.items()}
    for title in left_out_first:
        if _spare(widths, width) >= 0:
            break
        del widths[title]
    for title in enough:
        if title in widths:
            widths[title] += max(0, min(needed[title] - widths[title], _spare(widths, width)))
    first = next(iter(widths))
    widths[first] += max(0, _spare(widths, width))
    return widths


def _spare(widths: Mapping[str, int], width: int) -> int:
    return width - 1 - sum(wide + _FRAME for wide in widths.values())
