"""Writing to the terminal: colours where there is one, nothing cut where there is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import AuthenticationError
from rich.console import Console

from redis_middleware.cli.server_url import without_password

__all__ = [
    "console",
    "counted",
    "has_screen",
    "print_error",
    "print_server_error",
    "showing_warnings",
]


def console() -> Console:
    """The console of standard output. Square brackets are not markup: settings are full of them."""
    return Console(markup=False, highlight=False, emoji=False)


def has_screen(out: Console) -> bool:
    """Whether it is a terminal on which what was printed can be changed: one that is not dumb."""
    return out.is_terminal and not out.is_dumb_terminal


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things, such as ``"1 key"``, ``"1,024 keys"``.

    Args:
        number: how many.
        one: what one is called.
        many: what others are called, if it is not that with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


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


def print_server_error(url: str, error: Exception, then: str = "") -> None:
    """Print why a server, or what its URL names, could not be asked.

    Args:
        url: the server's, which is shown without its password.
        error: what went wrong.
        then: what to do now.
    """
    if isinstance(error, AuthenticationError):
        then = (
            "put user and password into the URL, redis://USER:PASSWORD@HOST:PORT, without USER: "
            "for the default user"
        )
    problem = f"{str(error).rstrip('.')}: {then}" if then else str(error)
    print_error(f"{without_password(url)}: {problem}")


def _print_labelled(label: str, style: str, text: str) -> None:
    errors = Console(markup=False, highlight=False, emoji=False, stderr=True)
    errors.print(label, style=style, end=" ")
    errors.print(text, soft_wrap=True)
