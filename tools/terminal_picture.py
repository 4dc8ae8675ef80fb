"""Draw the picture of a terminal that the README shows: ``python -m tools.terminal_picture``.

It starts a cluster, puts two processes on it that share what they count and of which every request
reads one key, runs ``redis-middleware top`` on a terminal of its own, and writes what that printed
to ``docs/images/terminal.svg``. rich makes the drawing: the command line prints with it already.
"""

from __future__ import annotations

import inspect
import io
import os
import pty
import random
import re
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import redis
from rich.ansi import AnsiDecoder
from rich.console import Console

from redis_middleware import wrap
from redis_middleware.embedded import cluster

__all__ = ["draw"]

PICTURE: Final = Path(__file__).parent.parent / "docs" / "images" / "terminal.svg"
_COLUMNS: Final = 122
_SETTINGS: Final = {"plugins": ["key_access"], "key_access": {"fleet": {"enabled": True}}}
_KEYS: Final = ("product:{}", "session:{}", "cart:{}")
# A picture that fetches a font is not shown as a picture of a page.
_FONT_FACES: Final = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


def draw(path: Path = PICTURE, seconds: float = 12.0) -> None:
    """Draw the picture.

    Args:
        path: the file to write.
        seconds: how long the processes work before the look at them; the screen shows the last
            ten seconds.

    Raises:
        RuntimeError: the command failed; the message has what it printed.
    """
    with cluster(primaries=3, replicas=0) as servers:
        processes = [_start(servers.url, seed) for seed in (1, 2)]
        try:
            time.sleep(seconds)
            command = ["top", servers.url, "--once", "--rows", "6"]
            code, printed = _on_a_terminal([sys.executable, "-m", "redis_middleware", *command])
        finally:
            for process in processes:
                process.terminate()
                process.join()
    if code:
        raise RuntimeError(f"redis-middleware {' '.join(command)} ended with {code}:\n{printed}")
    shown = f"$ redis-middleware {' '.join(command)}\n{printed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_drawn(shown), encoding="utf-8")


def _start(url: str, seed: int) -> Any:
    process = get_context("spawn").Process(target=_shop, args=(url, seed), daemon=True)
    process.start()
    return process


def _shop(url: str, seed: int) -> None:
    """A shop's requests: each reads the feature flags, and some things by Zipf's law."""
    dice = random.Random(seed)
    client = wrap(redis.RedisCluster.from_url(url), _SETTINGS)
    while True:
        client.get("config:flags")
        for pattern in _KEYS:
            client.get(pattern.format(int(dice.paretovariate(0.4)) % 100_000))
        if not dice.randrange(10):
            client.set("cart:1", "x" * 100)


def _on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command on a terminal of its own; give its exit status and what it printed."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    printed = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            # What Linux says at the end of a terminal.
            break
        if not block:
            break
        printed += block
    os.close(ours)
    return process.wait(), printed.decode().replace("\r\n", "\n")


def _drawn(printed: str) -> str:
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in AnsiDecoder().decode(printed):
        console.print(line, soft_wrap=True)
    template = inspect.signature(console.export_svg).parameters["code_format"].default
    return console.export_svg(
        title="redis-middleware top",
        code_format=_FONT_FACES.sub("", template),
        unique_id="terminal",
    )


if __name__ == "__main__":
    draw()
    print(f"wrote {PICTURE}")
