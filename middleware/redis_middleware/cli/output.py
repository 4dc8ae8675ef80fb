"""Writing to the terminal: colours where there is one, nothing cut where there is none."""

from __future__ import annotations

from rich.console import Console

__all__ = ["console", "print_error"]


def console() -> Console:
    """The console of standard output. Square brackets are not markup: settings are full of them."""
    return Console(markup=False, highlight=False, emoji=False)


def print_error(problem: str) -> None:
    """Print what is wrong to standard error."""
    errors = Console(markup=False, highlight=False, emoji=False, stderr=True)
    errors.print("error:", style="bold red", end=" ")
    errors.print(problem, soft_wrap=True)
