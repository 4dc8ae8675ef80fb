"""How figures are put into words, with the digits that matter."""

from __future__ import annotations

__all__ = ["amount", "change", "milliseconds", "percent"]


def milliseconds(seconds: float) -> str:
    """A duration, given in seconds."""
    value = seconds * 1000
    return (
        f"{value:.3f} ms" if value < 0.1 else f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"
    )


def amount(number: float) -> str:
    """A whole number."""
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """A share, 1 being all."""
    return f"{share:.0%}"


def change(before: float, after: float) -> str:
    """How much it is afterwards: so many times as much, or a share where it is less."""
    if not before:
        return "from nothing"
    return f"{after / before:.1f} times" if after >= before else percent(after / before)
