"""Sizes and numbers as people read them."""

from __future__ import annotations

__all__ = ["in_bytes", "share"]


def in_bytes(size: float) -> str:
    """A size with a unit: ``"1.5 MiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def share(part: float, whole: float) -> str:
    """A part of a whole in percent."""
    return f"{100 * part / whole:.1f}%" if whole else "0.0%"
