"""Draw the picture of a terminal that the README shows: ``python -m tools.terminal_picture``.

It starts a cluster, puts two processes on it that share what they count and of which every request
reads one key, runs ``redis-middleware top`` on a terminal of its own, and writes what that printed
to ``docs/images/terminal.svg``. rich makes the drawing: the command line prints with it already.
"""

from __future__ import annotations

import random
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import redis
from tools.terminals import drawing, run_on_a_terminal

from redis_middleware import wrap
from redis_middleware.embedded import cluster

__all__ = ["draw"]

PICTURE: Final = Path(__file__).parent.parent / "docs" / "images" / "terminal.svg"
_COLUMNS: Final = 122
_LINES: Final = 40
_SETTINGS: Final = {"plugins": ["key_access"], "key_access": {"fleet": {"enabled": True}}}
_KEYS: Final = ("product:{}", "session:{}", "cart:{}")


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
            printed = run_on_a_terminal(
                [sys.executable, "-m", "redis_middleware", *command], _COLUMNS, _LINES
            )
        finally:
            for process in processes:
                process.terminate()
                process.join()
    shown = f"$ redis-middleware {' '.join(command)}\n{printed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawing(shown, _COLUMNS, "redis-middleware top", "terminal"), encoding="utf-8")


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


if __name__ == "__main__":
    draw()
    print(f"wrote {PICTURE}")
