"""What a program or a plugin may import, as Markdown tables, from the docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Final

__all__ = ["MODULES", "public_names"]

MODULES: Final = (
    "redis_middleware",
    "redis_middleware.commands",
    "redis_middleware.notes",
    "redis_middleware.readings",
    "redis_middleware.settings.types",
    "redis_middleware.sizes",
    "redis_middleware.testing",
    "redis_middleware.embedded",
)
"""The modules whose names users may rely on."""


def public_names() -> str:
    """A table for each module, with what its ``__all__`` has."""
    return "\n\n".join(_table(importlib.import_module(name)) for name in MODULES)


def _table(module: ModuleType) -> str:
    rows = [
        f"| `{name}` | {_summary(module, name)} |"
        for name in sorted(module.__all__, key=str.casefold)
    ]
    return "\n".join((f"## {module.__name__}", "", "| name | what it is |", "|---|---|", *rows))


def _summary(module: ModuleType, name: str) -> str:
    """The first sentence of what documents a name; of a constant without that, its value."""
    value = getattr(module, name)
    text = next(
        (text for home in _homes(name, value) if (text := _constants(home).get(name))), None
    )
    if text is None:
        if isinstance(value, str | int):
            return f"`{value!r}`"
        text = inspect.getdoc(value) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence, _, _ = paragraph.partition(". ")
    return _as_markdown(sentence.rstrip(".")) + "."


def _homes(name: str, value: object) -> list[ModuleType]:
    """The modules of the framework that have this value under this name."""
    loaded = [
        module for path, module in sys.modules.items() if path.startswith("redis_middleware.")
    ]
    return [module for module in loaded if getattr(module, name, None) is value]


@cache
def _constants(module: ModuleType) -> dict[str, str]:
    """The strings below the assignments of a module: they document constants."""
    found = {}
    for first, second in pairwise(ast.parse(inspect.getsource(module)).body):
        if isinstance(first, ast.AnnAssign):
            targets: list[ast.expr] = [first.target]
        elif isinstance(first, ast.Assign):
            targets = first.targets
        else:
            continue
        if isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant):
            for target in targets:
                if isinstance(target, ast.Name) and isinstance(second.value.value, str):
                    found[target.id] = second.value.value
    return found


def _as_markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`").replace("|", "&#124;")
