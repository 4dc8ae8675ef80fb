"""Finding plugins and making them: from entry points, or as given in code.

A distribution offers a plugin by an entry point of the group ``redis_middleware``; the built-in
plugins are found in the same way. Nothing is imported before a plugin is enabled, so a plugin that
is broken stops only the programs that enabled it.
"""

from redis_middleware.discovery.entries import PluginEntry, installed_plugins
from redis_middleware.discovery.extras import require
from redis_middleware.discovery.loading import (
    LoadedPlugin,
    check_plugin,
    load_plugin,
    load_plugins,
    settings_model,
)
from redis_middleware.discovery.naming import plugin_name

__all__ = [
    "LoadedPlugin",
    "PluginEntry",
    "check_plugin",
    "installed_plugins",
    "load_plugin",
    "load_plugins",
    "plugin_name",
    "require",
    "settings_model",
]
