"""The command line as a whole: its commands, what they share, how errors are shown."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from redis_middleware import __version__
from redis_middleware.cli import bigkeys, check, demo, explain, hotkeys, plugins, schema, slots, top
from redis_middleware.cli.output import print_error, showing_warnings
from redis_middleware.errors import MiddlewareError

__all__ = ["app"]

_COMMANDS: Final = (check, plugins, explain, schema, bigkeys, hotkeys, slots, top, demo)
"""The modules of the commands, in the order of the help."""


class _Group(TyperGroup):
    """Shows the framework's own errors and warnings, and those of writing files, as messages."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with showing_warnings():
                return super().invoke(ctx)
        except BrokenPipeError:
            # Typer ends quietly where nobody reads on, as behind "| head".
            raise
        except (MiddlewareError, OSError) as error:
            print_error(str(error))
            raise typer.Exit(1) from error


app = typer.Typer(
    name="redis-middleware",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"redis-middleware {__version__}")
        raise typer.Exit


@app.callback()
def _redis_middleware(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """A pipeline of plugins around redis-py clients: its settings, its plugins, a demo.

    Settings are found as programs find them: the file that REDIS_MIDDLEWARE_SETTINGS names,
    redis-middleware.toml in this directory or a parent, or a table tool.redis-middleware in a
    pyproject.toml. Environment variables such as REDIS_MIDDLEWARE__SLOW_LOG__KEEP count too.
    """


for _module in _COMMANDS:
    _module.register(app)
