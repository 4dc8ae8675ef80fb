"""``redis-middleware slots``: who serves which slots of a cluster, and what is in them."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.output import (
    console,
    print_error,
    print_server_error,
)
from redis_middleware.cli.server_url import usable_url, without_password
from redis_middleware.commands import key_slot
from redis_middleware_plugins.slot_routing.heat_map import LEVELS, text_lines, to_svg
from redis_middleware_plugins.slot_routing.report import (
    KEYS,
    ClusterReport,
    NodeReport,
    Span,
    examine,
)

__all__ = ["register"]

_DEFAULT_URL: Final = "redis://localhost:6379"
_FAILED: Final = 1
_SHOWN_RANGES: Final = 4
_LARGEST_SLOTS: Final = 5


class _Measure(StrEnum):
    KEYS = "keys"
    CPU = "cpu"
    BYTES_IN = "bytes-in"
    BYTES_OUT = "bytes-out"
    MEMORY = "memory"


_NAMES: Final = {
    _Measure.KEYS: KEYS,
    _Measure.CPU: "cpu-usec",
    _Measure.BYTES_IN: "network-bytes-in",
    _Measure.BYTES_OUT: "network-bytes-out",
    _Measure.MEMORY: "memory-bytes",
}
"""What CLUSTER SLOT-STATS calls them."""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("slots")(_slots)


def _slots(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="URL KEY",
            help="The URL of any server of a cluster, by default redis://localhost:6379; and keys, "
            "whose slots and nodes are shown in place of the whole cluster.",
        ),
    ] = None,
    by: Annotated[
        _Measure,
        typer.Option(help="What the heat map shows of each slot; all but keys need slot stats."),
    ] = _Measure.KEYS,
    heat_map: Annotated[
        bool, typer.Option("--map/--no-map", help="Whether to show the heat map.")
    ] = True,
    image: Annotated[
        Path | None, typer.Option("--image", help="A file, .svg, to write the heat map to.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show the nodes of a cluster, their slots, keys and load; or where keys belong.

    It reads only, and looks at no key: the servers count. Load by slot is shown where they keep
    CLUSTER SLOT-STATS (Valkey 8, Redis 8.2, with cluster-slot-stats-enabled yes).
    """
    url, keys = _url_and_keys(words or [])
    if image is not None and image.suffix.lower() != ".svg":
        raise typer.BadParameter(
            f"{str(image)!r}: the heat map is an SVG: name a file that ends in .svg",
            param_hint="--image",
        )
    target = without_password(url)
    try:
        report = examine(usable_url(url), count=not keys)
    except (RedisError, ValueError) as error:
        print_server_error(url, error)
        raise typer.Exit(_FAILED) from error
    if keys:
        _show_keys(report, keys, as_json=as_json)
        return
    measure = _NAMES[by]
    if measure not in report.measures:
        print_error(
            f"{target}: the servers do not tell {by.value} by slot: set cluster-slot-stats-enabled "
            "to yes (Valkey 8, Redis 8.2), or leave --by out"
        )
        raise typer.Exit(_FAILED)
    if as_json:
        typer.echo(json.dumps(_as_dict(report), indent=1))
    else:
        out = console()
        _print_nodes(report, out)
        _print_totals(report, out)
        if heat_map:
            _print_map(report, measure, out)
    if image is not None:
        try:
            image.write_text(to_svg(report, measure, f"Slots of {target}"), encoding="utf-8")
        except OSError as error:
            print_error(f"{image}: {error.strerror}")
            raise typer.Exit(_FAILED) from error


def _url_and_keys(words: list[str]) -> tuple[str, list[str]]:
    if words and "://" in words[0]:
        return words[0], words[1:]
    return _DEFAULT_URL, words


def _show_keys(report: ClusterReport, keys: list[str], *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    for key in keys:
        # As the shell gave them: arguments that are not UTF-8 come with surrogates.
        slot = key_slot(key.encode("utf-8", "surrogateescape"))
        primary, replicas = report.serving(slot)
        rows.append(
            {
                "key": key,
                "slot": slot,
                "node": None if primary is None else str(primary.address),
                "replicas": [str(replica.address) for replica in replicas],
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = _table("key", "slot", "node", "replicas")
    for row in rows:
        table.add_row(
            row["key"],
            str(row["slot"]),
            row["node"] or "nobody serves it",
            ", ".join(row["replicas"]) or "none",
        )
    console().print(table)


def _print_nodes(report: ClusterReport, out: Console) -> None:
    # Most servers tell no zone, and the addresses need the room.
    zones = ["zone"] if any(node.zone for node in report.nodes) else []
    table = _table("node", "role", "slots", "ranges", "keys", "behind", *zones, "state")
    for column in ("slots", "keys", "behind"):
        next(each for each in table.columns if each.header == column).justify = "right"
    for node in report.nodes:
        is_primary = node.primary is None
        table.add_row(
            str(node.address) if is_primary else f"  {node.address}",
            "primary" if is_primary else "replica",
            f"{node.slot_count:,}" if is_primary else "",
            _ranges_text(node.ranges),
            "?" if node.keys is None else f"{node.keys:,}",
            "" if node.lag is None else f"{node.lag:,} B",
            *([node.zone or ""] if zones else []),
            node.problem or "online",
        )
    out.print(table)


def _ranges_text(ranges: tuple[Span, ...]) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    more = len(shown) - _SHOWN_RANGES
    return ", ".join(shown[:_SHOWN_RANGES]) + (f" and {more} more" if more > 0 else "")


def _print_totals(report: ClusterReport, out: Console) -> None:
    if report.uncovered:
        count = sum(last - first + 1 for first, last in report.uncovered)
        out.print(f"{count:,} slots are not served: {_ranges_text(report.uncovered)}", style="bold")
    without = [
        node
        for node in report.primaries
        if not any(n.primary == node.address for n in report.nodes)
    ]
    if without:
        out.print(f"without replicas: {', '.join(str(node.address) for node in without)}")
    for measure in report.measures:
        imbalance = report.imbalance(measure)
        if imbalance is None:
            continue
        most, node = max(
            zip(report.of_primaries(measure), report.primaries, strict=True), key=_first
        )
        told = (
            "the smallest primary has none"
            if math.isinf(imbalance)
            else f"{imbalance:.2f} times what the smallest primary has"
        )
        out.print(f"{measure}: {node.address} has most, {most:,}: {told}", soft_wrap=True)


def _first(pair: tuple[int, NodeReport]) -> int:
    return pair[0]


def _print_map(report: ClusterReport, measure: str, out: Console) -> None:
    out.print(f"\n{measure} by slot, 8 slots in a character, {report.way}:")
    for line in text_lines(report, measure):
        text = Text(f"{line.first:>6} ", style="dim")
        for level in line.cells:
            if level is None:
                text.append(" ")
            else:
                text.append(level.shade, style=None if level is LEVELS[0] else level.colour)
        out.print(text, soft_wrap=True)
    legend = Text("       times the average: ", style="dim")
    for level in LEVELS:
        legend.append(level.shade, style=None if level is LEVELS[0] else level.colour)
        legend.append(f" {level.name}  ", style="dim")
    out.print(legend, soft_wrap=True)
    largest = report.largest_slots(measure, _LARGEST_SLOTS)
    if largest:
        told = ", ".join(f"{slot} ({value:,})" for slot, value in largest)
        out.print(f"       largest slots: {told}", soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _as_dict(report: ClusterReport) -> dict[str, Any]:
    imbalances = {measure: report.imbalance(measure) for measure in report.measures}
    return {
        "nodes": [_node_dict(node) for node in report.nodes],
        "uncovered": report.uncovered,
        "way": report.way,
        "imbalance": {
            # JSON has no infinity: the smallest has none of it.
            name: None if value is None or math.isinf(value) else value
            for name, value in imbalances.items()
        },
        "slots": {
            name: {slot: value for slot, value in enumerate(values) if value}
            for name, values in report.measures.items()
        },
    }


def _node_dict(node: NodeReport) -> dict[str, Any]:
    return {
        "address": str(node.address),
        "id": node.id,
        "primary": None if node.primary is None else str(node.primary),
        "slots": node.slot_count,
        "ranges": node.ranges,
        "keys": node.keys,
        "behind": node.lag,
        "zone": node.zone,
        "health": node.health,
        "problem": node.problem,
    }
