"""What the command line tells about plugins and their settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

import pluggy
from pydantic import BaseModel

from redis_middleware.cli.values import field_type, key_text, written
from redis_middleware.discovery import LoadedPlugin
from redis_middleware.hookspecs import PROJECT_NAME
from redis_middleware.settings import Settings
from redis_middleware.settings.origins import EnvironmentVariable

__all__ = ["SettingLine", "default_settings", "effective_settings", "hooks_of", "summary_of"]

_HOOKS: Final = (
    "redis_command",
    "redis_batch",
    "redis_connect",
    "redis_message",
    "redis_attach",
    "redis_detach",
)


class SettingLine(NamedTuple):
    """One key of a plugin's table.

    Attributes:
        text: the key and its value as TOML; a comment where it has none.
        comment: what set it, or what it means.
        is_set: whether the settings set it.
    """

    text: str
    comment: str
    is_set: bool


def hooks_of(plugin: object) -> list[str]:
    """Return the hooks that a plugin, a class or an object, implements.

    Returns:
        Names of hooks, in the order of their documentation; ``"redis_command (first)"`` for one
        with pluggy's ``tryfirst``, which goes outermost wherever the plugin stands in the list,
        ``"(last)"`` for ``trylast``.
    """
    # Of the class: an object's properties would run.
    target = plugin if isinstance(plugin, type | ModuleType) else type(plugin)
    manager = pluggy.PluginManager(PROJECT_NAME)
    found: dict[str, str] = {}
    for attribute in dir(target):
        marks = manager.parse_hookimpl_opts(target, attribute)
        if marks:
            where = " (first)" if marks["tryfirst"] else " (last)" if marks["trylast"] else ""
            name = marks.get("specname") or attribute
            found[name] = name + where
    return [found[name] for name in _HOOKS if name in found]


def summary_of(plugin: object) -> str:
    """Return the first paragraph of a plugin's docstring on one line; empty if it has none."""
    target = plugin if isinstance(plugin, type | ModuleType) else type(plugin)
    text = inspect.cleandoc(target.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())


def effective_settings(loaded: LoadedPlugin, settings: Settings) -> Iterator[SettingLine]:
    """Yield the settings that a loaded plugin runs with; the comments tell what set each."""
    if loaded.settings is None:
        return
    table = settings.tables.get(loaded.name, {})
    fields = type(loaded.settings).model_fields
    for name, field in fields.items():
        key = field.alias if field.alias and field.alias in table else name
        source = _source(settings, (loaded.name, key)) if key in table else "default"
        value = getattr(loaded.settings, name)
        yield _line(key, value, field_type(field), source, is_set=key in table)
    for key, value in (loaded.settings.model_extra or {}).items():
        yield _line(key, value, Any, _source(settings, (loaded.name, key)), is_set=True)


def default_settings(model: type[BaseModel]) -> Iterator[SettingLine]:
    """Yield the keys of a settings model with their defaults; the comments are descriptions."""
    for name, field in model.model_fields.items():
        key, description = field.alias or name, field.description or ""
        if field.is_required():
            yield SettingLine(f"# {key_text(key)} must be set", description, is_set=False)
        elif getattr(field, "default_factory_takes_validated_data", False):
            text = f"# {key_text(key)} follows from other settings"
            yield SettingLine(text, description, is_set=False)
        else:
            default = field.get_default(call_default_factory=True)
            yield _line(key, default, field_type(field), description, is_set=False)


def _line(key: str, value: Any, type_: Any, comment: str, *, is_set: bool) -> SettingLine:
    text = (
        f"# {key_text(key)} is not set"
        if value is None
        else f"{key_text(key)} = {written(value, type_)}"
    )
    return SettingLine(text, comment, is_set)


def _source(settings: Settings, path: tuple[str, str]) -> str:
    """Return what set a key: the line of the settings file, or environment variables."""
    where = settings.place(path).where.removeprefix(f"{settings.origin}, ")
    # A variable may set a key further inside, such as one of a table.
    inside = [
        f"environment variable {override.name}"
        for changed, override in settings.overrides.items()
        if changed[:2] == path and changed != path and isinstance(override, EnvironmentVariable)
    ]
    if inside and where == str(settings.origin):
        return ", ".join(inside)
    return ", ".join(dict.fromkeys([where, *inside]))
