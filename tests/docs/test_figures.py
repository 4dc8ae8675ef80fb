"""Benchmarks report what they measured once, and everything else is made from that."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import charts, rows
from benchmarks.__main__ import GROUPS
from benchmarks.figures import figures, headlines, ratios
from benchmarks.rows import Row
from rich.console import Console

ROWS = [
    Row("engine", "sync GET: bare", 20.0, "µs", 1.0),
    Row("engine", "sync GET: wrapped, none wants it / bare", 1.01, "ratio", 0.01, 1.03),
    Row("engine", "sync GET: wrapped, 5 plugins want it / bare", 1.2, "ratio", 0.01, 1.1),
    Row("engine", "no server, 1 plugins: this engine", 0.8, "µs", 0.01),
    Row("engine", "no server, 1 plugins: pluggy's call loop", 1.7, "µs", 0.01),
]


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Return a function that stores the rows above, in a directory of the test's own."""
    monkeypatch.setattr(rows, "RESULTS", tmp_path)
    return lambda: rows.write_rows("engine", ROWS)


def test_what_was_stored_is_read_again(stored: Callable[[], Path]) -> None:
    """Rows and machine come back as they were."""
    assert stored().name == "engine.json"
    machine, found = rows.read_rows("engine")
    assert found == ROWS
    assert machine == rows.machine()
    assert machine["processor"] in rows.described(machine)


def test_one_table_has_ratios_and_targets(stored: Callable[[], Path]) -> None:
    """Of all groups, with the machine; what is neither ratio nor has a target is left out."""
    out = io.StringIO()
    rows.print_compared(ROWS, Console(file=out, width=160))
    printed = out.getvalue()
    assert printed.startswith("Machine: Python ")
    lines = [line for line in printed.splitlines() if "engine" in line]
    assert len(lines) == 2
    assert all(word in lines[0] for word in ("1.010 ratio", "≤ 1.03", "yes"))
    assert all(word in lines[1] for word in ("1.200 ratio", "≤ 1.1", "no"))


def test_pages_get_the_same_figures(stored: Callable[[], Path]) -> None:
    """With the date; a target that was missed says so; words choose rows by their names."""
    stored()
    assert "5 plugins want it / bare | 1.2 ratio | ≤ 1.1 (missed) |" in ratios()
    assert f"Measured on {rows.machine()['date']}: " in ratios()
    assert "bare | 20 µs | 1 |" in figures("engine")
    chosen = figures("engine", "no", "server").splitlines()
    assert [line.split(" | ")[1] for line in chosen[4:]] == ["0.8 µs", "1.7 µs"]
    chosen = figures("engine", "sync", "GET:", "bare,", "no", "server").splitlines()
    assert [line.split(" | ")[1] for line in chosen[4:]] == ["20 µs", "0.8 µs", "1.7 µs"]


def test_figures_are_rounded_for_people(
    stored: Callable[[], Path],
) -> None:
    """To three digits, without exponents; what was measured once has no spread."""
    rows.write_rows("engine", [Row("engine", "requests", 91_227.5, "1/s"), ROWS[0]])
    lines = figures("engine").splitlines()[4:]
    assert lines == ["| requests | 91,200 1/s |  |  |", "| sync GET: bare | 20 µs | 1 |  |"]


def test_the_readme_gets_few_rows_and_every_miss(
    stored: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are named, and those whose target was missed, which nobody need name."""
    stored()
    monkeypatch.setattr(
        "benchmarks.figures.HEADLINES", {"engine": ("sync GET: wrapped, none wants it / bare",)}
    )
    lines = headlines().splitlines()[4:]
    assert [line.split(" | ")[1] for line in lines] == [row.name for row in ROWS[1:3]]


def test_a_row_of_the_readme_that_is_called_otherwise_now_is_an_error(
    stored: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would else be missing there and nobody notice."""
    stored()
    monkeypatch.setattr("benchmarks.figures.HEADLINES", {"engine": ("sync GET: gone",)})
    with pytest.raises(ValueError, match="no row of the group engine is called sync GET: gone"):
        headlines()


def test_charts_are_drawn_from_them(stored: Callable[[], Path]) -> None:
    """The same figures give the same drawing, other figures another one."""
    stored()
    for name in charts.CHARTS:
        drawn = charts.draw(name)
        assert drawn == charts.draw(name)
        assert "<script" not in drawn
        # A label that had no room.
        assert "…" not in drawn
    before = charts.draw("wrapped_beside_bare")
    rows.write_rows("engine", [ROWS[1], replace(ROWS[2], value=1.3)])
    assert charts.draw("wrapped_beside_bare") != before


def test_stored_figures_are_of_groups_that_there_are() -> None:
    """Nothing in the tables is of a benchmark that nobody can run any more."""
    assert rows.groups()
    assert set(rows.groups()) <= set(GROUPS)
