"""The plugins of a running client after its settings changed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from redis_middleware.chains import is_bug
from redis_middleware.discovery import LoadedPlugin, load_plugin, load_plugins
from redis_middleware.errors import PluginError
from redis_middleware.settings import Settings

__all__ = ["Reconfiguration", "plugins_after"]

logger = logging.getLogger("redis_middleware")


def plugins_after(
    settings: Settings,
    sources: Sequence[object] | None,
    running: Sequence[LoadedPlugin],
    added: Mapping[str, object],
    removed: Collection[str],
) -> list[LoadedPlugin]:
    """The plugins that changed settings come to, outermost first; nothing is changed yet.

    Args:
        settings: the changed settings.
        sources: the plugins given in code in place of the settings' list.
        running: the plugins of the running pipeline, outermost first.
        added: what code added to the running pipeline, by name: each stays right inside of the
            plugin that it is inside of now. Those that the settings block go.
        removed: the names of plugins that code took out: they stay out.

    Raises:
        SettingsError: the settings cannot be used.
    """
    plugins = [
        loaded for loaded in load_plugins(settings, sources, running) if loaded.name not in removed
    ]
    outside: str | None = None
    for known in running:
        names = [loaded.name for loaded in plugins]
        if known.name in added and known.name not in (*names, *settings.blocked):
            place = 0 if outside is None else names.index(outside) + 1
            plugins.insert(place, load_plugin(added[known.name], settings, known))
            names.append(known.name)
        if known.name in names:
            outside = known.name
    return plugins


class Reconfiguration:
    """Gives running plugins their changed settings, all of them or none.

    Args:
        plugins: the plugins as they are to be.
        running: the plugins as they are.
    """

    def __init__(self, plugins: Sequence[LoadedPlugin], running: Sequence[LoadedPlugin]) -> None:
        before = {known.name: known for known in running}
        self._changes = [
            (before[loaded.name], loaded)
            for loaded in plugins
            if loaded.name in before
            and before[loaded.name] is not loaded
            and before[loaded.name].plugin is loaded.plugin
        ]
        self._begun: list[LoadedPlugin] = []

    def apply(self) -> None:
        """Reconfigure the plugins.

        Raises:
            Exception: what a plugin raised on purpose.
            PluginError: a plugin's ``reconfigure`` has a bug.
        """
        for known, loaded in self._changes:
            self._begun.append(known)
            try:
                _reconfigure(loaded)
            except Exception as error:
                if not is_bug(error):
                    raise
                problem = f"{type(error).__name__}: {error}"
                raise PluginError(
                    loaded.name, "reconfigure", "its changed settings", problem
                ) from error

    def undo(self) -> None:
        """Give the plugins that got changed settings those from before."""
        while self._begun:
            known = self._begun.pop()
            try:
                _reconfigure(known)
            except Exception as error:
                logger.error(
                    "plugin %r refuses even the settings that it had: %s",
                    known.name,
                    error,
                    exc_info=error,
                )


def _reconfigure(loaded: LoadedPlugin) -> None:
    loaded.plugin.reconfigure(loaded.settings)  # type: ignore[attr-defined]
