"""A reply in memory, from the read that asks for it on."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, Final

from redis_middleware import NIL, Answer
from redis_middleware.once import Lead
from redis_middleware.sizes import size_of
from redis_middleware_plugins.local_cache.cacheable import kinds_of
from redis_middleware_plugins.local_cache.copying import fresh_copier
from redis_middleware_plugins.local_cache.rules import Rule

__all__ = ["ENTRY_OVERHEAD", "Entry"]

ENTRY_OVERHEAD: Final = 300
"""Bytes that an entry takes besides its key and its value: objects, tables, the order of use."""


class Entry:
    """The place of one reply: taken when it is asked for, filled when it comes.

    Attributes:
        name: what it is kept under.
        key: its key, as on the wire.
        rule: the rule it is kept by.
        counts: those of the rule.
        lead: the key and future by which others wait for the reply; ``None`` where nobody does.
        answer: the reply.
        kinds: what the types of arguments must be that are taken for the name as they are;
            ``None`` where that goes without saying.
        copier: makes the reply that a caller gets of it; ``None`` where it cannot be changed.
        size: bytes it takes, about.
        as_is_until: the reading of the clock until which a hit is no more than that.
        expires: the reading of the clock at which its TTL ends.
        is_refreshing: whether it is being renewed.
    """

    __slots__ = (
        "answer",
        "as_is_until",
        "copier",
        "counts",
        "expires",
        "is_refreshing",
        "key",
        "kinds",
        "lead",
        "name",
        "rule",
        "size",
    )

    answer: Answer
    as_is_until: float
    copier: Callable[[Any], Any] | None
    expires: float
    is_refreshing: bool
    kinds: tuple[type, ...] | None
    size: int

    def __init__(self, name: Hashable, key: bytes, rule: Rule) -> None:
        self.name = name
        self.key = key
        self.rule = rule
        self.counts = rule.counts
        self.lead: tuple[Hashable, Lead] | None = None

    def fill(self, reply: Any, now: float, dice: float) -> bool:
        """Put the reply in.

        Args:
            reply: the reply.
            now: the reading of the clock.
            dice: a number from 0 to 1, for the jitter of its TTL.

        Returns:
            Whether it may be kept; not where the rule forbids it, or it cannot be copied.
        """
        rule = self.rule
        # Replies are mostly bytes, whose size and copies need no function.
        is_bytes = reply.__class__ is bytes
        size = len(reply) if is_bytes else size_of(reply)
        if size > rule.max_value or (reply is None and not rule.cache_nil):
            return False
        self.copier = None
        self.answer = Answer(reply)
        if not is_bytes:
            try:
                self.copier = copier = fresh_copier(reply)
                if copier is not None:
                    self.answer = Answer(copier(reply))
            except Exception:
                # A response callback of the application's made something that cannot be copied.
                return False
        self.size = size + len(self.key) + ENTRY_OVERHEAD
        self.kinds = kinds_of(self.name)
        self.is_refreshing = False
        self.expires = expires = now + rule.shortest_life + rule.jitter * dice
        self.as_is_until = expires - rule.refresh_ahead
        return True

    def use_rule(self, rule: Rule, now: float) -> None:
        """Go on under another rule, for no longer than it allows."""
        before, self.rule = self.rule, rule
        self.counts.bytes -= self.size
        self.counts = rule.counts
        self.counts.bytes += self.size
        if not self.is_for_errors:
            if rule.ttl != before.ttl:
                self.expires = min(self.expires, now + rule.ttl)
            self.as_is_until = self.expires - rule.refresh_ahead

    def keep_for_errors(self, now: float) -> None:
        """Be of no use from now on but when the server cannot be reached."""
        self.expires = min(self.expires, now)
        self.as_is_until = -math.inf

    @property
    def is_for_errors(self) -> bool:
        """Whether it is of use only when the server cannot be reached."""
        return self.as_is_until == -math.inf

    @property
    def ends(self) -> float:
        """The reading of the clock at which it is of no use any more, not even stale."""
        rule = self.rule
        return self.expires + max(rule.stale_while_revalidate, rule.stale_if_error)

    def handed_out(self) -> Any:
        """The reply for a caller, as a flow returns it."""
        reply = self.answer.reply
        if self.copier is not None:
            return self.copier(reply)
        return NIL if reply is None else reply

    def allowed_by(self, rule: Rule) -> bool:
        """Whether a rule would keep it."""
        size = self.size - len(self.key) - ENTRY_OVERHEAD
        return size <= rule.max_value and (self.answer.reply is not None or rule.cache_nil)
