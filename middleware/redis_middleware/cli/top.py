"""``redis-middleware top``: which keys are accessed most, and what the caches do, live."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import redis
import typer
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rich.live import Live

from redis_middleware.cli.output import console, has_screen, print_error, print_server_error
from redis_middleware.cli.processes import Processes
from redis_middleware.cli.server_url import usable_url
from redis_middleware.cli.top_page import page, screen
from redis_middleware_plugins.local_cache.settings import FLEET_PREFIX

__all__ = ["register"]

_FAILED: Final = 1
_PREFIX: Final = "redis-middleware:key_access"
# A server that is gone is to be told soon; the next look is another try.
_PATIENCE: Final[dict[str, Any]] = {"socket_connect_timeout": 2.0, "socket_timeout": 2.0}
_TRIES_AGAIN: Final = 1

_Look = tuple[dict[str, Any], str | None]
"""What is known, and what went wrong if it is not of now."""


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
        typer.Option(help="Show one process only, by its name, host:pid; --list tells the names."),
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

    Where the connection is lost later, as in a fail-over, it says so and goes on.
    """
    try:
        processes = Processes(_client(usable_url(url)), prefix, cache_prefix)
        if list_:
            typer.echo("\n".join(processes.names()))
            return
        looks = _looks(processes, None if process is None else processes.find(process), every)
        if as_json:
            _write_json(looks, once=once)
        elif once:
            _print_page(next(looks), rows)
        elif has_screen(console()):
            with Live(console=console(), screen=True, auto_refresh=False) as live:
                for report, problem in looks:
                    live.update(screen(report, rows, live.console, problem), refresh=True)
        else:
            for look in looks:
                _print_page(look, rows)
    except (RedisError, ValueError) as error:
        print_server_error(url, error)
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        raise typer.Exit from None


def _client(url: str) -> Any:
    connect: dict[str, Any] = {**_PATIENCE, "retry": Retry(NoBackoff(), _TRIES_AGAIN)}
    client: Any = redis.Redis.from_url(url, **connect)
    if client.info("cluster").get("cluster_enabled"):
        client.close()
        return redis.RedisCluster.from_url(url, **connect)
    return client


def _looks(processes: Processes, process: str | None, every: float) -> Iterator[_Look]:
    """Look again and again; only what goes wrong with the first look is an error."""
    look = _looking(processes, process)
    report, problem = look(), None
    while True:
        yield report, problem
        time.sleep(every)
        try:
            report, problem = look(), None
        except (RedisError, ValueError) as error:
            since = time.strftime("%H:%M:%S", time.localtime(report["at"]))
            problem = f"as of {since}, trying again: {error}"


def _looking(processes: Processes, process: str | None) -> Callable[[], dict[str, Any]]:
    reader = processes.reader(process)

    def look() -> dict[str, Any]:
        found, caches = reader.read(), processes.caches(process)
        if found is None and caches is None:
            # They say what there is instead.
            processes.names() if process is None else processes.find(process)
        return {"at": time.time(), **(found or {}), "process": process, "caches": caches}

    return look


def _write_json(looks: Iterator[_Look], *, once: bool) -> None:
    for report, problem in looks:
        if problem is None:
            typer.echo(json.dumps(report, ensure_ascii=False))
        else:
            print_error(problem)
        if once:
            return


def _print_page(look: _Look, rows: int) -> None:
    report, problem = look
    if problem is None:
        out = console()
        out.print(page(report, rows, out.width))
    else:
        print_error(problem)
