"""Showing the load while it runs."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from redis_middleware.cli.demo.display import operations_table
from redis_middleware.cli.demo.measurements import Measurements

__all__ = ["LatestLine", "watch"]

_LOGGER: Final = logging.getLogger("redis_middleware")
_TABLE_EVERY: Final = 0.25
_LINE_EVERY: Final = 1.0


class LatestLine(logging.Handler):
    """Catches what the middleware logs within the ``with`` block, in place of other handlers.

    Attributes:
        line: the latest line.
    """

    line = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's line."""
        self.line = f"{record.levelname} {record.name}: {record.getMessage()}"

    def __enter__(self) -> Self:
        self._before = _LOGGER.handlers, _LOGGER.propagate
        _LOGGER.handlers, _LOGGER.propagate = [self], False
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _LOGGER.handlers, _LOGGER.propagate = self._before


def watch(
    out: Console, measurements: Measurements, log: LatestLine, seconds: float, *, plain: bool
) -> None:
    """Show the load for so many seconds: as a changing table, or as lines where that cannot be.

    Args:
        out: where to; a table that changes needs a terminal.
        measurements: what the load counts.
        log: the latest line of the log, shown below the table.
        seconds: how long.
        plain: whether to print lines on a terminal too.
    """
    start = time.perf_counter()
    if plain or not out.is_terminal:
        while (left := start + seconds - time.perf_counter()) > 0:
            time.sleep(min(left, _LINE_EVERY))
            passed = time.perf_counter() - start
            count = measurements.count
            out.print(f"{passed:5.1f} s  {count:8,} operations  {count / passed:8,.0f} per second")
        return
    with Live(console=out, auto_refresh=False, transient=True) as live:
        while (left := start + seconds - time.perf_counter()) > 0:
            table = operations_table(measurements, time.perf_counter() - start, out.width)
            live.update(Group(table, Text(log.line, style="dim", overflow="fold")), refresh=True)
            time.sleep(min(left, _TABLE_EVERY))
