"""The options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["FileOption", "ProfileOption"]

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        help="The settings file; without it, the settings that a program here would find.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="The profile of the settings; by default the one that REDIS_MIDDLEWARE_PROFILE names.",
        show_default=False,
    ),
]
