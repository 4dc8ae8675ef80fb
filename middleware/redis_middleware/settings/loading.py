"""Loading settings: find, read, lay the profile and the environment over them, check."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from redis_middleware.errors import SettingsError
from redis_middleware.settings.origins import KeyPath, Origin, Override, ProfileTable
from redis_middleware.settings.overlays import PREFIX, RESERVED_KEYS, merge, merge_environment
from redis_middleware.settings.problems import (
    Place,
    did_you_mean,
    nearest,
    place_of,
    settings_error,
)
from redis_middleware.settings.settings import Settings
from redis_middleware.settings.sources import PATH_VARIABLE, near_misses, read_source

__all__ = ["PROFILE_VARIABLE", "load_settings"]

PROFILE_VARIABLE = "REDIS_MIDDLEWARE_PROFILE"

_SINGLE = PREFIX.removesuffix("_")
_logger = logging.getLogger("redis_middleware")


def load_settings(
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
) -> Settings:
    """Return the settings in force.

    They are read from the first of these that there is: ``source``; the file that
    ``REDIS_MIDDLEWARE_SETTINGS`` names; ``redis-middleware.toml`` in the directory or the nearest
    parent; ``[tool.redis-middleware]`` of the nearest ``pyproject.toml`` that has it. Else they
    are empty, which is logged, with a warning of files and tables that are nearly one of these. A
    file that is empty is warned of, too.

    The profile lies over them (lists replace, tables merge key by key), and over both lie the
    environment variables ``REDIS_MIDDLEWARE__TABLE__KEY``, in any case of letters. A variable's
    value is JSON where it parses, else text; tables deeper inside take further ``__``. A variable
    that is nearly one of these does nothing but a warning in the log. A key is
    spelled as the file spells it, else in lower case. ``REDIS_MIDDLEWARE__PLUGINS`` and
    ``REDIS_MIDDLEWARE__BLOCKED`` are JSON lists or names between commas; the names in the latter
    are added to those that are blocked already. A variable for a plugin that is not enabled does
    nothing, just as a table for it does nothing.

    The tables of the plugins are not looked into: see ``Settings.for_plugin``.

    Args:
        source: a TOML file (a ``pyproject.toml`` is read at ``[tool.redis-middleware]``), the
            settings themselves, or None for the search. A relative path is relative to the
            working directory.
        profile: the profile to use; ``REDIS_MIDDLEWARE_PROFILE`` when None, except with a mapping
            that has no profiles.
        environ: the environment.
        directory: where the search begins; the working directory when None.

    Raises:
        SettingsError: a file is missing, unreadable or not TOML, the profile is unknown, or the
            top level is wrong. The message lists every problem.
        TypeError: ``source`` is neither a path nor a mapping.
    """
    for name, meant in _near_miss_variables(environ):
        _logger.warning("environment variable %s does nothing; did you mean %s?", name, meant)
    raw, origin = read_source(source, environ, directory)
    if origin == Origin():
        for passed_over, meant in near_misses(directory):
            _logger.warning("%s is not read; did you mean %s?", passed_over, meant)
    chosen, chosen_by = _chosen_profile(profile, environ, raw, origin)
    if not raw and chosen is None and not any(name.upper().startswith(PREFIX) for name in environ):
        _tell_that_nothing_runs(origin, directory)
        return Settings(origin=origin)

    from redis_middleware.settings.validation import top_level_problems

    said = bool(raw)
    overrides: dict[KeyPath, Override] = {}

    def place(path: KeyPath) -> Place:
        return place_of(origin, overrides, path)

    if problems := top_level_problems(raw, place):
        raise settings_error(problems)
    profiles = raw.pop("profiles", {})
    if chosen is not None:
        if chosen not in profiles:
            raise SettingsError(_unknown_profile(chosen, chosen_by, profiles, origin))
        merge(raw, profiles[chosen], ProfileTable(chosen), overrides)
    problems = merge_environment(raw, environ, overrides)
    problems += top_level_problems(raw, place)
    if problems:
        raise settings_error(problems)
    if not said and "plugins" not in raw:
        _tell_that_nothing_runs(origin, directory)
    return Settings(
        plugins=tuple(raw.get("plugins", ())),
        blocked=tuple(raw.get("blocked", ())),
        tables=MappingProxyType(
            {name: table for name, table in raw.items() if name not in RESERVED_KEYS}
        ),
        profile=chosen,
        origin=origin,
        overrides=MappingProxyType(overrides),
    )


def _tell_that_nothing_runs(origin: Origin, directory: Path | None) -> None:
    outcome = "no plugin runs, but for those given in code"
    if origin.path is not None:
        table = f"[{'.'.join(origin.prefix)}] of " if origin.prefix else ""
        # A file that was emptied by accident, or is about to be written, takes all plugins off.
        _logger.warning(
            "%s%s is empty, so %s: write plugins = [] if that is meant", table, origin, outcome
        )
    elif not origin.given_in_code:
        start = Path.cwd() if directory is None else directory
        _logger.info("no settings found from %s upwards: %s", start, outcome)


def _near_miss_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield variables that nobody reads, each with the one that was meant.

    Not every variable of our prefix is meant for us: Kubernetes makes REDIS_MIDDLEWARE_PORT and
    others for a service that is called so.
    """
    for name in environ:
        rest = name.upper().removeprefix(_SINGLE)
        if rest == name.upper() or rest.startswith("_"):
            continue
        if "__" in rest or rest.casefold() in ("plugins", "blocked"):
            yield name, PREFIX + rest
        elif name not in (PATH_VARIABLE, PROFILE_VARIABLE):
            meant = nearest(name, (PATH_VARIABLE, PROFILE_VARIABLE), at_least=0.95)
            if meant is not None:
                yield name, meant


def _chosen_profile(
    profile: str | None, environ: Mapping[str, str], raw: Mapping[str, Any], origin: Origin
) -> tuple[str | None, str]:
    if profile is not None:
        return profile, "the profile argument"
    # The variable means the profiles of the program's settings file; settings given in code need
    # not have any.
    if origin.given_in_code and "profiles" not in raw:
        return None, ""
    return environ.get(PROFILE_VARIABLE) or None, f"environment variable {PROFILE_VARIABLE}"


def _unknown_profile(
    name: str, chosen_by: str, profiles: Mapping[str, object], origin: Origin
) -> str:
    there = ", ".join(profiles)
    meant = did_you_mean(name, profiles)
    has = f"it has the profiles {there}" if there else f"it has none: add [profiles.{name}]"
    return f"{chosen_by}: no profile {name!r} in {origin}{meant or ';'} {has}"
