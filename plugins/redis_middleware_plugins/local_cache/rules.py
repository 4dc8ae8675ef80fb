"""The rules, compiled: which one is for a key, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from redis_middleware_plugins.local_cache.patterns import literal_prefix, matcher
from redis_middleware_plugins.local_cache.settings import RuleSettings
from redis_middleware_plugins.local_cache.statistics import RuleCounts

__all__ = ["Rule", "Rules", "broadcast_prefixes", "is_covered"]


class Rule:
    """One rule, ready to be applied.

    Attributes:
        settings: what it was made of.
        name: its pattern, by which its counts go.
        counts: what happened under it.
        prefix: the bytes that every key of it begins with; empty where there are none.
        is_guarded: whether the server has been told to report writes to its keys. Nothing is
            cached under a rule before that.
        is_in_force: whether it is one of the settings in force. Whoever has found it before they
            changed may still come with it.
        is_ordinary: whether a read of its keys is kept without more ado than sending it.
        ttl: as in the settings, and so on.
        jitter: seconds by which the life of an entry varies.
        shortest_life: the shortest it can be, in seconds.
    """

    __slots__ = (
        "cache_nil",
        "counts",
        "hot_only",
        "is_guarded",
        "is_in_force",
        "is_ordinary",
        "jitter",
        "matches",
        "max_value",
        "name",
        "prefix",
        "refresh_ahead",
        "settings",
        "shortest_life",
        "stale_if_error",
        "stale_while_revalidate",
        "ttl",
    )

    def __init__(self, settings: RuleSettings, counts: RuleCounts) -> None:
        self.settings = settings
        self.name = settings.keys.pattern
        self.counts = counts
        self.prefix = literal_prefix(settings.keys)[0]
        self.matches = matcher(settings.keys)
        self.is_guarded = False
        self.is_in_force = True
        self.is_ordinary = False
        self.ttl = settings.ttl
        self.jitter = settings.ttl * settings.ttl_jitter
        self.shortest_life = settings.ttl - self.jitter
        self.max_value = settings.max_value
        self.cache_nil = settings.cache_nil
        self.hot_only = settings.hot_only
        self.refresh_ahead = settings.refresh_ahead
        self.stale_while_revalidate = settings.stale_while_revalidate
        self.stale_if_error = settings.stale_if_error

    def guard(self, *, on: bool = True, by_reading: bool = False) -> None:
        """Note whether the server reports writes to its keys.

        Args:
            on: whether it does.
            by_reading: whether it has to be told with each read that it shall.
        """
        self.is_guarded = on
        self.is_ordinary = on and not by_reading and not self.hot_only

    def __repr__(self) -> str:
        return f"<Rule {self.name}>"


class Rules:
    """A list of rules; immutable, to be swapped whole.

    Args:
        settings: the rules, the first one that matches a key is its rule.
        before: the counts so far, by pattern, which go on.

    Attributes:
        counts: what happened under each rule, by its pattern.
        prefixes: what keys with a rule begin with: no other key has one.
        text_prefixes: the same as text.
    """

    def __init__(
        self, settings: Sequence[RuleSettings], before: Mapping[str, RuleCounts] | None = None
    ) -> None:
        self.counts: dict[str, RuleCounts] = dict(before or {})
        rules = []
        for each in settings:
            counts = self.counts.setdefault(each.keys.pattern, RuleCounts())
            rules.append(Rule(each, counts))
        self._rules = tuple(rules)
        # bytes and str compare with all of them in one call.
        self.prefixes = tuple(broadcast_prefixes(rules))
        self.text_prefixes = tuple([prefix.decode() for prefix in self.prefixes])

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def of(self, key: bytes) -> Rule | None:
        """The rule for a key, given as on the wire; ``None`` where none names it."""
        for rule in self._rules:
            if rule.matches(key):
                return rule
        return None


def broadcast_prefixes(rules: Iterable[Rule]) -> list[bytes]:
    """The prefixes to subscribe to: the server refuses such as overlap, the shorter one is enough.

    An empty list stands for no rules at all; an empty prefix for all keys.
    """
    shortest: list[bytes] = []
    for prefix in sorted({rule.prefix for rule in rules}):
        if not is_covered(prefix, shortest):
            shortest.append(prefix)
    return shortest


def is_covered(prefix: bytes, by: Iterable[bytes]) -> bool:
    """Whether every key with this prefix has one of the others."""
    return any(prefix.startswith(shorter) for shorter in by)
