"""Waiting for what servers and workers do, instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["WITHIN", "wait_until"]

WITHIN = 30.0
"""Seconds within which what must happen has happened, also on a busy machine."""

_POLL_EVERY = 0.01


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it does not in time.
    """
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN:g} s: {what}"
        time.sleep(_POLL_EVERY)
