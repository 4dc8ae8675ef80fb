"""The errors for plugins whose own code fails while they are imported or made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis_middleware.discovery.extras import extra_of_module, install_command
from redis_middleware.discovery.naming import name_and_origin
from redis_middleware.errors import MissingExtraError, PluginLoadError, SettingsError
from redis_middleware.settings.problems import shown

if TYPE_CHECKING:
    from redis_middleware.discovery.entries import PluginEntry
    from redis_middleware.settings import Settings

__all__ = ["load_failure"]


def load_failure(
    name: str,
    origin: str,
    entry: PluginEntry | None,
    what: str,
    error: BaseException,
    settings: Settings | None = None,
) -> SettingsError:
    """Return the error to raise from ``error``.

    Args:
        name: the plugin's name.
        origin: the distribution and the entry point, or the class given in code.
        entry: the entry point, if it comes from one.
        what: what failed, such as ``"be imported"``.
        error: what the plugin's code raised.
        settings: what the plugin was being made with.
    """
    plugin = f"{name_and_origin(name, origin)}, cannot {what}"
    if isinstance(error, MissingExtraError):
        asked_for = _place_and_value(name, error.setting, settings)
        return MissingExtraError(f"{asked_for}{plugin}: {error}", error.setting)
    if entry is not None and isinstance(error, ModuleNotFoundError) and error.name:
        extra = extra_of_module(error.name, entry.requirements)
        if extra is not None:
            return MissingExtraError(
                f"{plugin}: the module {error.name!r} is not installed: "
                f"{install_command(entry.distribution, extra)}"
            )
    raised = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    remedy = "correct it" if entry is None else f"update or repair {entry.distribution}"
    return PluginLoadError(f"{plugin}: {raised}; {remedy}, or take {name!r} out of the plugins")


def _place_and_value(name: str, setting: str, settings: Settings | None) -> str:
    if not setting or settings is None:
        return ""
    path = (name, *setting.split("."))
    value: Any = settings.tables
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return f"{settings.place(path)}{'' if value is None else f' = {shown(value)}'}: "
