"""The rules, compiled: which one is for a key, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.local_cache.settings import RuleSettings
from redis_middleware_plugins.local_cache.statistics import RuleCounts

__all__ = ["Rule", "Rules", "broadcast_prefixes", "is_covered", "literal_prefix", "overlaps"]

_SPECIAL = frozenset("*?[")


class Rule:
    """One rule, ready to be applied.

    Attributes:
        settings: what it was made of.
        name: its pattern, by which its counts go.
        counts: what happened under it.
        prefix: the bytes that every key of it begins with; empty where there are none.
        is_guarded: whether the server has been told to report writes to its keys. Nothing is
            cached under a rule before that.
        ttl: as in the settings, and so on.
    """

    __slots__ = (
        "cache_nil",
        "counts",
        "hot_only",
        "is_guarded",
        "matches",
        "max_value",
        "name",
        "prefix",
        "refresh_ahead",
        "settings",
        "stale_if_error",
        "stale_while_revalidate",
        "ttl",
        "ttl_jitter",
    )

    def __init__(self, settings: RuleSettings, counts: RuleCounts) -> None:
        self.settings = settings
        self.name = settings.keys.pattern
        self.counts = counts
        self.prefix, is_whole = literal_prefix(settings.keys)
        self.matches = _matcher(settings.keys, self.prefix, is_whole)
        self.is_guarded = False
        self.ttl = settings.ttl
        self.ttl_jitter = settings.ttl_jitter
        self.max_value = settings.max_value
        self.cache_nil = settings.cache_nil
        self.hot_only = settings.hot_only
        self.refresh_ahead = settings.refresh_ahead
        self.stale_while_revalidate = settings.stale_while_revalidate
        self.stale_if_error = settings.stale_if_error

    def __repr__(self) -> str:
        return f"<Rule {self.name}>"


class Rules:
    """A list of rules; immutable, to be swapped whole.

    Args:
        settings: the rules, the first one that matches a key is its rule.
        before: the counts so far, by pattern, which go on.
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


def literal_prefix(pattern: KeyPattern) -> tuple[bytes, bool]:
    """What every key that matches begins with, and whether that is the whole key."""
    text = pattern.pattern
    literal: list[str] = []
    index = 0
    while index < len(text):
        if text[index] in _SPECIAL:
            return "".join(literal).encode(), False
        if text[index] == "\\":
            index += 1
        literal.append(text[index])
        index += 1
    return "".join(literal).encode(), True


def _matcher(pattern: KeyPattern, prefix: bytes, is_whole: bool) -> Callable[[bytes], bool]:
    # Most patterns are a key or a prefix, which bytes compare several times faster than a regex.
    if is_whole:
        return prefix.__eq__
    if _is_prefix_pattern(pattern):
        return (lambda key: key.startswith(prefix)) if prefix else (lambda key: True)
    return pattern.matches


def _is_prefix_pattern(pattern: KeyPattern) -> bool:
    text = pattern.pattern
    return text == "*" or (text.endswith("*") and literal_prefix(KeyPattern(text[:-1]))[1])


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


def overlaps(rules: Sequence[RuleSettings]) -> list[str]:
    """Sentences about rules that share keys with an earlier one, which takes them."""
    remarks = []
    for number, later in enumerate(rules):
        for earlier_number, earlier in enumerate(rules[:number]):
            overlap = _overlap(earlier.keys, later.keys)
            if overlap:
                remarks.append(
                    f"rules.{number} ({later.keys}) {overlap} rules.{earlier_number} "
                    f"({earlier.keys}), which comes first and takes them"
                )
    return remarks


def _overlap(earlier: KeyPattern, later: KeyPattern) -> str | None:
    first, first_is_whole = literal_prefix(earlier)
    second, second_is_whole = literal_prefix(later)
    if second_is_whole:
        return "is never used: its key matches" if earlier.matches(second) else None
    if first_is_whole:
        return "shares a key with" if later.matches(first) else None
    if _is_prefix_pattern(earlier) and second.startswith(first):
        return "is never used: all its keys match"
    if first.startswith(second) or second.startswith(first):
        return "may share keys with"
    return None
