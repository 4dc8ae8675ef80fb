"""The line of a TOML file where a key stands, for error messages: tomllib keeps no positions.

The statements are recognised line by line, not parsed. A line that cannot be told for certain is
not told at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from redis_middleware.settings.origins import KeyPath

__all__ = ["line_of", "statements"]

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_STATEMENT = re.compile(
    rf"\s*(?:\[\[\s*(?P<array>{_DOTTED})\s*\]\]|\[\s*(?P<table>{_DOTTED})\s*\]|(?P<key>{_DOTTED})\s*=)"
)


def line_of(text: str, path: KeyPath) -> int | None:
    """Return the number, from 1, of the line that sets ``path`` or the nearest table around it.

    Args:
        text: the TOML document.
        path: the way to the key from the top of the document.

    Returns:
        The first line inside of ``path`` where it has none of its own, as with a list of tables;
        None where no line, or more than one, answers.
    """
    all_of_them = list(statements(text))
    inside = [line for line, at in all_of_them if at[: len(path)] == path]
    if inside and not any(at == path for _, at in all_of_them):
        return inside[0]
    found = [(len(at), line) for line, at in all_of_them if at == path[: len(at)]]
    longest = max((length for length, _ in found), default=0)
    lines = [line for length, line in found if length == longest]
    return lines[0] if len(lines) == 1 else None


def statements(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Yield each line, from 1, that begins a table or sets a key, with the way to what it is."""
    table: KeyPath = ()
    array_lengths: dict[tuple[str, ...], int] = {}
    inside_multiline_string = False
    for line, content in enumerate(text.splitlines(), start=1):
        statement = None if inside_multiline_string else _STATEMENT.match(content)
        inside_multiline_string ^= (content.count('"""') + content.count("'''")) % 2 == 1
        if statement is None:
            continue
        if statement["key"] is not None:
            yield line, (*table, *_names(statement["key"]))
            continue
        if statement["array"] is not None:
            names = _names(statement["array"])
            array_lengths[names] = array_lengths.get(names, 0) + 1
        else:
            names = _names(statement["table"])
        table = _with_indexes(names, array_lengths)
        yield line, table


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


def _with_indexes(names: tuple[str, ...], array_lengths: dict[tuple[str, ...], int]) -> KeyPath:
    path: KeyPath = ()
    for end in range(1, len(names) + 1):
        path = (*path, names[end - 1])
        if names[:end] in array_lengths:
            path = (*path, array_lengths[names[:end]] - 1)
    return path
