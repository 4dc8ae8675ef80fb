"""``redis-middleware demo``: what the plugins do, told on a cluster that is under load."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(_demo)


def _demo(
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=1, help="How long the story lasts, about.")
    ] = 40.0,
    threads: Annotated[
        int, typer.Option("--threads", "-t", min=1, max=64, help="How many threads make the load.")
    ] = 8,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Print lines, as where there is no terminal, for logs."),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the cluster up until Ctrl-C; tell how to connect."),
    ] = False,
) -> None:
    """Tell what the plugins do, in under a minute, on a cluster of three servers under load.

    One line wraps a plain client; a key goes viral and is found; the settings file is changed and
    the local cache takes the key over; a write of 20 MB is refused; a slot moves from server to
    server; one request is traced. Every figure is measured in that run. Ends with 0 only if every
    scene did what it says.

    The servers are those of the extra "embedded", or a valkey-server or redis-server on the PATH.
    They listen on this machine only and end with the demo, also by Ctrl-C.
    """
    # Importing it takes longer than most of the other commands take as a whole.
    from redis_middleware.cli.demo.story import tell_the_story

    raise typer.Exit(tell_the_story(seconds, threads=threads, plain=plain, keep=keep))
