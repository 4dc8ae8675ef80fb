"""Which group a key belongs to: by rules such as ``user:{id}:profile``, else by its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["OVERFLOW", "KeyGroups"]

OVERFLOW: Final = "overflow"
"""The group of what there is no room for, as redis_exporter calls it."""

_SEPARATORS: Final = re.compile(r"([:/.|]+)")
_WORD: Final = re.compile(r"[A-Za-z_-]{1,24}")
_PLACEHOLDER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|\*")
_MOST_PARTS: Final = 9
_LONGEST_LOOKED_AT: Final = 200
_ANY: Final = "*"


class KeyGroups:
    """Finds the group of keys.

    A rule is a key with placeholders: ``{id}`` (any name) stands for one or more characters other
    than the separators ``:``, ``/``, ``.`` and ``|``; ``*`` stands for anything. The first rule
    that matches the whole key counts, and the group is called like the rule.

    Other keys are grouped by themselves: between separators, words of up to 24 letters, hyphens
    and underscores stay; everything else (numbers, identifiers, other alphabets) becomes ``*``; of
    more than five words the rest is left out. ``user:123:profile`` is of the group
    ``user:*:profile``.

    Args:
        rules: the rules.
    """

    def __init__(self, rules: Sequence[str] = ()) -> None:
        self._rules = [(_compiled(rule), rule) for rule in rules]

    def group_of(self, key: bytes) -> str:
        """The group of a key, given as on the wire."""
        text = key[:_LONGEST_LOOKED_AT].decode("utf-8", "replace")
        return self._by_rule(text) or _by_words(text)

    def mask(self, key: bytes) -> str:
        """A key without what could tell of a person: by its rule, else ``user:*:*``.

        Without a rule only the first word stays, and only if others follow it: any later one may
        be a name.
        """
        text = key[:_LONGEST_LOOKED_AT].decode("utf-8", "replace")
        rule = self._by_rule(text)
        if rule is not None:
            return rule
        first, *others = _SEPARATORS.split(text)[:_MOST_PARTS]
        kept = [first if others and _WORD.fullmatch(first) else _ANY]
        return "".join([*kept, *[_ANY if at % 2 else part for at, part in enumerate(others)]])

    def _by_rule(self, text: str) -> str | None:
        for pattern, rule in self._rules:
            if pattern.fullmatch(text):
                return rule
        return None


def _compiled(rule: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for placeholder in _PLACEHOLDER.finditer(rule):
        parts.append(re.escape(rule[end : placeholder.start()]))
        parts.append(".*" if placeholder[0] == _ANY else "[^:/.|]+")
        end = placeholder.end()
    return re.compile("".join([*parts, re.escape(rule[end:])]), re.DOTALL)


def _by_words(text: str) -> str:
    parts = _SEPARATORS.split(text)
    for at in range(0, len(parts), 2):
        if parts[at] and not _WORD.fullmatch(parts[at]):
            parts[at] = _ANY
    if len(parts) > _MOST_PARTS:
        parts[_MOST_PARTS:] = [parts[_MOST_PARTS], "..."]
    return "".join(parts)
