"""``redis-middleware check``: are the settings right, and what do they come to?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from redis_middleware.cli.inspection import effective_settings, hooks_of
from redis_middleware.cli.options import ProfileOption
from redis_middleware.cli.output import console, print_error
from redis_middleware.discovery import (
    LoadedPlugin,
    installed_plugins,
    load_plugins,
    settings_model,
)
from redis_middleware.errors import SettingsError
from redis_middleware.pipeline import Pipeline
from redis_middleware.settings import Settings, load_settings
from redis_middleware.settings.origins import EnvironmentVariable
from redis_middleware.settings.sources import read_source

__all__ = ["register"]

_WIDEST_VALUE = 44


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("check")(_check)


def _check(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The settings file; without it, the settings that a program here would find.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    profile: ProfileOption = None,
) -> None:
    """Check the settings and show the pipeline that they make.

    Every table is checked by the plugin it belongs to, also those of plugins that are not
    enabled, and every profile unless one is chosen. Ends with 1 if there is a problem.
    """
    settings = load_settings(file, profile=profile)
    profiles = list(read_source(file, os.environ, None)[0].get("profiles", {}))
    loaded, problems = _load(settings)
    if loaded is not None:
        _print_pipeline(console(), settings, loaded, profiles)
    if profile is None:
        for other in profiles:
            if other != settings.profile:
                more = _load(load_settings(file, profile=other))[1]
                problems += [each for each in more if each not in problems]
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(1)
    console().print("No problems found.", style="green")


def _load(settings: Settings) -> tuple[list[LoadedPlugin] | None, list[str]]:
    """Return the plugins that run, outermost first, and every problem of the settings."""
    problems = list(_problems_of_others(settings))
    try:
        loaded = load_plugins(settings)
        Pipeline(loaded)
    except SettingsError as error:
        several = error.__cause__
        errors = several.exceptions if isinstance(several, ExceptionGroup) else (error,)
        return None, [*map(str, errors), *problems]
    return loaded, problems


def _problems_of_others(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the tables of plugins that are installed but do not run."""
    running = set(settings.plugins) - set(settings.blocked)
    for name, entry in installed_plugins().items():
        if name in settings.tables and name not in running:
            try:
                model = settings_model(entry.load())
                if model is not None:
                    settings.for_plugin(name, model)
            except SettingsError as error:
                yield str(error)


def _print_pipeline(
    out: Console, settings: Settings, loaded: list[LoadedPlugin], profiles: list[str]
) -> None:
    out.print(f"settings  {settings.origin}", soft_wrap=True)
    others = [name for name in profiles if name != settings.profile]
    if profiles:
        also = f" (there {'is' if len(others) == 1 else 'are'} also {', '.join(others)})"
        out.print(f"profile   {settings.profile or 'none'}{also if others else ''}", soft_wrap=True)
    listed_by = settings.overrides.get(("plugins",))
    if isinstance(listed_by, EnvironmentVariable):
        out.print(f"plugins   environment variable {listed_by.name}", soft_wrap=True)
    if not loaded:
        out.print("No plugins run.")
    else:
        out.print(f"pipeline  {' > '.join(plugin.name for plugin in loaded)} > server")
    for number, plugin in enumerate(loaded, start=1):
        out.print()
        heading = Text.assemble(f"{number}. ", (plugin.name, "bold"), (f"  {plugin.origin}", "dim"))
        out.print(heading, soft_wrap=True)
        observes = "; only observes" if getattr(plugin.plugin, "observes", False) else ""
        out.print(f"   hooks: {', '.join(hooks_of(plugin.plugin))}{observes}", soft_wrap=True)
        _print_settings(out, settings, plugin)
        for remark in getattr(plugin.plugin, "remarks", tuple)():
            out.print(f"   note: {remark}", style="yellow", soft_wrap=True)
    out.print()
    for name in settings.plugins:
        if name in settings.blocked:
            out.print(f"{name} is listed, but blocked.", style="yellow")
    for name in settings.tables:
        if name not in settings.plugins:
            out.print(f"{name} has a table, but is not enabled.", style="yellow")


def _print_settings(out: Console, settings: Settings, plugin: LoadedPlugin) -> None:
    lines = list(effective_settings(plugin, settings))
    width = min(max((len(line.text) for line in lines), default=0), _WIDEST_VALUE)
    for line in lines:
        text = Text(f"   {line.text}", "" if line.is_set else "dim")
        if line.text[0] != "#":
            text.pad_right(width - len(line.text))
            text.append(f"  # {line.comment}", "dim")
        out.print(text, soft_wrap=True)
