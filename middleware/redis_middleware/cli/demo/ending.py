"""What is printed when the story has been told."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from redis_middleware.cli.demo.comparison import comparison
from redis_middleware.cli.demo.shop import VIRAL
from redis_middleware.cli.demo.stage import Stage, address_of
from redis_middleware.cli.demo.tracing import trace_tree
from redis_middleware.cli.demo.views import Outcome

__all__ = ["print_connecting", "print_summary"]

_MIB: Final = 2**20
# On macOS in bytes, elsewhere in KiB.
_UNIT_OF_MAXRSS: Final = 1 if sys.platform == "darwin" else 1024


def print_summary(
    out: Console, stage: Stage, outcomes: Sequence[Outcome], *, with_details: bool
) -> None:
    """Print what each scene came to, and how much memory all of it took.

    Args:
        out: where to.
        stage: what was measured.
        outcomes: of each scene.
        with_details: whether the table of before and after and the trace are printed too.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for outcome in outcomes:
        result = Text("ok", style="green") if outcome.passed else Text("FAILED", style="bold red")
        table.add_row(result, outcome.scene.name, outcome.text)
    out.print()
    out.print(table)
    if with_details and stage.before is not None and stage.after is not None:
        out.print(comparison(stage.before, stage.after))
    if with_details and stage.traced:
        out.print(trace_tree(stage.traced))
    own = _most_memory() / _MIB
    servers = [
        server.command("INFO", "memory")["used_memory_rss"] / _MIB
        for server in stage.servers.primaries
    ]
    out.print(
        f"\nMemory: {own:.0f} MiB at most in this process, {sum(servers):.0f} MiB in the servers.",
        soft_wrap=True,
    )


def _most_memory() -> int:
    """The most bytes of memory that this process ever had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT_OF_MAXRSS
    # Elsewhere than in this file Linux counts what the process had that it was started from.
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def print_connecting(out: Console, stage: Stage) -> None:
    """Print how to reach the cluster, which stays up."""
    first = stage.servers.primaries[0]
    command = "redis-cli" if shutil.which("valkey-cli") is None else "valkey-cli"
    lines = (
        "",
        f"The cluster stays up: {', '.join(map(address_of, stage.servers.primaries))}. To connect:",
        "",
        f"{command} -c -h {first.host} -p {first.port}",
        "",
        "import redis",
        "from redis_middleware import wrap",
        f'client = wrap(redis.Redis.from_url("{first.url}"), "{stage.settings}")',
        f'client.get("{VIRAL}")',
        "",
        f"The settings file, which may be changed: {stage.settings}",
        "Ctrl-C ends the servers and removes their files.",
    )
    for line in lines:
        out.print(line, soft_wrap=True)
