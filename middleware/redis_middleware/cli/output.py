"""Writing to the terminal: colours where there is one, nothing cut where there is none."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import AuthenticationError
from rich.console import Console

__all__ = [
    "console",
    "print_error",
    "print_server_error",
    "showing_warnings",
    "without_password",
]

_SECRETS: Final = re.compile(r"(?<=://).*@|(?<=[?&]password=)[^&]*")


def console() -> Console:
    """The console of standard output. Square brackets are not markup: settings are full of them."""
    return Console(markup=False, highlight=False, emoji=False)


def print_error(problem: str) -> None:
    """Print what is wrong to standard error."""
    _print_labelled("error:", "bold red", problem)


@contextmanager
def showing_warnings() -> Iterator[None]:
    """Print what the framework warns of, each warning once, to standard error."""
    logger = logging.getLogger("redis_middleware")
    handler = _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Warnings(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._printed:
            self._printed.add(message)
            _print_labelled("warning:", "bold yellow", message)


def without_password(url: str) -> str:
    """A URL that can be shown: user and password are left out, however odd the rest is."""
    return _SECRETS.sub("", url)


def print_server_error(url: str, error: Exception) -> None:
    """Print why a server, or what its URL names, could not be asked."""
    cure = (
        ": put user and password into the URL, redis://USER:PASSWORD@HOST:PORT, without USER: for "
        "the default user"
        if isinstance(error, AuthenticationError)
        else ""
    )
    print_error(f"{without_password(url)}: {error}{cure}")


def _print_labelled(label: str, style: str, text: str) -> None:
    errors = Console(markup=False, highlight=False, emoji=False, stderr=True)
    errors.print(label, style=style, end=" ")
    errors.print(text, soft_wrap=True)
