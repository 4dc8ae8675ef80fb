"""Finding plugins and making them: from entry points, or as given in code.

A distribution offers a plugin by an entry point of the group ``redis_middleware``; the built-in
plugins are found in the same way. Nothing is imported before a plugin is enabled, so a plugin that
is broken stops only the programs that enabled it.
"""

from redis_middleware.discovery.entries import PluginEntry, installed_plugins
from redis_middleware.discovery.extras import require
from redis_middleware.discovery.loading import (
    LoadedPlugin,
    load_plugin,
    load_plugins,
    plugin_name,
    settings_model,
)

__all__ = [
    "LoadedPlugin",
    "PluginEntry",
    "installed_plugins",
    "load_plugin",
    "load_plugins",
    "plugin_name",
    "require",
    "settings_model",
]
