"""``redis-middleware top``: which keys are accessed most, and what the caches do, live."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import redis
import typer
from redis.exceptions import RedisError
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.cache_table import cache_table
from redis_middleware.cli.output import console, print_server_error
from redis_middleware_plugins.key_access.fleet_reading import FleetReader
from redis_middleware_plugins.local_cache.fleet_reading import fleet_members, read_fleet
from redis_middleware_plugins.local_cache.settings import FLEET_PREFIX

__all__ = ["register"]

_FAILED: Final = 1
_PREFIX: Final = "redis-middleware:key_access"
_NOBODY: Final = (
    "no process shares its statistics under the prefix {prefix!r}, nor a cache's under "
    "{cache_prefix!r}: enable key_access or local_cache in the application with "
    "fleet.enabled = true"
)
_BAR_WIDTH: Final = 20
# In fewer columns than these they would take the room of the keys' names.
_NARROWEST_WITH_BARS: Final = 120
_NARROWEST_WITH_BOUNDS: Final = 100
_PARTS: Final = 5
_PARTS_OF_LOW_SCREENS: Final = 2
_BOUNDS: Final = {"lower": "at least", "upper": "at most"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("top")(_top)


def _top(
    url: Annotated[
        str, typer.Argument(help="The URL of the Redis that the processes share statistics in.")
    ] = "redis://localhost:6379",
    prefix: Annotated[str, typer.Option(help="The fleet's prefix.")] = _PREFIX,
    cache_prefix: Annotated[
        str, typer.Option(help="The fleet's prefix of local_cache.")
    ] = FLEET_PREFIX,
    process: Annotated[
        str | None,
        typer.Option(help="Show one process only, by its name; --list tells the names."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the processes and end.")] = False,
    rows: Annotated[int, typer.Option(min=1, max=100, help="Keys to show, at most.")] = 20,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one line a look.")] = False,
) -> None:
    """Show the most accessed keys of all processes, or of one: rates, shares, slots, servers.

    And what their caches do: hits, misses, evictions, invalidations and bytes by rule. The
    processes share what they count through Redis itself, with the plugins key_access and
    local_cache and their settings fleet.enabled; this only reads.
    """
    try:
        client = _client(url)
        reader = FleetReader(client, prefix, process)

        def look() -> dict[str, Any]:
            caches = read_fleet(client, cache_prefix, process)
            return _look(reader, caches, prefix, cache_prefix)

        if list_:
            for name in sorted({*reader.members(), *fleet_members(client, cache_prefix)}):
                typer.echo(name)
        elif as_json:
            while True:
                typer.echo(json.dumps(look(), ensure_ascii=False))
                if once:
                    break
                time.sleep(every)
        elif once:
            out = console()
            out.print(_page(look(), rows, out.width))
        else:
            with Live(console=console(), screen=True, auto_refresh=False) as live:
                while True:
                    live.update(_screen(look(), rows, live.console), refresh=True)
                    time.sleep(every)
    except (RedisError, ValueError) as error:
        print_server_error(url, error)
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        raise typer.Exit from None


def _client(url: str) -> Any:
    client: Any = redis.Redis.from_url(url, decode_responses=False)
    if client.info("cluster").get("cluster_enabled"):
        client.close()
        return redis.RedisCluster.from_url(url, decode_responses=False)
    return client


def _look(
    reader: FleetReader, caches: dict[str, Any] | None, prefix: str, cache_prefix: str
) -> dict[str, Any]:
    found = reader.read()
    if found is None and caches is None:
        raise ValueError(_NOBODY.format(prefix=prefix, cache_prefix=cache_prefix))
    return {**(found or {}), "caches": caches}


def _page(
    report: dict[str, Any], rows: int, width: int, most_parts: int = _PARTS
) -> RenderableType:
    parts = [_keys(report, rows, width, most_parts)] if "windows" in report else []
    if report["caches"] is not None:
        parts.append(cache_table(report["caches"]))
    return Group(*parts)


def _screen(report: dict[str, Any], rows: int, terminal: Console) -> RenderableType:
    """The page; where it is too long, with fewer groups, and keys as far as there is room."""
    page = _page(report, rows, terminal.width)
    if len(terminal.render_lines(page)) <= terminal.height or "windows" not in report:
        return page
    page = _page(report, rows, terminal.width, _PARTS_OF_LOW_SCREENS)
    excess = max(0, len(terminal.render_lines(page)) - terminal.height)
    shown = min(rows, len(report["windows"][0]["keys"]))
    return _page(report, max(1, shown - excess), terminal.width, _PARTS_OF_LOW_SCREENS)


def _keys(report: dict[str, Any], rows: int, width: int, most_parts: int) -> RenderableType:
    window = report["windows"][0]
    fleet = report["fleet"]
    imbalance = report["imbalance"]
    balance = "" if imbalance is None else f"; busiest server {imbalance:.1f} times the idlest"
    heading = Text(
        f"{fleet['members']} processes, {window['rate']:,.0f} accesses/s in the last "
        f"{window['seconds']:.0f} s, {len(report['hot'])} hot keys{balance}"
    )
    keys = Table(expand=True)
    bars = width >= _NARROWEST_WITH_BARS
    bounds = ("lower", "upper") if width >= _NARROWEST_WITH_BOUNDS else ()
    keys.add_column("key", ratio=1, overflow="fold")
    for name in ("kind", "per second", *[_BOUNDS[bound] for bound in bounds], "share"):
        keys.add_column(name, justify="right")
    if bars:
        keys.add_column("", width=_BAR_WIDTH)
    keys.add_column("slot", justify="right")
    keys.add_column("server")
    for key in window["keys"][:rows]:
        keys.add_row(*_row(key, bounds, bars=bars))
    return Group(heading, keys, _parts(report, most_parts))


def _row(key: dict[str, Any], bounds: Sequence[str], *, bars: bool) -> list[RenderableType]:
    share = key["share"]["estimate"]
    color = "red" if key["is_hot"] else "cyan"
    bar = Bar(1.0, 0.0, min(share, 1.0), width=_BAR_WIDTH, color=color)
    return [
        Text(key["name"], style="bold red" if key["is_hot"] else ""),
        key["kind"],
        *[f"{key['rate'][bound]:,.1f}" for bound in ("estimate", *bounds)],
        f"{share:.2%}",
        *([bar] if bars else []),
        "" if key["slot"] is None else str(key["slot"]),
        key["node"] or "",
    ]


def _parts(report: dict[str, Any], most: int) -> Table:
    table = Table(expand=True)
    columns = []
    for name in ("groups", "nodes", "slots", "commands"):
        table.add_column(name, overflow="fold")
        parts = report[name][:most]
        columns.append("\n".join(f"{part['share']:6.1%} {part['name']}" for part in parts))
    table.add_row(*map(Text, columns))
    return table
