"""Patterns of keys, matched exactly as the server matches those of KEYS and SCAN.

======== ==================================================================================
``*``    any bytes, none too
``?``    any one byte
``[ab]`` one of these bytes; ``[a-c]`` is a range, whichever end comes first
``[^a]`` any one byte but these; only ``^`` negates
``\\*``   the byte after the backslash itself, inside brackets too
======== ==================================================================================

Matching is on bytes and on the whole key. The rules are those of ``stringmatchlen`` in the
servers' ``util.c``, with two of its corners: ``[a-]`` has no end, since ``a-]`` is a range; and
``*`` alone matches the empty key, which ``**`` does not. What the server takes but hardly anybody
means (brackets without end or contents, a backslash at the end) is refused here, and so are letters
outside ASCII in brackets, which stand for single bytes there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["KeyPattern"]

_STAR, _QUESTION_MARK, _OPEN, _CLOSE, _CARET, _MINUS, _BACKSLASH = b"*?[]^-\\"

# A run of stars; it separates the segments, which have a fixed length each.
_Segments = list[list[bytes]]


class KeyPattern:
    """A pattern of keys, compiled once.

    Args:
        pattern: the pattern as text; keys are compared with its UTF-8 bytes.

    Raises:
        ValueError: it is empty, or breaks a rule of this module; the message tells where.
    """

    __slots__ = ("_fullmatch", "pattern")

    pattern: str

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._fullmatch = re.compile(_to_regex(pattern), re.DOTALL).fullmatch

    def matches(self, key: bytes) -> bool:
        """Return whether the server would match ``key``, given as on the wire."""
        return self._fullmatch(key) is not None

    def __repr__(self) -> str:
        return f"KeyPattern({self.pattern!r})"

    def __str__(self) -> str:
        return self.pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyPattern) and other.pattern == self.pattern

    def __hash__(self) -> int:
        return hash((KeyPattern, self.pattern))

    def __reduce__(self) -> tuple[type[KeyPattern], tuple[str]]:
        return KeyPattern, (self.pattern,)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._from_settings, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _from_settings(cls, value: object) -> KeyPattern:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError('not a key pattern; allowed is text, such as "config:*"')
        return cls(value)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": 1,
            "description": "A Redis key pattern: * ? [a-z] [^x] and \\ before a special character.",
            "examples": ["config:*", "user:[0-9]*:profile"],
        }


def _to_regex(pattern: str) -> bytes:
    if not pattern:
        raise ValueError(
            "an empty key pattern matches only the empty key: write * to match every key"
        )
    if set(pattern) == {"*"}:
        return b".*" if pattern == "*" else b".+"
    first, *others = _segments(pattern)
    if not others:
        return b"".join(first)
    *middle, last = others
    # The first place where a segment matches is as good as any later one, so each is atomic: no
    # pattern can make the search run back and forth over a key.
    middles = (b"(?>.*?" + b"".join(segment) + b")" for segment in middle if segment)
    return b"".join([*first, *middles, b".*", *last])


def _segments(pattern: str) -> _Segments:
    """Return what stands between the stars, each piece as a regular expression for one byte."""
    content = pattern.encode()
    segments: _Segments = [[]]
    at = 0
    while at < len(content):
        byte = content[at]
        if byte == _STAR:
            segments.append([])
        elif byte == _QUESTION_MARK:
            segments[-1].append(b".")
        elif byte == _OPEN:
            members, at = _bracket(content, at)
            segments[-1].append(members)
        else:
            if byte == _BACKSLASH:
                at += 1
                if at == len(content):
                    raise ValueError(
                        f"the key pattern {pattern!r} ends in a backslash with nothing to escape: "
                        "write two for a literal backslash"
                    )
            segments[-1].append(re.escape(content[at : at + 1]))
        at += 1
    return segments


def _bracket(content: bytes, start: int) -> tuple[bytes, int]:
    """Return the brackets that open at ``start`` as a regular expression, and where they close."""
    at = start + 1
    negated = content[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(content) and content[at] != _CLOSE:
        if content[at] == _BACKSLASH and at + 1 < len(content):
            at += 1
            members.add(content[at])
        elif content[at + 1 : at + 2] == b"-" and at + 2 < len(content):
            low, high = sorted((content[at], content[at + 2]))
            members.update(range(low, high + 1))
            at += 2
        else:
            members.add(content[at])
        at += 1
    where = f"the key pattern {content.decode()!r}, character {len(content[:start].decode()) + 1}"
    if at >= len(content):
        raise ValueError(
            f"{where}: the [ is never closed: close it (a - just before the ] makes a range: put "
            "it first, or \\ before it), or write \\[ for the character itself"
        )
    if not members:
        raise ValueError(
            f"{where}: the brackets are empty: name the characters (a ] among them is written \\])"
        )
    if max(members) > 127:
        raise ValueError(
            f"{where}: brackets stand for one byte, and letters outside ASCII have several: "
            "write * in their place"
        )
    matched = sorted(set(range(256)) - members if negated else members)
    return b"[" + b"".join(b"\\x%02x" % byte for byte in matched) + b"]", at
