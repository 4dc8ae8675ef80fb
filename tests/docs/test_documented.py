"""Everything that users meet is in the documentation: found by asking the code what there is."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import typer
from tests.docs.following import ROOT
from tools.generated.public_names import MODULES

import redis_middleware
from redis_middleware import hookspecs, notes
from redis_middleware.cli.application import app
from redis_middleware.command import Batch, Command, Place
from redis_middleware.discovery import installed_plugins
from redis_middleware.readings import Metrics
from redis_middleware.testing import Script

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRACT = (DOCS / "plugin_contract.md").read_text(encoding="utf-8")
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "redis_middleware_spec")]
OURS = [
    name for name, entry in installed_plugins().items() if entry.distribution == "redis-middleware"
]
SOURCE = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(inspect.getfile(redis_middleware)).parent.rglob("*.py")
)
ASKED = re.compile(r'(?:get|has)attr\([\w.]*plugin, "(\w+)"')
"""Where the framework asks a plugin for something that it need not have."""
_COST = "cost|figures|measured"


def page(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_plugin_has_a_page_and_a_line() -> None:
    """A page of its own, one link to it in the README, and one on the start page."""
    assert len(OURS) >= 5
    start = page("index.md")
    for name in OURS:
        assert page(f"plugins/{name}.md").startswith(f"# {name}\n")
        assert README.count(f"](docs/plugins/{name}.md)") == 1, name
        assert f"](plugins/{name}.md)" in start, name


@pytest.mark.parametrize("name", OURS)
def test_a_plugins_page_answers_the_same_questions(name: str) -> None:
    """How to begin, its settings, what it counts, its limits, what happens when something fails."""
    headings = re.findall(r"^##+ (.+)$", page(f"plugins/{name}.md"), re.MULTILINE)
    shown = "\n".join(headings).lower()
    for words in ("quick start", "settings|limits", "metrics|see", "fails|on the way", _COST):
        assert re.search(words, shown), words


def test_every_hook_is_in_the_contract() -> None:
    """In the table, in the example that has all of them, and in the README."""
    assert len(HOOKS) == 6
    for name in HOOKS:
        assert f"| `{name}` |" in CONTRACT
        assert f"def {name}(" in CONTRACT
        assert f"`{name}`" in README


def test_all_that_a_plugin_may_have_is_in_the_contract() -> None:
    """Each attribute and method that the framework asks plugins for, by reading where it asks."""
    asked = {*ASKED.findall(SOURCE), "metrics"}
    assert {"Settings", "name", "observes", "wants", "wants_queued", "reconfigure"} <= asked
    for name in asked:
        assert re.search(rf"^\| `{name}\b", CONTRACT, re.MULTILINE), name
        assert name in (hookspecs.__doc__ or ""), f"{name} is not in the docstring of hookspecs"


def test_what_a_flow_may_yield_is_in_the_contract() -> None:
    """Every public class of ``redis_middleware.flow``, in the table of what may be yielded."""
    for name in ("Sleep", "Call", "Once"):
        assert re.search(rf"^\| `{name}\(", CONTRACT, re.MULTILINE), name
    assert "`NIL`" in CONTRACT


def test_every_note_with_an_agreed_name_is_in_the_contract() -> None:
    """With the function that writes it."""
    names = {value for name, value in vars(notes).items() if name.isupper()}
    assert names == set(re.findall(r"^\| `(redis_middleware\.[\w.]+)` \|", CONTRACT, re.MULTILINE))
    for name in notes.__all__:
        if name.startswith("note_"):
            assert f"`{name}`" in CONTRACT, name


def test_what_travels_is_in_the_contract() -> None:
    """The public attributes of commands and batches that plugins look at, and the places."""
    for name in ("args", "options", "name", "spec", "keys", "slot", "place", "position", "notes"):
        assert hasattr(Command, name)
        assert f"`{name}`" in CONTRACT, name
    for name in ("commands", "arguments", "place", "client", "notes"):
        assert hasattr(Batch, name)
        assert f"`{name}`" in CONTRACT, name
    for place in Place:
        assert f"`Place.{place.name}`" in CONTRACT or f"`{place.name}`" in CONTRACT


def test_every_command_is_in_the_reference() -> None:
    """With each of its options; the page is made from them, and this asks typer itself."""
    group = typer.main.get_command(app)
    reference = page("command_line.md")
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", reference, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        for parameter in command.params:
            for option in parameter.opts:
                shown = option if option.startswith("-") else parameter.metavar or option.upper()
                assert f"`{shown}`" in section[1], f"{name} {option}"


def test_every_public_name_is_in_the_reference() -> None:
    """Of every module that users may rely on."""
    reference = page("public_names.md")
    for module in map(importlib.import_module, MODULES):
        section = reference.partition(f"## {module.__name__}\n")[2].partition("\n## ")[0]
        for name in module.__all__:
            assert f"| `{name}` |" in section, f"{module.__name__}.{name}"


def test_every_environment_variable_is_in_the_reference() -> None:
    """Those that the framework reads, found in its source."""
    read = set(re.findall(r'"(REDIS_MIDDLEWARE_[A-Z]+)"', SOURCE))
    assert {"REDIS_MIDDLEWARE_SETTINGS", "REDIS_MIDDLEWARE_PROFILE"} <= read
    for name in read:
        assert f"`{name}`" in page("settings.md"), name


def test_every_extra_is_in_the_install_page() -> None:
    """Those for users; the ones for developers are of no use to them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    developers = {"bench", "dev", "docs", "examples", "test", "test-redis-py"}
    for extra in set(project["optional-dependencies"]) - developers:
        assert f"`{extra}`" in page("install.md"), extra


def test_every_metric_is_on_its_plugins_page() -> None:
    """By the names of what ``metrics()`` gives, where the plugin has that."""
    for name in OURS:
        with Script(name) as script:
            plugin = script.plugins[name]
            if isinstance(plugin, Metrics):
                text = page(f"plugins/{name}.md")
                for metric in plugin.metrics():
                    short = metric.name.removeprefix(f"{name}.").removeprefix("redis_middleware.")
                    assert short in text, metric.name
