"""``redis-middleware bigkeys``: which keys are the big ones, and what do they come to?"""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from redis_middleware.cli.output import (
    console,
    counted,
    print_error,
    print_server_error,
)
from redis_middleware.cli.server_url import usable_url, without_password
from redis_middleware.settings.types import Bytes
from redis_middleware_plugins.size_guard import bigkeys
from redis_middleware_plugins.size_guard.bigkeys.documents import PERCENTILES, as_csv, as_json
from redis_middleware_plugins.size_guard.bigkeys.page import as_html
from redis_middleware_plugins.size_guard.bigkeys.report import Report, Totals
from redis_middleware_plugins.size_guard.bigkeys.words import in_bytes, share

__all__ = ["register"]

_FOUND: Final = 1
_FAILED: Final = 2
_INTERRUPTED: Final = 130
_MOST_ROWS: Final = 15


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("bigkeys")(_bigkeys)


def _bigkeys(
    url: Annotated[
        str, typer.Argument(help="The URL of a server, or of any one of a cluster.")
    ] = "redis://localhost:6379",
    output: Annotated[
        _Format, typer.Option("--format", "-f", help="What the report is written as.")
    ] = _Format.TABLE,
    path: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write to; else to the terminal."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Keys in each top list.")] = 10,
    separator: Annotated[str, typer.Option(help="What ends the parts of a key's name.")] = ":",
    depth: Annotated[int, typer.Option(min=1, help="Parts of a key's name that make a group.")] = 1,
    hold: Annotated[
        float, typer.Option(min=0.1, help="Milliseconds that one step may hold a server.")
    ] = 2.0,
    max_load: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of time a server is kept busy at most.")
    ] = 1.0,
    primaries: Annotated[
        bool, typer.Option("--primaries", help="Scan primaries, not replicas of them.")
    ] = False,
    db: Annotated[
        list[int] | None,
        typer.Option(
            "--db",
            min=0,
            help="A database to scan; can be given again. Without it, the one that the URL names, "
            "else every one that has keys.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="A file that keeps how far the scan came; if it is there, go on."),
    ] = None,
    fail_over: Annotated[
        str | None,
        typer.Option(help="End with 1 if a key has more bytes than this, such as 10MiB."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Find the big keys of a server, or of every node of a cluster, and report on all keys.

    It reads only: scripts look at a few keys at a time, so few that no other client waits for
    long. Replicas are asked where some are online. Sizes are those of MEMORY USAGE.

    It ends with 1 for --fail-over, and with 2 where it could not scan.
    """
    limit = None if fail_over is None else _size(fail_over)
    if not separator:
        raise typer.BadParameter("it cannot be empty", param_hint="--separator")
    for file, option in ((path, "--output"), (resume, "--resume")):
        if file is not None and not file.parent.is_dir():
            raise typer.BadParameter(f"there is no directory {file.parent}", param_hint=option)
    target = without_password(url)
    errors = Console(stderr=True, markup=False, highlight=False)
    try:
        url = usable_url(url)
        names_one = bigkeys.named_database(url) is not None
        databases: bigkeys.Databases = db or (None if names_one else "all")
        nodes, is_cluster = bigkeys.find_nodes(url, replicas=not primaries, databases=databases)
        progress = bigkeys.Progress(Report(top, separator, depth, by_slot=is_cluster))
        cursor_file = None
        if resume is not None:
            cursor_file = bigkeys.CursorFile(resume, target)
            progress = cursor_file.load([node.name for node in nodes]) or progress
        first_look = _first_look(nodes)
        if first_look and not quiet:
            for kind, counts in first_look.items():
                largest = max(counts, key=_power)
                errors.print(f"INFO keysizes: {kind}: the largest have {largest} or more")
        start = time.perf_counter()
        longest = _scan(nodes, progress, errors, cursor_file, hold / 1000, max_load, quiet=quiet)
        took = time.perf_counter() - start
    except (RedisError, ValueError, OSError, bigkeys.CursorFileError) as error:
        is_kept = isinstance(error, RedisError) and resume is not None and resume.exists()
        print_server_error(url, error, f"go on with --resume {resume}" if is_kept else "")
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        kept = f"; go on with --resume {resume}" if resume else ""
        errors.print(f"broken off{kept}", soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None
    report = progress.report
    try:
        _write(report, output, path, target, first_look)
    except OSError as error:
        print_error(str(error))
        raise typer.Exit(_FAILED) from error
    if not quiet:
        found = report.totals.count
        errors.print(
            f"{counted(found, 'key')} in {took:.1f} s ({found / max(took, 1e-9):,.0f} a second); "
            f"the longest step held a server for {longest * 1000:.1f} ms",
            soft_wrap=True,
        )
    if limit is not None and report.largest_size > limit:
        errors.print(f"the largest key has {in_bytes(report.largest_size)}, over {fail_over}")
        raise typer.Exit(_FOUND)


def _size(text: str) -> int:
    try:
        return TypeAdapter(Bytes).validate_python(int(text) if text.isdigit() else text)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{text!r}: {problem}", param_hint="--fail-over") from None


def _power(bound: str) -> float:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}
    return float(bound.rstrip("KMGTPE") or 0) * units.get(bound[-1:], 1)


def _first_look(nodes: list[bigkeys.Node]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for node in nodes:
        for kind, counts in bigkeys.key_sizes(node).items():
            total = sums.setdefault(kind, {})
            for at, count in counts.items():
                total[at] = total.get(at, 0) + count
    return sums


def _scan(
    nodes: list[bigkeys.Node],
    progress: bigkeys.Progress,
    errors: Console,
    cursor_file: bigkeys.CursorFile | None,
    hold: float,
    load: float,
    *,
    quiet: bool,
) -> float:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=errors,
        disable=quiet or not sys.stderr.isatty(),
    )
    done = progress.report.totals.count
    start = time.perf_counter()
    with bar:
        total = sum(node.keys for node in nodes)
        task = bar.add_task("keys", total=total, completed=done, rate="")

        def advance(count: int) -> None:
            nonlocal done
            done += count
            rate = done / max(time.perf_counter() - start, 1e-9)
            bar.update(task, advance=count, rate=f"{rate:,.0f}/s")

        return bigkeys.run_scan(
            nodes,
            progress,
            hold=hold,
            load=load,
            cursor_file=cursor_file,
            advance=advance,
            tell=errors.print if not quiet else lambda text: None,
        )


def _write(
    report: Report,
    output: _Format,
    path: Path | None,
    title: str,
    first_look: dict[str, dict[str, int]],
) -> None:
    if output is _Format.TABLE:
        if path is None:
            _print_tables(report, console())
        else:
            with path.open("w", encoding="utf-8") as file:
                out = Console(file=file, markup=False, highlight=False, emoji=False, width=140)
                _print_tables(report, out)
        return
    if output is _Format.JSON:
        text = as_json(report, first_look)
    elif output is _Format.CSV:
        text = as_csv(report)
    else:
        text = as_html(report, title)
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def _print_tables(report: Report, out: Console) -> None:
    for name, kind in sorted(report.kinds.items(), key=lambda item: -item[1].totals.size):
        percentiles = ", ".join(
            f"p{percent} {in_bytes(kind.sizes.percentile(percent))}" for percent in PERCENTILES
        )
        for what, keys in (("bytes", kind.largest), ("elements", kind.longest)):
            if not keys:
                continue
            # Strings have none.
            has_elements = bool(kind.longest)
            lengths = ["elements"] if has_elements else []
            table = _table(f"{name}: most {what}", "key", "bytes", *lengths, "TTL", "server")
            for key in keys:
                length = [f"{key.elements:,}"] if has_elements else []
                ttl = "none" if key.persistent else "yes"
                table.add_row(key.key, in_bytes(key.size), *length, ttl, key.node)
            out.print(table)
        out.print(f"{name}: {percentiles}\n")
    _print_groups("types", {name: kind.totals for name, kind in report.kinds.items()}, report, out)
    _print_groups("prefixes", report.groups, report, out)
    if report.slots:
        slots = {str(slot): totals for slot, totals in report.slots.items()}
        _print_groups("slots", slots, report, out)
    _print_groups("servers", report.nodes, report, out)


def _print_groups(title: str, groups: dict[str, Totals], report: Report, out: Console) -> None:
    table = _table(title, "name", "bytes", "share", "keys", "without TTL")
    ordered = sorted(groups.items(), key=lambda item: -item[1].size)
    for name, totals in ordered[:_MOST_ROWS]:
        table.add_row(
            name,
            in_bytes(totals.size),
            share(totals.size, report.totals.size),
            f"{totals.count:,}",
            f"{totals.persistent:,}",
        )
    out.print(table)


def _table(title: str, name: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(name, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
