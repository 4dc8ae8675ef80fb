"""What patterns of keys begin with, and matching by that."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller

from redis_middleware.settings.types import KeyPattern

__all__ = ["is_prefix_pattern", "literal_prefix", "matcher"]

_SPECIAL = frozenset("*?[")


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


def matcher(pattern: KeyPattern) -> Callable[[bytes], bool]:
    """The fastest function that tells whether a key, given as on the wire, matches.

    Most patterns are a key or a prefix, which bytes compare several times faster than a regex.
    """
    prefix, is_whole = literal_prefix(pattern)
    if is_whole:
        return prefix.__eq__
    if is_prefix_pattern(pattern):
        return methodcaller("startswith", prefix)
    return pattern.matches


def is_prefix_pattern(pattern: KeyPattern) -> bool:
    """Whether every key with the pattern's prefix matches."""
    text = pattern.pattern
    return text == "*" or (text.endswith("*") and literal_prefix(KeyPattern(text[:-1]))[1])
