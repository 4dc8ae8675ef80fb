"""``redis-middleware demo``: a server, a wrapped client under load, and what the plugins did."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Annotated, Final

import redis
import typer

from redis_middleware import middleware_of, wrap
from redis_middleware.cli.demo.cost import measure_cost
from redis_middleware.cli.demo.display import operations_table
from redis_middleware.cli.demo.measurements import Measurements
from redis_middleware.cli.demo.reports import REPORTS
from redis_middleware.cli.demo.watching import LatestLine, watch
from redis_middleware.cli.demo.workload import Workers, fill
from redis_middleware.cli.output import console
from redis_middleware.embedded import standalone
from redis_middleware.embedded.workspace import Workspace

__all__ = ["register"]

_SETTINGS: Final = Path(__file__).with_name("redis-middleware.toml")
_INTERRUPTED: Final = 130


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(_demo)


def _demo(
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.1, help="How long the load lasts.")
    ] = 5.0,
    threads: Annotated[
        int, typer.Option("--threads", "-t", min=1, max=64, help="How many threads make it.")
    ] = 4,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Print lines instead of a table that changes in place."),
    ] = False,
) -> None:
    """Start a server, put a wrapped client under a shop's load, and show what the plugins did.

    The server is that of the extra "embedded", or a valkey-server or redis-server on the PATH. It
    listens on this machine only and ends with the demo, also by Ctrl-C. Every figure is measured
    while the demo runs.
    """
    out = console()
    with Workspace() as workspace, standalone() as server:
        settings = workspace.directory / _SETTINGS.name
        settings.write_text(_SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
        out.print(f"server    {server.name} {server.version} on {server.host}:{server.port}")
        out.print(f"client    wrap(redis.Redis.from_url({server.url!r}), settings)", soft_wrap=True)
        out.print(f"settings  {settings}\n", soft_wrap=True)
        out.print(settings.read_text(encoding="utf-8"), style="dim", soft_wrap=True)
        with redis.Redis.from_url(server.url) as bare, redis.Redis.from_url(server.url) as client:
            fill(bare)
            wrap(client, settings)
            measurements = Measurements()
            log = LatestLine()
            start = time.perf_counter()
            interrupted = False
            try:
                with log, Workers(client, measurements, threads, Random()):
                    watch(out, measurements, log, seconds, plain=plain)
            except KeyboardInterrupt:
                interrupted = True
            took = time.perf_counter() - start
            out.print()
            out.print(operations_table(measurements, took, out.width))
            for name, plugin in middleware_of(client).plugins.items():
                # The environment may have enabled others than the demo's own.
                if name in REPORTS:
                    out.print(REPORTS[name](plugin))
            if log.line:
                out.print(f"latest log line: {log.line}\n", style="dim", soft_wrap=True)
            if interrupted:
                raise typer.Exit(_INTERRUPTED)
            cost = measure_cost(bare, client, "session:0")
            out.print(
                f"one GET now, without load: {cost.bare * 1e6:.1f} us bare, "
                f"{cost.wrapped * 1e6:.1f} us through the plugins "
                f"({cost.wrapped / cost.bare:.2f} times)"
            )
