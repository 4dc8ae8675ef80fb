"""Rules that take keys from each other."""

from __future__ import annotations

from collections.abc import Sequence

from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.local_cache.patterns import is_prefix_pattern, literal_prefix
from redis_middleware_plugins.local_cache.settings import RuleSettings

__all__ = ["overlaps"]


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
    if is_prefix_pattern(earlier) and second.startswith(first):
        return "is never used: all its keys match"
    if first.startswith(second) or second.startswith(first):
        return "may share keys with"
    return None
