"""Draws the stored figures as SVG, for the README: ``python -m benchmarks.charts``.

pygal draws them: it is pure Python, writes plain SVG and nothing else, and the same figures give
the same file, so that a chart changes only with the figures.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pygal
from pygal.style import CleanStyle

from benchmarks.rows import described, read_rows

__all__ = ["CHARTS", "draw", "write_charts"]

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
_STEP: Final = 0.25
_STYLE: Final = CleanStyle(
    background="white",
    plot_background="white",
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#dddddd",
    font_family="sans-serif",
    colors=("#2f6f9f", "#c9642f"),
    label_font_size=12,
    major_label_font_size=12,
    value_font_size=11,
    legend_font_size=12,
    title_font_size=13,
)


def _options(group: str, **more: Any) -> dict[str, Any]:
    machine, _ = read_rows(group)
    return {
        "style": _STYLE,
        # Nothing that is fetched, and nothing that differs from run to run.
        "js": (),
        "no_prefix": True,
        "pretty_print": True,
        "disable_xml_declaration": True,
        "explicit_size": True,
        "width": 860,
        "legend_at_bottom": True,
        "print_values": True,
        "print_values_position": "top",
        "show_x_guides": False,
        "show_y_guides": False,
        "x_title": f"{machine['date']}: {described(machine)}",
        **more,
    }


def wrapped_beside_bare() -> Any:
    """The time of a wrapped client's calls as a multiple of the bare client's."""
    _, rows = read_rows("engine")
    shown = [row for row in rows if row.unit == "ratio" and row.target is not None]
    chart = pygal.HorizontalBar(
        **_options(
            "engine",
            title="Time of a wrapped client / time of a bare one",
            height=110 + 46 * len(shown),
            formatter="{:.2f}".format,
            print_values_position="center",
            truncate_label=-1,
        )
    )
    longest = max(max(row.value, row.target or 0) for row in shown)
    # pygal's own steps are many, and their labels are cut to nothing.
    chart.y_labels = [step * _STEP for step in range(math.ceil(longest / _STEP) + 1)]
    chart.x_labels = [row.name.removesuffix(" / bare") for row in reversed(shown)]
    chart.add("target, at most", [row.target for row in reversed(shown)])
    chart.add("measured", [round(row.value, 3) for row in reversed(shown)])
    return chart


def engine_beside_pluggy() -> Any:
    """What a command costs in the engine, and in pluggy's own call loop, without a server."""
    _, rows = read_rows("engine")
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if match := re.fullmatch(r"no server, (\d+) plugins: (.+)", row.name):
            found.setdefault(match[2], {})[int(match[1])] = round(row.value, 3)
    counts = sorted({count for values in found.values() for count in values})
    chart = pygal.Bar(
        **_options(
            "engine",
            title="A command through so many plugins that pass it on, without a server (µs)",
            height=380,
            formatter="{:.1f}".format,
        )
    )
    chart.x_labels = [str(count) for count in counts]
    for rival, values in found.items():
        chart.add(rival, [values.get(count) for count in counts])
    return chart


CHARTS: Final[dict[str, Callable[[], Any]]] = {
    "wrapped_beside_bare": wrapped_beside_bare,
    "engine_beside_pluggy": engine_beside_pluggy,
}
"""What draws each file of ``docs/images``."""


def draw(name: str) -> str:
    """One chart, as SVG without pygal's script and its comment, which has the day in it."""
    picture = str(CHARTS[name]().render(is_unicode=True))
    return re.sub(r"<script.*?</script>|<!--.*?-->", "", picture, flags=re.DOTALL) + "\n"


def write_charts() -> list[Path]:
    """Write all charts; give their paths."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in CHARTS:
        path = IMAGES / f"{name}.svg"
        path.write_text(draw(name), encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write_charts():
        print(f"wrote {written}")
    sys.exit()
