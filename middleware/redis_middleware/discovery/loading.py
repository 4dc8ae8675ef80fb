"""Making the plugins that a client is to have, each with its settings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

from redis_middleware.discovery.declarations import constructor_problem, hook_problem
from redis_middleware.discovery.entries import PluginEntry, installed_plugins
from redis_middleware.discovery.failures import load_failure
from redis_middleware.discovery.naming import (
    class_name,
    given_in_code,
    name_and_origin,
    plugin_name,
)
from redis_middleware.errors import (
    MissingExtraError,
    PluginLoadError,
    PluginNotFoundError,
    SettingsError,
)
from redis_middleware.settings.overlays import RESERVED_KEYS
from redis_middleware.settings.problems import combined, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

    from redis_middleware.settings.settings import Settings

__all__ = [
    "LoadedPlugin",
    "check_plugin",
    "load_plugin",
    "load_plugins",
    "settings_model",
]

_ARGUMENT = "the plugins argument"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin ready to be registered.

    Attributes:
        name: its name, unique among the plugins of a client.
        plugin: the object whose methods are the hooks.
        settings: what it was made with: an instance of its settings model, or None where it has no
            model or was given as an object.
        origin: where it is from: ``"redis-middleware 0.1.0
            (redis_middleware_plugins.slow_log:SlowLog)"`` or ``"given in code (module.Class)"``.
    """

    name: str
    plugin: object
    settings: BaseModel | None
    origin: str


def settings_model(plugin: object, known_as: str = "") -> type[BaseModel] | None:
    """Return the settings model of a plugin, given as class or object; None where it has none.

    Args:
        plugin: the plugin.
        known_as: its name and where it is from, for the error's message; as for a plugin given in
            code where it is empty.

    Raises:
        PluginLoadError: its ``Settings`` is not a pydantic model.
    """
    model = getattr(plugin, "Settings", None)
    if model is None:
        return None
    from pydantic import BaseModel

    if isinstance(model, type) and issubclass(model, BaseModel):
        return model
    known_as = known_as or name_and_origin(plugin_name(plugin), given_in_code(plugin))
    raise PluginLoadError(
        f"{known_as}: its Settings is {model!r}: make it a class derived from pydantic.BaseModel"
    )


def check_plugin(entry: PluginEntry) -> tuple[object, type[BaseModel] | None]:
    """Import an installed plugin and check what can be checked without making it.

    Returns:
        The class or object that the entry point names, and its settings model.

    Raises:
        PluginLoadError: it cannot be imported, is no plugin, or has a hook, a constructor or a
            settings model that would stop it from running.
        MissingExtraError: its import needs a package that is not installed.
    """
    target, known_as = entry.load(), name_and_origin(entry.name, str(entry))
    _refuse_another_name(entry, target)
    _refuse_no_plugin(target, known_as)
    model = settings_model(target, known_as)
    problem = (
        constructor_problem(target, with_settings=model is not None)
        if isinstance(target, type)
        else ""
    ) or hook_problem(target)
    if problem:
        raise PluginLoadError(f"{known_as}: {problem}")
    return target, model


def load_plugin(
    source: object, settings: Settings, running: LoadedPlugin | None = None
) -> LoadedPlugin:
    """Find one plugin, check its settings and make it.

    Args:
        source: the name of an installed plugin, a plugin class, or an object that is a plugin.
            An object keeps what it was made with: no table of the settings is read for it.
        settings: the settings that hold the plugin's table.
        running: the plugin of that name which the settings are to change, as for ``load_plugins``.

    Raises:
        PluginNotFoundError: no installed plugin has that name.
        PluginLoadError: it cannot be imported or made, or is no plugin.
        MissingExtraError: it needs a package that is not installed.
        SettingsError: its table does not fit its model.
    """
    if not isinstance(source, str):
        return _load(source, None, settings, running)
    installed = installed_plugins()
    if source not in installed:
        raise PluginNotFoundError(_not_found(source, installed))
    return _load(source, installed[source], settings, running)


def _load(
    source: object,
    entry: PluginEntry | None,
    settings: Settings,
    running: LoadedPlugin | None = None,
) -> LoadedPlugin:
    if entry is None:
        name, target = plugin_name(source), source
        origin = given_in_code(source)
    else:
        name, target, origin = entry.name, entry.load(), str(entry)
        _refuse_another_name(entry, target)
    known_as = name_and_origin(name, origin)
    _refuse_no_plugin(target, known_as if entry else _ARGUMENT)
    if not isinstance(target, type):
        same = running is not None and running.plugin is target
        return running if running and same else LoadedPlugin(name, target, None, origin)
    try:
        options = _options(name, target, settings, known_as)
        if running is not None and type(running.plugin) is target:
            if running.settings == options:
                return running
            if hasattr(running.plugin, "reconfigure"):
                return replace(running, settings=options)
        if problem := constructor_problem(target, with_settings=options is not None):
            raise PluginLoadError(f"{known_as}: {problem}")
        plugin = target() if options is None else target(options)
    except (Exception, SystemExit) as error:
        if isinstance(error, SettingsError) and not isinstance(error, MissingExtraError):
            raise
        raise load_failure(name, origin, entry, "be made", error, settings) from error
    return LoadedPlugin(name, plugin, options, origin)


def load_plugins(
    settings: Settings,
    plugins: Iterable[object] | None = None,
    running: Iterable[LoadedPlugin] = (),
) -> list[LoadedPlugin]:
    """Load the enabled plugins, outermost first, but not those that are blocked.

    A name that is blocked but not installed is only logged: a kill switch set for many programs
    must not stop those that never had the plugin.

    Args:
        settings: the settings in force.
        plugins: names, classes and objects to load in place of ``settings.plugins``.
        running: the plugins that the settings are to change. One whose settings stay the same is
            returned as it is; one that has ``reconfigure`` is returned with the same ``plugin`` and
            the new ``settings``, and it is the caller who reconfigures it; others are made anew.

    Raises:
        SettingsError: or one of its subclasses, as for ``load_plugin``; also for two plugins of
            one name and for a table that belongs to no plugin. Where there is more than one
            problem, the message lists them all.
        TypeError: ``plugins`` is not a collection of plugins.
    """
    if isinstance(plugins, (str, type)) or not isinstance(plugins, Iterable | None):
        # Not the value: it may be the settings, or a server's URL with a password.
        kind = plugins if isinstance(plugins, type) else type(plugins)
        raise TypeError(f"plugins is a list of names, classes and objects, not {kind.__qualname__}")
    listed = plugins is None
    sources = list(settings.plugins if plugins is None else plugins)
    names = [source if isinstance(source, str) else plugin_name(source) for source in sources]
    by_name = any(isinstance(source, str) for source in sources)
    installed = installed_plugins() if by_name or settings.tables or settings.blocked else {}
    known = {*installed, *names}
    for name in settings.blocked:
        if name not in known:
            _logger.warning("%s: %s", settings.place(("blocked",)), _not_found(name, known))
    errors = [
        *_table_errors(settings, known),
        *_name_errors(names, sources, settings if listed else None),
    ]
    before = {plugin.name: plugin for plugin in running}
    loaded = []
    for number, (name, source) in enumerate(zip(names, sources, strict=True)):
        if name in settings.blocked:
            _logger.info("plugin %r is blocked by the settings and not loaded", name)
        elif isinstance(source, str) and source not in installed:
            where = settings.place(("plugins", number)) if listed else _ARGUMENT
            errors.append(PluginNotFoundError(f"{where}: {_not_found(source, installed)}"))
        else:
            entry = installed[source] if isinstance(source, str) else None
            try:
                loaded.append(_load(source, entry, settings, before.get(name)))
            except SettingsError as error:
                errors.append(error)
    if errors:
        raise combined(errors)
    return loaded


def _refuse_another_name(entry: PluginEntry, target: object) -> None:
    own = getattr(target, "name", None)
    # The list, the tables and the handle go by one name; under a second one settings go unread.
    if isinstance(own, str) and own != entry.name:
        raise PluginLoadError(
            f"plugin {entry.name!r}, {entry}: its attribute `name` is {own!r}: it must be that of "
            f"the entry point; update {entry.distribution}, or tell its authors"
        )


def _refuse_no_plugin(target: object, where: str) -> None:
    if not isinstance(target, (type, ModuleType)) and type(target).__module__ == "builtins":
        raise PluginLoadError(
            f"{where}: an object of type {type(target).__qualname__} is no plugin: give a name, a "
            "class with hooks, or an object of such a class"
        )


def _options(name: str, cls: type, settings: Settings, known_as: str) -> BaseModel | None:
    model = settings_model(cls, known_as)
    if model is not None:
        return settings.for_plugin(name, model)
    if settings.tables.get(name):
        where = settings.place((name,)).of_table()
        raise SettingsError(f"{where}: plugin {name!r} has no settings: remove the table")
    return None


def _not_found(name: str, installed: Iterable[str]) -> str:
    return (
        f"no installed plugin has the name {name!r}{did_you_mean(name, installed) or ';'} "
        "`redis-middleware plugins` lists those that are installed"
    )


def _table_errors(settings: Settings, known: set[str]) -> Iterator[SettingsError]:
    for name, table in settings.tables.items():
        if name in known:
            continue
        set_by_overrides = [path for path in settings.overrides if path[0] == name]
        if {path[1] for path in set_by_overrides if path[1:]} >= set(table):
            where = settings.place(set_by_overrides[0]).where
        else:
            where = settings.place((name,)).where
        yield PluginNotFoundError(
            f"{where}: table [{name}]: {_not_found(name, known)} (the table of a class that only "
            "some clients are given belongs in their profile)"
        )


def _name_errors(
    names: Sequence[str], sources: Sequence[object], listed_by: Settings | None
) -> Iterator[SettingsError]:
    for name in dict.fromkeys(names):
        same = [
            repr(source) if isinstance(source, str) else class_name(source)
            for source, its_name in zip(sources, names, strict=True)
            if its_name == name
        ]
        if len(same) == 1 and name not in RESERVED_KEYS:
            continue
        where = _ARGUMENT if listed_by is None else listed_by.place(("plugins",))
        if len(same) > 1:
            yield SettingsError(
                f"{where}: two plugins of the same name, {name!r} ({' and '.join(same)}): remove "
                "one, or give one of them another `name`"
            )
        if name in RESERVED_KEYS:
            yield PluginLoadError(
                f"{where}: a plugin cannot have the name {name!r}, which is a key of the settings"
            )
