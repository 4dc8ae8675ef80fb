"""A write of 20 MB is refused by size_guard before it is sent."""

from __future__ import annotations

import time

from rich.text import Text

from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell
from redis_middleware.cli.demo.wording import milliseconds
from redis_middleware_plugins.size_guard import ValueTooLarge

__all__ = ["BigWrite"]

_KEY = "export:2026"
_SIZE = 20_000_000


class BigWrite:
    """Somebody's export, as one value."""

    name = "big write"
    title = "Somebody writes 20 MB into one key, and size_guard refuses it"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Try it, show the message, and look whether anything has arrived."""
        tell(Text(f'client.set("{_KEY}", export)    # {_SIZE:,} bytes', style="dim"))
        yield stage.pause(1)
        refusal = self._try(stage)
        tell(Text(f"{type(refusal).__name__}: {refusal}", style="bold red"))
        if stage.client.exists(_KEY):
            raise SceneFailed(f"{_KEY} is there all the same")
        tell(f"Nothing was sent: EXISTS {_KEY} is 0. It is a redis DataError, a ValueError too.")
        yield stage.pause(3)
        return (
            f"{refusal.size:,} bytes refused before they were sent: over {refusal.limit} = "
            f"{refusal.allowed:,}"
        )

    def _try(self, stage: Stage) -> ValueTooLarge:
        export = b"x" * _SIZE
        start = time.perf_counter()
        try:
            stage.client.set(_KEY, export)
        except ValueTooLarge as refusal:
            return refusal
        took = milliseconds(time.perf_counter() - start)
        raise SceneFailed(f"{_SIZE:,} bytes were written in {took}")
