"""What the slow log knows of a slow command or batch, and where it keeps it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from redis_middleware import Place

__all__ = ["SlowEntries", "SlowEntry"]


@dataclass(frozen=True, slots=True)
class SlowEntry:
    """One slow command, or one slow pipeline or transaction as a whole.

    Attributes:
        at: when it began, in UTC.
        name: the command's name; ``"PIPELINE"`` or ``"TRANSACTION"`` for a batch.
        commands: how many commands of each name it was: one, or those of the batch.
        keys: its first keys, shown as the settings say.
        key_count: how many different keys it named.
        arguments_size: the bytes of the arguments on the wire, names included.
        reply_size: the bytes of the reply; ``None`` where there was none.
        duration: seconds until the reply was there, or the failure.
        threshold: the seconds from which it counted as slow.
        servers: the addresses it went to, as far as the client knew.
        place: where it ran: ``"single"``, ``"pipeline"``, ``"transaction"`` or ``"watch"``.
        errors: how many commands failed, by type of exception. A batch that failed as a whole
            counts once.
    """

    at: datetime
    name: str
    commands: Mapping[str, int]
    keys: tuple[str, ...]
    key_count: int
    arguments_size: int
    reply_size: int | None
    duration: float
    threshold: float
    servers: tuple[str, ...]
    place: str
    errors: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain values that JSON has, ``at`` in ISO 8601."""
        return {
            **asdict(self),
            "at": self.at.isoformat(),
            "keys": list(self.keys),
            "servers": list(self.servers),
        }

    def __str__(self) -> str:
        parts = [f"{self._subject()} took {_ms(self.duration)} (threshold {_ms(self.threshold)})"]
        if self.key_count:
            more = self.key_count - len(self.keys)
            named = ", ".join(self.keys) or "not shown"
            parts.append(f"keys {named}" + (f" and {more} more" if self.keys and more else ""))
        reply = "no reply" if self.reply_size is None else f"reply {self.reply_size} B"
        parts.append(f"arguments {self.arguments_size} B, {reply}")
        if self.servers:
            parts.append(f"server {', '.join(self.servers)}")
        if self.errors:
            failed = _counts(self.errors) if self._is_batch else ", ".join(self.errors)
            parts.append(f"failed: {failed}")
        return "; ".join(parts)

    def _subject(self) -> str:
        if self._is_batch:
            return f"{self.name} of {_counts(self.commands)}"
        return f"{self.name} under WATCH" if self.place == Place.WATCH.value else self.name

    @property
    def _is_batch(self) -> bool:
        return self.place in (Place.PIPELINE.value, Place.TRANSACTION.value)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


class SlowEntries:
    """The latest entries; safe to use from several threads.

    Args:
        keep: how many are kept.
    """

    def __init__(self, keep: int) -> None:
        self._entries: deque[SlowEntry] = deque(maxlen=keep)
        self._total = 0
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """How many entries there have been, those that are not kept any more included."""
        return self._total

    def add(self, entry: SlowEntry) -> None:
        """Keep an entry, in place of the oldest if there is no room."""
        with self._lock:
            self._total += 1
            self._entries.append(entry)

    def all(self) -> tuple[SlowEntry, ...]:
        """The entries that are kept, the oldest first."""
        with self._lock:
            return tuple(self._entries)

    def clear(self) -> None:
        """Forget the entries."""
        with self._lock:
            self._entries.clear()

    def resize(self, keep: int) -> None:
        """Keep so many from now on; if there are more, the oldest go."""
        with self._lock:
            self._entries = deque(self._entries, maxlen=keep)
