"""``redis-middleware schema``: for editors that complete and check settings files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from redis_middleware.discovery import installed_plugins
from redis_middleware.settings.json_schema import json_schema

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("schema")(_schema)


def _schema(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write it to this file; without it, it is printed.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the JSON schema of the settings file, with the plugins that are installed here.

    Editors with TOML support (taplo, Even Better TOML) use it to complete and check: write it to
    redis-middleware.schema.json and begin the settings file with the line
    #:schema ./redis-middleware.schema.json
    """
    text = json.dumps(json_schema(installed_plugins()), indent=2, ensure_ascii=False)
    if output is None:
        print(text)
    else:
        output.write_text(f"{text}\n", encoding="utf-8")
