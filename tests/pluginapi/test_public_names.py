"""What the package offers: its names, its hooks, and that all of it is documented."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import redis_middleware
import redis_middleware.testing
from redis_middleware import discovery, hookspecs
from redis_middleware.commands import find_keys, key_slot, spec_of

PUBLIC = {
    # wrapping
    "wrap",
    "unwrap",
    "middleware",
    "middleware_of",
    "Middleware",
    # for plugins
    "hookimpl",
    "Flow",
    "Sleep",
    "Call",
    "Once",
    "NIL",
    "Answer",
    "Command",
    "Batch",
    "Message",
    "Connection",
    "Place",
    "ClientView",
    "ServerAddress",
    # errors
    "MiddlewareError",
    "SettingsError",
    "PluginNotFoundError",
    "PluginLoadError",
    "MissingExtraError",
    "PluginError",
    "__version__",
}
TESTING = {"FakeClock", "Script", "ScriptError", "client_view", "command"}
FLOWS = ("redis_command", "redis_batch", "redis_connect", "redis_message")
PLAIN = ("redis_attach", "redis_detach")
README = (Path(__file__).parents[2] / "README.md").read_text()


def hooks() -> dict[str, FunctionType]:
    """The hook specifications, by name."""
    return {
        name: value
        for name, value in vars(hookspecs).items()
        if hasattr(value, f"{hookspecs.PROJECT_NAME}_spec")
    }


def public_members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public names of a module, and the public methods of its classes."""
    for name in module.__all__:
        value = getattr(module, name)
        yield name, value
        if inspect.isclass(value):
            for own, member in vars(value).items():
                if not own.startswith("_") and isinstance(
                    member, FunctionType | property | classmethod | staticmethod
                ):
                    yield f"{name}.{own}", member


def test_the_names() -> None:
    """One list of all that users may rely on: a new name is added here, on purpose."""
    assert set(redis_middleware.__all__) == PUBLIC
    assert set(redis_middleware.testing.__all__) == TESTING
    for module in (redis_middleware, redis_middleware.testing):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert hasattr(module, name)


@pytest.mark.parametrize("module", [redis_middleware, redis_middleware.testing, discovery])
def test_everything_is_documented(module: ModuleType) -> None:
    """Each public name, and each public method and property of a public class."""
    undocumented = [
        name
        for name, value in public_members(module)
        if not name.startswith("__") and name not in ("NIL", "Flow") and not inspect.getdoc(value)
    ]
    assert undocumented == []


@pytest.mark.parametrize("function", [find_keys, key_slot, spec_of])
def test_what_plugins_take_from_the_table_of_commands(function: FunctionType) -> None:
    """The functions of ``redis_middleware.commands`` that hooks and ``wants`` need."""
    assert inspect.getdoc(function)


def test_the_hooks() -> None:
    """There are six, four of which are flows."""
    assert set(hooks()) == {*FLOWS, *PLAIN}


@pytest.mark.parametrize("name", [*FLOWS, *PLAIN])
def test_a_hooks_contract_is_in_its_docstring(name: str) -> None:
    """What it receives, what it may yield, what it returns, what happens when it raises."""
    hook = hooks()[name]
    text = inspect.getdoc(hook) or ""
    sections = re.findall(r"^(Args|Yields|Returns|Raises):$", text, re.MULTILINE)
    parameters = list(inspect.signature(hook).parameters)
    if parameters:
        assert "Args" in sections
        for parameter in parameters:
            assert re.search(rf"^    {parameter}: ", text, re.MULTILINE), parameter
    if name in FLOWS:
        assert ("Yields" in sections, "Returns" in sections) == (True, True)
        assert "rais" in text
        assert "Flow" in str(hook.__annotations__["return"])
    else:
        assert "not a flow" in text
        assert "Yields" not in sections
        assert "raise" in text


@pytest.mark.parametrize("name", [*FLOWS, *PLAIN])
def test_a_hook_is_in_the_guide(name: str) -> None:
    """The README's part on writing plugins names every hook, and says where its contract is."""
    guide = README.partition("## Write a plugin")[2].partition("\n## ")[0]
    assert f"`{name}`" in guide
    assert "redis_middleware.hookspecs" in guide


def test_what_holds_for_every_flow_is_said_once() -> None:
    """In the module's docstring: exceptions, interrupts and the reply that must be returned."""
    text = hookspecs.__doc__ or ""
    for word in ("PluginError", "observes", "finally", "NIL", "tryfirst", "OSError"):
        assert word in text, word


def test_examples_in_docstrings_are_code() -> None:
    """What stands in indented blocks of the public modules' docstrings can be parsed."""
    for module in (redis_middleware.testing,):
        blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", f"{module.__doc__}\n")
        assert blocks
        for block in blocks:
            ast.parse(inspect.cleandoc("\n" + block))
