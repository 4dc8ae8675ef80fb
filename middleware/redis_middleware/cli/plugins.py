"""``redis-middleware plugins``: which plugins there are."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from redis_middleware.cli.inspection import default_settings, hooks_of, summary_of
from redis_middleware.cli.options import FileOption, ProfileOption
from redis_middleware.cli.output import console
from redis_middleware.cli.values import key_text
from redis_middleware.discovery import PluginEntry, check_plugin, installed_plugins
from redis_middleware.errors import PluginNotFoundError, SettingsError
from redis_middleware.settings import Settings, load_settings
from redis_middleware.settings.problems import did_you_mean

__all__ = ["register"]

_INDENT = "    "
_WIDEST_TEXT = 100


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plugins")(_plugins)


def _plugins(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Show these only.", metavar="NAME", show_default=False),
    ] = None,
    file: FileOption = None,
    profile: ProfileOption = None,
) -> None:
    """List the plugins that are installed: where from, enabled or not, and their settings.

    The settings are shown with their defaults, as a settings file would have them.
    """
    settings = load_settings(file, profile=profile)
    installed = installed_plugins()
    for name in names or ():
        if name not in installed:
            raise PluginNotFoundError(
                f"no installed plugin has the name {name!r}{did_you_mean(name, installed) or ';'} "
                f"installed are {', '.join(installed) or 'none'}"
            )
    out = console()
    out.print(f"settings  {settings.origin}", soft_wrap=True)
    for name in names or installed:
        out.print()
        _print_plugin(out, installed[name], _state(name, settings))
    for name in settings.plugins:
        if name not in installed and not names:
            out.print()
            out.print(Text.assemble((name, "bold"), ("  enabled, but not installed", "red")))


def _state(name: str, settings: Settings) -> str:
    if name in settings.blocked:
        return "blocked"
    if name not in settings.plugins:
        return "not enabled"
    running = [known for known in settings.plugins if known not in settings.blocked]
    return f"enabled, {running.index(name) + 1} of {len(running)}"


def _print_plugin(out: Console, entry: PluginEntry, state: str) -> None:
    style = "green" if state.startswith("enabled") else "yellow"
    heading = Text.assemble(
        (entry.name, "bold"), "  ", (state, style), (f"  {entry}", "dim"), overflow="fold"
    )
    out.print(heading, soft_wrap=True)
    try:
        plugin, model = check_plugin(entry)
    except SettingsError as error:
        out.print(f"{_INDENT}{error}", style="red", soft_wrap=True)
        return
    if summary := summary_of(plugin):
        _print_wrapped(out, summary, _INDENT)
    observes = "; only observes" if getattr(plugin, "observes", False) else ""
    _print_wrapped(out, f"hooks: {', '.join(hooks_of(plugin)) or 'none'}{observes}", _INDENT)
    if model is None:
        out.print(f"{_INDENT}no settings")
        return
    out.print(f"\n{_INDENT}[{key_text(entry.name)}]", style="bold")
    for line in default_settings(model):
        if line.comment:
            _print_wrapped(out, line.comment, f"{_INDENT}# ", "dim")
        out.print(f"{_INDENT}{line.text}", soft_wrap=True)


def _print_wrapped(out: Console, text: str, indent: str, style: str = "") -> None:
    width = min(out.width, _WIDEST_TEXT)
    filled = textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )
    out.print(filled, style=style or None, soft_wrap=True)
