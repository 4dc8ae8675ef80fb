"""What a worker knows of its keys, and how it judges replies by that.

Each value carries its key and a number, so that a reply that belongs to another key, or that is
older than what was acknowledged, is known at sight. A write whose call failed may have been done or
not, and may even be done later: any number of such a write may be read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Ledger", "value_of"]

_SHOWN = 5


def value_of(key: str, number: int) -> bytes:
    """The value that a write of this number puts into the key."""
    return f"{key}={number}".encode()


class Ledger:
    """One worker's keys. Nobody else writes them, and it makes one call after the other.

    Attributes:
        acknowledged: for each key the number of its last acknowledged write.
        counts: ``writes``, ``reads`` (acknowledged ones), ``lost`` (reads that showed that an
            acknowledged write was lost) and ``doubled`` (increments that were done twice).
        foreign: replies that cannot be explained by the key's writes.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.foreign: list[str] = []
        self._uncertain: dict[str, set[int]] = {}
        self._last_number = 0

    def next_number(self) -> int:
        """A number that no write of this worker had before."""
        self._last_number += 1
        return self._last_number

    def wrote(self, key: str, number: int, reply: Any) -> None:
        """Judge the reply to a SET."""
        if isinstance(reply, Exception):
            self._uncertain.setdefault(key, set()).add(number)
        elif reply is True or reply == b"OK":
            self.acknowledged[key] = number
            self.counts["writes"] += 1
        else:
            self._refuse(f"SET {key}", reply)

    def read(self, key: str, reply: Any) -> None:
        """Judge the value that was read of a key."""
        if isinstance(reply, Exception):
            return
        self.counts["reads"] += 1
        acknowledged = self.acknowledged.get(key)
        if reply is None:
            self.counts["lost"] += acknowledged is not None
            self.acknowledged.pop(key, None)
            return
        name, _, digits = bytes(reply).rpartition(b"=")
        if name != key.encode() or not digits.isdigit():
            self._refuse(f"GET {key}", reply)
            return
        number = int(digits)
        if number == acknowledged:
            return
        if number not in self._uncertain.get(key, ()):
            if acknowledged is None or number > acknowledged:
                self._refuse(f"GET {key}, of which {acknowledged} was acknowledged", reply)
                return
            self.counts["lost"] += 1
        self.acknowledged[key] = number

    def counted(self, key: str, step: int, reply: Any) -> None:
        """Judge the reply to an INCRBY, always by the same step, of a key that was set before."""
        uncertain = self._uncertain.setdefault(key, set())
        if isinstance(reply, Exception):
            uncertain.add(self.next_number())
            return
        self.counts["writes"] += 1
        before = self.acknowledged[key]
        if not isinstance(reply, int) or (reply - before) % step:
            self._refuse(f"INCRBY {key}, which was at {before}", reply)
            return
        steps = (reply - before) // step
        self.counts["lost"] += steps < 1
        self.counts["doubled"] += max(0, steps - 1 - len(uncertain))
        uncertain.clear()
        self.acknowledged[key] = reply

    def _refuse(self, what: str, reply: Any) -> None:
        if len(self.foreign) < _SHOWN:
            self.foreign.append(f"{what}: {reply!r}")
