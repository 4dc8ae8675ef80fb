"""What a run is told by: counts of calls, errors and redirections, and the longest call."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.plugins.slot_routing.faults.ledger import Ledger

__all__ = ["Report"]


class Report:
    """The counts of one run.

    Attributes:
        calls: by kind: single, pipeline, transaction.
        errors: by type of exception, of single replies and of calls as a whole.
        first_errors: the first message of each type, and how long its call took.
        longest: seconds of the longest call.
        found: what the ledgers counted: writes, reads, lost, doubled.
        foreign: replies that no write of their key explains.
        redirections: by kind: moved, ask, retries.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.first_errors: dict[str, str] = {}
        self.longest = 0.0
        self.found: Counter[str] = Counter()
        self.foreign: list[str] = []
        self.redirections: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add_call(self, kind: str, seconds: float, replies: Sequence[Any]) -> bool:
        """Count one call; tell whether anything in it failed."""
        # One exception for all of a call's replies counts once.
        failures = {id(reply): reply for reply in replies if isinstance(reply, Exception)}
        with self._lock:
            self.calls[kind] += 1
            for failure in failures.values():
                name = type(failure).__name__
                self.errors[name] += 1
                self.first_errors.setdefault(name, f"{failure} (after {seconds:.2f} s)")
            self.longest = max(self.longest, seconds)
        return bool(failures)

    def add_ledger(self, ledger: Ledger) -> None:
        """Add what one worker found."""
        self.found.update(ledger.counts)
        self.foreign += ledger.foreign

    def __str__(self) -> str:
        def told(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))

        parts = {
            "calls": told(self.calls),
            "found": told(self.found),
            "redirections": told(self.redirections),
            "errors": told(self.errors) or "none",
            "longest call": f"{self.longest:.2f} s",
        }
        lines = ["; ".join(f"{name}: {part}" for name, part in parts.items() if part)]
        lines += [f"first {name}: {message}" for name, message in self.first_errors.items()]
        return "\n  ".join(lines)
