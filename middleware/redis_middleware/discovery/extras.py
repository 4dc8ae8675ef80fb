"""Packages that come only with an extra: importing them, and telling which extra is missing."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from types import ModuleType

from redis_middleware.errors import MissingExtraError

__all__ = ["extra_of_module", "install_command", "normalized", "require"]


def require(
    module: str, *, extra: str, setting: str = "", distribution: str = "redis-middleware"
) -> ModuleType:
    """Import a module of an extra, for plugins that need it only with some setting.

    Args:
        module: the full name of the module.
        extra: the extra that brings it.
        setting: the key of the plugin's table that asks for it, such as ``"sdk.traces"``: where
            the plugin is being made, the message has its place and its value.
        distribution: the distribution whose extra that is.

    Raises:
        MissingExtraError: it is not installed; the message has the install command. Whatever else
            goes wrong in importing it is raised unchanged.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtraError(
            f"the module {module!r} is not installed: {install_command(distribution, extra)}",
            setting,
        ) from error


def install_command(distribution: str, extra: str) -> str:
    """Return the command that installs an extra of a distribution."""
    return f'pip install "{distribution}[{extra}]"'


def extra_of_module(module: str, requirements: Sequence[str]) -> str | None:
    """Return the extra that brings a missing module, as far as names tell, else None.

    Args:
        module: the full name of the module.
        requirements: the ``Requires-Dist`` lines of the distribution that wanted it.
    """
    needed: dict[str, str] = {}
    for requirement in requirements:
        name = re.match(r"\s*([A-Za-z0-9._-]+)", requirement)
        extra = re.search(r"""\bextra\s*==\s*["']([^"']+)["']""", requirement)
        if name and extra:
            needed.setdefault(normalized(name[1]), extra[1])
    parts = module.split(".")
    module_names = {normalized("-".join(parts[:end])) for end in range(1, len(parts) + 1)}
    for distribution, extra_name in needed.items():
        if module_names & _module_names_of(distribution):
            return extra_name
    # Python names the first package that is missing: opentelemetry.exporter for a module of
    # opentelemetry-exporter-otlp.
    start = f"{normalized('-'.join(parts))}-"
    return next((extra for name, extra in needed.items() if name.startswith(start)), None)


def _module_names_of(distribution: str) -> set[str]:
    """Return what a distribution's module is likely called: ``yaml`` for PyYAML."""
    return {
        distribution,
        distribution.removeprefix("py"),
        distribution.removeprefix("python-"),
        distribution.removesuffix("-python"),
        distribution.removesuffix("-py"),
    }


def normalized(name: str) -> str:
    """Return a distribution's name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
