"""What the cache did, by rule and altogether."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["RuleCounts", "Statistics"]


class RuleCounts:
    """What happened under one rule since the plugin was made, and what it takes.

    Attributes:
        hits: reads that were answered from memory.
        misses: reads that were not, although the rule names their key.
        stale_hits: hits that were served after their end, while they were renewed.
        served_on_error: replies served after their end because the server could not be reached.
        stored: replies that were kept.
        refused: replies that were not kept: too large, nil, or impossible to copy.
        overtaken: replies that were not kept because their key was invalidated meanwhile.
        evicted: entries that made room for others.
        invalidated: entries that were dropped because their key changed.
        refreshes: replies renewed in the background.
        bytes: how much memory the entries take now, about.
    """

    __slots__ = (
        "bytes",
        "evicted",
        "hits",
        "invalidated",
        "misses",
        "overtaken",
        "refreshes",
        "refused",
        "served_on_error",
        "stale_hits",
        "stored",
    )

    hits: int
    misses: int
    stale_hits: int
    served_on_error: int
    stored: int
    refused: int
    overtaken: int
    evicted: int
    invalidated: int
    refreshes: int
    bytes: int

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count anew, as in a forked process, which has nothing of what was counted."""
        for name in self.__slots__:
            setattr(self, name, 0)

    @property
    def hit_ratio(self) -> float:
        """Hits among the reads, from 0 to 1; 0 without any."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.as_dict().items() if count)
        return f"<RuleCounts {counts or 'nothing yet'}>"


@dataclass(frozen=True)
class Statistics:
    """A reading of the cache.

    Attributes:
        state: ``"on"``, ``"partial"`` where some nodes of a cluster are not heard, or why it is
            not: ``"connecting"``, ``"lost"``, ``"refused"``, ``"off"``.
        reason: what happened, in words; empty while it is on.
        mode: how entries are kept right: ``"broadcast"``, ``"tracking"`` or ``"ttl"``.
        entries: how many replies are kept.
        bytes: how much memory they take, about.
        losses: how often the connection for invalidations was lost.
        messages: how many invalidation messages came.
        malformed: how many of them made no sense, upon which everything was dropped.
        rules: the counts of each rule, by its pattern.
    """

    state: str
    reason: str
    mode: str
    entries: int
    bytes: int
    losses: int
    messages: int
    malformed: int
    rules: dict[str, RuleCounts] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Whether anything is cached."""
        return self.state in ("on", "partial")

    @property
    def hits(self) -> int:
        """Hits under all rules."""
        return sum(counts.hits for counts in self.rules.values())

    @property
    def misses(self) -> int:
        """Misses under all rules."""
        return sum(counts.misses for counts in self.rules.values())

    @property
    def hit_ratio(self) -> float:
        """Hits among the reads under all rules, from 0 to 1; 0 without any."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0
