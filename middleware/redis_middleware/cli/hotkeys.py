"""``redis-middleware hotkeys``: what the servers know of hot keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from redis_middleware.cli.output import console, counted, print_server_error
from redis_middleware.cli.server_url import usable_url
from redis_middleware_plugins.key_access.privacy import key_text
from redis_middleware_plugins.key_access.server_side import (
    Finding,
    by_frequency,
    by_hotkeys,
    by_monitor,
    by_slot_stats,
)
from redis_middleware_plugins.size_guard.bigkeys import Node, find_nodes

__all__ = ["register"]

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_MONITOR: Final = (
    "--monitor 1 watches every command for a second, which slows the servers down; or "
)
_KEY_ACCESS: Final = (
    "enable the plugin key_access in the application, and look with redis-middleware top"
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("hotkeys")(_hotkeys)


def _hotkeys(
    url: Annotated[
        str, typer.Argument(help="The URL of a server, or of any one of a cluster.")
    ] = "redis://localhost:6379",
    top: Annotated[
        int, typer.Option(min=1, max=1000, help="Keys or slots of each server at most.")
    ] = 10,
    measure: Annotated[
        int | None,
        typer.Option(
            min=1, max=300, help="Run a session of HOTKEYS for so many seconds, on each server."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, help="Keys per second that OBJECT FREQ asks for at most.")
    ] = 20_000,
    scan: Annotated[
        bool, typer.Option("--scan/--no-scan", help="Whether to look at every key (OBJECT FREQ).")
    ] = True,
    monitor: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=60,
            help="Watch every command for so many seconds with MONITOR, which slows the server "
            "by half or more: never without need.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Ask the servers for their hot keys, with whatever each has, and tell what was not there.

    Of every server of a cluster: HOTKEYS (Redis 8.6), CLUSTER SLOT-STATS (Valkey 8, Redis 8.2), and
    OBJECT FREQ where the policy is an LFU one. Nothing is written. MONITOR is used only with
    --monitor.
    """
    errors = Console(stderr=True, markup=False, highlight=False)
    try:
        nodes, _ = find_nodes(usable_url(url), replicas=False)
        findings = list(_findings(nodes, top, measure, rate if scan else None, errors, quiet))
        if monitor is not None:
            errors.print(
                f"MONITOR slows a server down; it runs for {monitor:g} s on "
                f"{counted(len(nodes), 'server')}",
                style="bold yellow",
            )
            findings += [by_monitor(node.client, node.name, top, monitor) for node in nodes]
    except (RedisError, ValueError) as error:
        print_server_error(url, error)
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        errors.print("broken off")
        raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps([_as_dict(finding) for finding in findings], indent=1))
    else:
        _print(console(), findings)


def _findings(
    nodes: list[Node],
    top: int,
    measure: int | None,
    rate: float | None,
    errors: Console,
    quiet: bool,
) -> Iterator[Finding]:
    for node in nodes:
        yield by_hotkeys(node.client, node.name, top, measure)
        yield by_slot_stats(node.client, node.name, top)
        if rate is None:
            yield Finding("OBJECT FREQ", node.name, note="left out by --no-scan")
            continue
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=errors,
            disable=quiet or not errors.is_terminal,
        ) as progress:
            task = progress.add_task(f"OBJECT FREQ {node.name}", total=None)

            def show(done: int, total: int, bar: Any = progress, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            yield by_frequency(node.client, node.name, top, rate, show)


def _print(out: Console, findings: list[Finding]) -> None:
    used = [finding for finding in findings if finding.was_used]
    for finding in used:
        title = f"{finding.way} on {finding.node}"
        if not finding.rows:
            out.print(f"{title}: nothing; {finding.note}", soft_wrap=True)
            continue
        names = list(dict.fromkeys(name for row in finding.rows for name in row.values))
        # As a line of its own: a caption is as narrow as its table.
        out.print(f"{title}: {finding.note}" if finding.note else title, soft_wrap=True)
        table = Table()
        table.add_column("slot" if isinstance(finding.rows[0].subject, int) else "key")
        for name in names:
            table.add_column(name, justify="right")
        for row in finding.rows:
            values = [row.values.get(name) for name in names]
            shown = ["" if value is None else f"{value:,.0f}" for value in values]
            table.add_row(_subject(row.subject), *shown)
        out.print(table)
    if not used:
        out.print("no server could tell:")
    for finding in findings:
        if not finding.was_used:
            text = f"{finding.way} was not used on {finding.node}: {finding.note}"
            out.print(text, style="dim", soft_wrap=True)
    if not used:
        was_tried = any(finding.way == "MONITOR" for finding in findings)
        out.print(f"{'' if was_tried else _MONITOR}{_KEY_ACCESS}", soft_wrap=True)


def _subject(subject: bytes | int) -> str:
    return str(subject) if isinstance(subject, int) else key_text(subject)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "way": finding.way,
        "node": finding.node,
        "used": finding.was_used,
        "note": finding.note,
        "rows": [{"subject": _subject(row.subject), **dict(row.values)} for row in finding.rows],
    }
