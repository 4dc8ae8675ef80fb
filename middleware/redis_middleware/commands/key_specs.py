"""The parts of a key specification, as the servers' COMMAND reply has them since version 7.

A key specification tells where a command's keys stand among its arguments, in two steps
(https://redis.io/docs/latest/develop/reference/key-specs/): where to begin (at an index, or after
a keyword) and which arguments from there on are keys (a range, or as many as an argument says).
A command has as many specifications as it has kinds of keys.

The table of commands and its supplement write them as text, one after another with ``"; "``
between, each the place, a colon and the flags:

===============================  ===================================================
``1: RO access``                 one key, the argument at index 1
``1 range -1 2 0: OW update``    from index 1 to the last argument, every second one
``STREAMS 1 range -1 1 2: RO``   after the word STREAMS, which is looked for from index 1
                                 on, the first half of what follows
``2 keynum 0 1 1: RW``           index 2 holds how many keys there are, the first is the
                                 one after it
``unknown: RO``                  keys that the arguments do not show
===============================  ===================================================

The numbers of ``range`` are last key, step and limit, those of ``keynum`` the index of the count,
the index of the first key (both counted from where the search began) and the step.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "IndexSearch",
    "KeyCount",
    "KeyRange",
    "KeySpec",
    "KeyUse",
    "KeywordSearch",
    "parse_key_specs",
]


class IndexSearch(NamedTuple):
    """Begin at a fixed argument."""

    position: int
    """The argument's index among the wire arguments; the command's name is at 0."""


class KeywordSearch(NamedTuple):
    """Begin at the argument after a keyword."""

    keyword: str
    """The keyword in upper case; any case matches."""
    start_from: int
    """Where to begin looking; negative: from the end, and backwards."""


class KeyRange(NamedTuple):
    """Keys up to a last one."""

    last_key: int
    """The last key, counted from the first; negative: counted from the last argument."""
    step: int
    """How many arguments on the next key is."""
    limit: int
    """With a ``last_key`` of -1: 2 if the keys are the first half of the arguments, and so on."""


class KeyCount(NamedTuple):
    """As many keys as an argument says."""

    count_at: int
    """Where the number of keys is, counted from where the search began."""
    first_key: int
    """Where the first key is, counted from where the search began."""
    step: int
    """How many arguments on the next key is."""


class KeySpec(NamedTuple):
    """Where one kind of a command's keys is, and what the command does with them."""

    begin_search: IndexSearch | KeywordSearch | None
    """Where to begin; None if the arguments do not show these keys."""
    find_keys: KeyRange | KeyCount | None
    """Which arguments from there on; None if the arguments do not show these keys."""
    flags: frozenset[str]
    """The server's flags: see ``KeyUse.flags``."""


class KeyUse(NamedTuple):
    """A key among a command's arguments, and what the command does with it."""

    position: int
    """The key's index among the wire arguments; the command's name is at 0."""
    flags: frozenset[str]
    """The server's flags, spelt as the server spells them.

    One of ``RO`` ``RW`` ``OW`` ``RM`` tells what happens to the key: it is looked at, changed,
    overwritten, removed. ``access`` ``insert`` ``update`` ``delete`` tell what happens to the data
    in it: it is returned, copied or used, added to, changed, taken away. ``not_key``: it is no
    key, but is placed like one (a sharded channel). ``incomplete`` and ``variable_flags``: the
    specification does not tell everything, and nothing better is known.
    """
    reads: bool
    """The answer depends on what the key holds: ``RO`` or ``access``."""
    writes: bool
    """The key may be another afterwards: ``RW``, ``OW`` or ``RM``."""


def parse_key_specs(text: str) -> tuple[KeySpec, ...]:
    """Parse key specifications from the notation this module describes.

    Args:
        text: the specifications; empty for a command without keys.

    Returns:
        The specifications in the order of the text.

    Raises:
        ValueError: the text does not follow the notation; the message quotes the part that fails.
    """
    return tuple(_parse_key_spec(part) for part in text.split("; ")) if text else ()


def _parse_key_spec(text: str) -> KeySpec:
    place, _, flags = text.partition(":")
    search: IndexSearch | KeywordSearch | None
    keys: KeyRange | KeyCount | None
    match place.split():
        case ["unknown"]:
            search = keys = None
        case [index]:
            search, keys = IndexSearch(_number(index, text)), KeyRange(0, 1, 0)
        case [*begin, ("range" | "keynum") as kind, first, second, third]:
            search = _parse_begin_search(begin, text)
            numbers = _number(first, text), _number(second, text), _number(third, text)
            keys = KeyRange(*numbers) if kind == "range" else KeyCount(*numbers)
        case _:
            raise ValueError(f"cannot tell where the keys of {text!r} are")
    return KeySpec(search, keys, frozenset(flags.split()))


def _parse_begin_search(words: list[str], text: str) -> IndexSearch | KeywordSearch:
    match words:
        case [index]:
            return IndexSearch(_number(index, text))
        case [keyword, start_from]:
            return KeywordSearch(keyword.upper(), _number(start_from, text))
        case _:
            raise ValueError(f"cannot tell where the search for the keys of {text!r} begins")


def _number(word: str, text: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word!r} in the key specification {text!r} is not a number") from None
