"""What the pages have from the code is what the code says now."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks.charts import CHARTS, IMAGES, draw
from benchmarks.rows import RESULTS
from tests.docs.following import ROOT, pages
from tools import terminal_picture
from tools.generate_docs import generated, outdated
from tools.generated.settings_tables import plugin_tables

from redis_middleware.discovery import installed_plugins, settings_model
from redis_middleware.settings.json_schema import model_schema

OURS = [
    name for name, entry in installed_plugins().items() if entry.distribution == "redis-middleware"
]


def test_no_page_is_out_of_date() -> None:
    """Settings, command line, public names, figures; ``python -m tools.generate_docs`` writes."""
    assert [str(page.relative_to(ROOT)) for page in outdated()] == []


@pytest.mark.parametrize("name", list(CHARTS))
def test_a_chart_is_drawn_from_the_stored_figures(name: str) -> None:
    """``make bench`` draws them again; in between they stay as the figures are."""
    assert (IMAGES / f"{name}.svg").read_text(encoding="utf-8") == draw(name)


def test_each_plugins_page_has_its_settings() -> None:
    """The tables made from the model are on the plugin's own page."""
    for name in OURS:
        page = (ROOT / "docs" / "plugins" / f"{name}.md").read_text(encoding="utf-8")
        assert f"<!-- generated: settings {name} -->" in page


@pytest.mark.parametrize("name", OURS)
def test_the_tables_have_every_setting(name: str) -> None:
    """Of the model and of the models inside of it, as the JSON schema for editors has them."""
    model = settings_model(installed_plugins()[name].load())
    assert model is not None
    schema = model_schema(model)
    tables = plugin_tables(name)
    for table in (schema, *schema.get("$defs", {}).values()):
        for key in table.get("properties", {}):
            assert f"| `{key}` |" in tables, key


def test_a_changed_setting_makes_a_page_out_of_date() -> None:
    """A cell that is edited by hand comes out as the model has it again."""
    page = ROOT / "docs" / "plugins" / "slow_log.md"
    text = page.read_text(encoding="utf-8")
    edited = text.replace('`"10 ms"` | A command', '`"11 ms"` | A command')
    assert edited != text
    assert generated(edited) == text


def test_a_part_that_nothing_makes_is_an_error() -> None:
    """A misspelt comment does not leave its part as it is."""
    with pytest.raises(ValueError, match="nothing makes the part 'setings otel'"):
        generated("<!-- generated: setings otel -->\n<!-- end of generated part -->")


def test_figures_tell_date_and_machine() -> None:
    """Each group's figures are shown beneath when and on what they were measured."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in RESULTS.glob("*.json"):
        machine = json.loads(path.read_text(encoding="utf-8"))["machine"]
        assert f"Measured on {machine['date']}: Python {machine['python']}" in readme


@pytest.mark.parametrize("name", [name for name in OURS if (RESULTS / f"{name}.json").exists()])
def test_each_plugins_page_has_its_figures(name: str) -> None:
    """What was measured of a plugin is on its own page, all under one heading."""
    page = (ROOT / "docs" / "plugins" / f"{name}.md").read_text(encoding="utf-8")
    assert f"<!-- generated: figures {name}" in page.partition("\n## What it costs\n")[2]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_figure_is_typed_by_hand(page: Path) -> None:
    """Microseconds are measured: they come from the stored figures, with date and machine."""
    text = re.sub(
        r"<!-- generated: .*?<!-- end of generated part -->|^```.*?^```",
        "",
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    assert not re.findall(r".*\d\s?µs\b.*|.*\d requests/s.*", text)


def test_every_picture_is_shown() -> None:
    """None is made for nobody to see."""
    shown = "".join(page.read_text(encoding="utf-8") for page in pages())
    assert [path.name for path in IMAGES.iterdir() if f"images/{path.name})" not in shown] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_are_there(page: Path) -> None:
    """Each picture that a page shows is a file of the repository that needs nothing else."""
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        picture = (page.parent / target).read_text(encoding="utf-8")
        assert "<svg" in picture
        assert "<script" not in picture
        assert not re.search(r"(?:href|src|url\()\s*=?\s*[\"']?https?:", picture)


def test_the_picture_of_a_terminal_can_be_drawn(tmp_path: Path) -> None:
    """From a real run of the command on a real cluster, with the hot key in it."""
    path = tmp_path / "terminal.svg"
    terminal_picture.draw(path, seconds=4.0)
    picture = path.read_text(encoding="utf-8")
    for text in ("redis-middleware", "config:flags", "processes"):
        assert text in picture
    assert "@font-face" not in picture
