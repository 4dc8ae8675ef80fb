"""Every exception the framework raises of its own accord, the hierarchy first.

::

    MiddlewareError
    ├── SettingsError (also ValueError)      the settings, or what they name, cannot be used
    │   ├── PluginNotFoundError              no installed plugin has that name
    │   ├── PluginLoadError                  a plugin is there, but importing or building it fails
    │   └── MissingExtraError                a plugin needs a package that is not installed
    └── PluginError (also redis RedisError)  a plugin has a bug, or broke the contract of a hook

Exceptions that a plugin raises on purpose, and everything that redis-py raises, pass through the
framework unchanged and are not of this hierarchy.
"""

from __future__ import annotations

from redis.exceptions import RedisError

__all__ = [
    "MiddlewareError",
    "MissingExtraError",
    "PluginError",
    "PluginLoadError",
    "PluginNotFoundError",
    "SettingsError",
]


class MiddlewareError(Exception):
    """The base of every exception that the framework raises of its own accord."""


class SettingsError(MiddlewareError, ValueError):
    """Settings that cannot be used: the message names file, table, key, value and what to do."""


class PluginNotFoundError(SettingsError):
    """No installed plugin has the name that the settings or the code gave."""


class PluginLoadError(SettingsError):
    """A plugin was found, but its module cannot be imported or its class cannot be built."""


class MissingExtraError(SettingsError):
    """A plugin needs a package that is not installed: the message gives the install command.

    Attributes:
        setting: the key of the plugin's table that asks for the package, such as
            ``"sdk.traces"``; empty where none does.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class PluginError(MiddlewareError, RedisError):
    """A plugin has a bug or broke the contract of a hook.

    It is a ``redis.exceptions.RedisError`` too, so that code which already guards its Redis
    calls keeps guarding them. The plugin's own exception is its ``__cause__``.

    Attributes:
        plugin: the plugin's name.
        hook: the hook's name, such as ``"redis_command"``.
        subject: what the hook was called with, described without values, such as ``"GET"``.
    """

    def __init__(self, plugin: str, hook: str, subject: str, problem: str) -> None:
        super().__init__(plugin, hook, subject, problem)
        self.plugin = plugin
        self.hook = hook
        self.subject = subject
        self.problem = problem

    def __str__(self) -> str:
        return f"plugin {self.plugin!r}, hook {self.hook}, {self.subject}: {self.problem}"
