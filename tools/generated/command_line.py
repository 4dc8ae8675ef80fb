"""The command line's reference as Markdown, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import typer
from typer.core import TyperArgument, TyperGroup

from redis_middleware.cli.application import app

__all__ = ["command_line"]

_PROGRAM: Final = "redis-middleware"
_OF_TYPER: Final = ("install_completion", "show_completion")


def command_line() -> str:
    """A section for each command: what it does, its arguments and its options."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    sections = list(_section(group, f"{_PROGRAM} [OPTIONS] COMMAND …"))
    for name, command in group.commands.items():
        usage = " ".join((_PROGRAM, name, "[OPTIONS]", *map(_in_usage, _arguments(command))))
        sections += ["", f"## {name}", "", *_section(command, usage)]
    return "\n".join(sections)


def _section(command: Any, usage: str) -> Iterator[str]:
    yield inspect.cleandoc(command.help)
    yield from (
        "",
        f"`{usage}`",
        "",
        "| argument or option | default | what for |",
        "|---|---|---|",
    )
    for parameter in (*_arguments(command), *_options(command)):
        yield f"| {_names(parameter)} | {_default(parameter)} | {_escaped(parameter.help)} |"
    yield "| `-h`, `--help` | | Show the help and end. |"


def _arguments(command: Any) -> list[Any]:
    return [each for each in command.params if isinstance(each, TyperArgument)]


def _options(command: Any) -> list[Any]:
    arguments = _arguments(command)
    return [each for each in command.params if each not in arguments and each.name not in _OF_TYPER]


def _in_usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = f"{name} …" if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _names(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    names = sorted((*parameter.opts, *parameter.secondary_opts), key=len)
    return ", ".join(f"`{name}`" for name in names)


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(value, Enum):
        value = value.value
    if parameter.required:
        return "must be given"
    # A flag that is off needs no word, and neither does what is not there.
    return f"`{value}`" if value not in (None, False) and not callable(value) else ""


def _escaped(text: str) -> str:
    return text.replace("|", "&#124;").replace("<", "&lt;")
