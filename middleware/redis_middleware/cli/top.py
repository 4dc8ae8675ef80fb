"""``redis-middleware top``: which keys are accessed most, live."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

import redis
import typer
from redis.exceptions import RedisError
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.output import console, print_error
from redis_middleware_plugins.key_access.fleet_reading import FleetReader

__all__ = ["register"]

_FAILED: Final = 1
_PREFIX: Final = "redis-middleware:key_access"
_NOBODY: Final = (
    "no process shares its statistics under the prefix {prefix!r}: enable key_access in the "
    "application with fleet.enabled = true"
)
_BAR_WIDTH: Final = 20
_PARTS: Final = 5


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("top")(_top)


def _top(
    url: Annotated[
        str, typer.Argument(help="The URL of the Redis that the processes share statistics in.")
    ] = "redis://localhost:6379",
    prefix: Annotated[str, typer.Option(help="The fleet's prefix.")] = _PREFIX,
    process: Annotated[
        str | None,
        typer.Option(help="Show one process only, by its name; --list tells the names."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the processes and end.")] = False,
    rows: Annotated[int, typer.Option(min=1, max=100, help="Keys to show.")] = 20,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one line a look.")] = False,
) -> None:
    """Show the most accessed keys of all processes, or of one: rates, shares, slots, servers.

    The processes share what they count through Redis itself, with the plugin key_access and its
    setting fleet.enabled; this only reads.
    """
    try:
        reader = FleetReader(_client(url), prefix, process)
        if list_:
            for name in reader.members():
                typer.echo(name)
        elif as_json:
            while True:
                typer.echo(json.dumps(_look(reader, prefix), ensure_ascii=False))
                if once:
                    break
                time.sleep(every)
        elif once:
            console().print(_page(_look(reader, prefix), rows))
        else:
            with Live(console=console(), screen=True, auto_refresh=False) as live:
                while True:
                    live.update(_page(_look(reader, prefix), rows), refresh=True)
                    time.sleep(every)
    except (RedisError, ValueError) as error:
        print_error(str(error))
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        raise typer.Exit from None


def _client(url: str) -> Any:
    client: Any = redis.Redis.from_url(url, decode_responses=False)
    if client.info("cluster").get("cluster_enabled"):
        client.close()
        return redis.RedisCluster.from_url(url, decode_responses=False)
    return client


def _look(reader: FleetReader, prefix: str) -> dict[str, Any]:
    found = reader.read()
    if found is None:
        raise ValueError(_NOBODY.format(prefix=prefix))
    return found


def _page(report: dict[str, Any], rows: int) -> RenderableType:
    window = report["windows"][0]
    fleet = report["fleet"]
    imbalance = report["imbalance"]
    balance = "" if imbalance is None else f"; busiest server {imbalance:.1f} times the idlest"
    heading = Text(
        f"{fleet['members']} processes, {window['rate']:,.0f} accesses/s in the last "
        f"{window['seconds']:.0f} s, {len(report['hot'])} hot keys{balance}"
    )
    keys = Table(expand=True)
    keys.add_column("key", ratio=1, overflow="fold")
    for name in ("kind", "per second", "at least", "at most", "share"):
        keys.add_column(name, justify="right")
    keys.add_column("", width=_BAR_WIDTH)
    keys.add_column("slot", justify="right")
    keys.add_column("server")
    for key in window["keys"][:rows]:
        keys.add_row(*_row(key))
    return Group(heading, keys, _parts(report))


def _row(key: dict[str, Any]) -> list[RenderableType]:
    share = key["share"]["estimate"]
    return [
        Text(key["name"], style="bold red" if key["is_hot"] else ""),
        key["kind"],
        *[f"{key['rate'][bound]:,.1f}" for bound in ("estimate", "lower", "upper")],
        f"{share:.2%}",
        Bar(1.0, 0.0, min(share, 1.0), width=_BAR_WIDTH, color="red" if key["is_hot"] else "cyan"),
        "" if key["slot"] is None else str(key["slot"]),
        key["node"] or "",
    ]


def _parts(report: dict[str, Any]) -> Table:
    table = Table(expand=True)
    columns = []
    for name in ("groups", "nodes", "slots", "commands"):
        table.add_column(name, overflow="fold")
        parts = report[name][:_PARTS]
        columns.append("\n".join(f"{part['share']:6.1%} {part['name']}" for part in parts))
    table.add_row(*map(Text, columns))
    return table
