"""The errors for plugins whose own code fails while they are imported or made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis_middleware.discovery.extras import extra_of_module, install_command
from redis_middleware.errors import MissingExtraError, PluginLoadError, SettingsError

if TYPE_CHECKING:
    from redis_middleware.discovery.entries import PluginEntry

__all__ = ["load_failure"]


def load_failure(
    name: str, origin: str, entry: PluginEntry | None, what: str, error: Exception
) -> SettingsError:
    """Return the error to raise from ``error``.

    Args:
        name: the plugin's name.
        origin: the distribution and the entry point, or the class given in code.
        entry: the entry point, if it comes from one.
        what: what failed, such as ``"be imported"``.
        error: what the plugin's code raised.
    """
    plugin = f"plugin {name!r}, {origin}, cannot {what}"
    if isinstance(error, MissingExtraError):
        return MissingExtraError(f"{plugin}: {error}")
    if entry is not None and isinstance(error, ModuleNotFoundError) and error.name:
        extra = extra_of_module(error.name, entry.requirements)
        if extra is not None:
            return MissingExtraError(
                f"{plugin}: the module {error.name!r} is not installed: "
                f"{install_command(entry.distribution, extra)}"
            )
    remedy = "correct it" if entry is None else f"update or repair {entry.distribution}"
    return PluginLoadError(
        f"{plugin}: {type(error).__name__}: {error}; {remedy}, or take {name!r} out of the plugins"
    )
