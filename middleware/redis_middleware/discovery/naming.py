"""What plugins are called, in the settings and in messages."""

from __future__ import annotations

import re
from types import ModuleType

__all__ = ["class_name", "given_in_code", "name_and_origin", "plugin_name"]


def plugin_name(plugin: object) -> str:
    """Return the name of a plugin given in code, as a class or as an object.

    It is the attribute ``name`` where that is a string, else the class's name in snake_case.
    """
    name = getattr(plugin, "name", None)
    if isinstance(name, str) and name:
        return name
    if isinstance(plugin, ModuleType):
        return plugin.__name__.rpartition(".")[2]
    cls = plugin if isinstance(plugin, type) else type(plugin)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()


def class_name(plugin: object) -> str:
    """Return the full name of a plugin's class, or of the module that is one."""
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    cls = plugin if isinstance(plugin, type) else type(plugin)
    return f"{cls.__module__}.{cls.__qualname__}"


def given_in_code(plugin: object) -> str:
    """Return the origin of a plugin given in code, as a class or as an object."""
    return f"given in code ({class_name(plugin)})"


def name_and_origin(name: str, origin: str) -> str:
    """Return how messages call a plugin: by its name and where it is from."""
    return f"plugin {name!r}, {origin}"
