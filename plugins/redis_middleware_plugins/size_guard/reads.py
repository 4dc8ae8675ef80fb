"""Reads whose cost grows with the key: how many elements they take, and how to take fewer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, NamedTuple

from redis_middleware import Command
from redis_middleware.commands.arguments import word_of
from redis_middleware_plugins.size_guard.numbers import whole_number

__all__ = ["READS", "Pages", "Read", "is_by_value", "ranked_span"]

Wire = Sequence[Any]
Pages = Generator[Any, Any, Any]


class Read(NamedTuple):
    """A read that may be a big one.

    Attributes:
        questions: the questions whose answers tell its size, given its wire arguments; none where
            no answer tells it. ``("TYPE", key)`` stands for the size of a key of any type.
        elements: how many elements it takes, given the arguments and the answers; ``None`` where
            they do not tell it before the reply does.
        pages: the flow that answers it in batches, given the command, the batches' size and the
            answers; ``None`` where it cannot be answered so.
        key: the index of its first key among the wire arguments, by which rules are found; 0 where
            it has none.
    """

    questions: Callable[[Wire], list[tuple[Any, ...]]]
    elements: Callable[[Wire, Sequence[int]], int | None]
    pages: Callable[[Command, int, Sequence[int]], Pages] | None = None
    key: int = 1


def _total(wire: Wire, answers: Sequence[int]) -> int | None:
    return sum(answers) if answers else None


def _of_key(length: str) -> Callable[[Wire], list[tuple[Any, ...]]]:
    return lambda wire: [(length, wire[1])] if len(wire) > 1 else []


def _of_keys(length: str) -> Callable[[Wire], list[tuple[Any, ...]]]:
    return lambda wire: [(length, key) for key in wire[1:]]


def _of_counted_keys(length: str) -> Callable[[Wire], list[tuple[Any, ...]]]:
    def questions(wire: Wire) -> list[tuple[Any, ...]]:
        count = whole_number(wire[1]) if len(wire) > 1 else None
        return [(length, key) for key in wire[2 : 2 + max(count or 0, 0)]]

    return questions


def _nothing(wire: Wire) -> list[tuple[Any, ...]]:
    return []


def _scanned(command: Command, scan: str, page_size: int) -> Generator[Any, Any, list[Any]]:
    """All pages of a key's HSCAN or SSCAN."""
    key = command.wire[1]
    pages = []
    cursor = 0
    while True:
        cursor, page = yield command.replace((scan, key, cursor, "COUNT", page_size))
        pages.append(page)
        if not int(cursor):
            return pages


def _hash_pages(command: Command, page_size: int, answers: Sequence[int]) -> Pages:
    whole: dict[Any, Any] = {}
    for page in (yield from _scanned(command, "HSCAN", page_size)):
        whole.update(page)
    if command.name == "HKEYS":
        return list(whole)
    return list(whole.values()) if command.name == "HVALS" else whole


def _set_pages(command: Command, page_size: int, answers: Sequence[int]) -> Pages:
    members: set[Any] = set()
    for page in (yield from _scanned(command, "SSCAN", page_size)):
        members.update(page)
    return members


def _keys_pages(command: Command, page_size: int, answers: Sequence[int]) -> Pages:
    found: dict[Any, None] = {}
    cursor = 0
    while True:
        scan = ("SCAN", cursor, "MATCH", command.wire[1], "COUNT", page_size)
        cursor, page = yield command.replace(scan)
        found.update(dict.fromkeys(page))
        if not int(cursor):
            return list(found)


def ranked_span(start: Any, stop: Any, length: int) -> range:
    """The ranks from 0 that a range from start to stop, both included, takes of so many."""
    first, last = whole_number(start), whole_number(stop)
    if first is None or last is None:
        return range(0)
    if first < 0:
        first = max(first + length, 0)
    if last < 0:
        last += length
    return range(first, min(last, length - 1) + 1)


def _range_elements(wire: Wire, answers: Sequence[int]) -> int | None:
    return len(ranked_span(wire[2], wire[3], answers[0])) if len(wire) > 3 and answers else None


def _sorted_set_range_elements(wire: Wire, answers: Sequence[int]) -> int | None:
    return _total(wire, answers) if is_by_value(wire) else _range_elements(wire, answers)


def _range_pages(command: Command, page_size: int, answers: Sequence[int]) -> Pages:
    args = command.args
    span = ranked_span(args[2], args[3], answers[0])
    elements: list[Any] = []
    for first in span[::page_size]:
        last = min(first + page_size, span.stop) - 1
        elements += yield command.replace((*args[:2], first, last, *args[4:]), command.options)
    return elements


def _sorted_set_range_questions(wire: Wire) -> list[tuple[Any, ...]]:
    options = set(map(word_of, wire[4:]))
    if is_by_value(wire):
        count = "ZLEXCOUNT" if "BYLEX" in options else "ZCOUNT"
        return _value_questions(count, 3 if "REV" in options else 2)(wire)
    return [("ZCARD", wire[1])] if len(wire) > 3 else []


def is_by_value(wire: Wire) -> bool:
    """Whether a range is one of scores or of names, rather than of ranks."""
    return not {"BYSCORE", "BYLEX"}.isdisjoint(map(word_of, wire[4:]))


def _value_questions(count: str, low: int) -> Callable[[Wire], list[tuple[Any, ...]]]:
    """Those of a range by score or by name, whose low end is at an index and high end at the
    other of 2 and 3; one with a LIMIT is as small as its LIMIT."""

    def questions(wire: Wire) -> list[tuple[Any, ...]]:
        if len(wire) < 4 or "LIMIT" in map(word_of, wire[4:]):
            return []
        return [(count, wire[1], wire[low], wire[5 - low])]

    return questions


def _stream_questions(wire: Wire) -> list[tuple[Any, ...]]:
    ends = {word_of(end) for end in wire[2:4]}
    return [("XLEN", wire[1])] if len(wire) == 4 and ends == {"-", "+"} else []


def _sort_questions(wire: Wire) -> list[tuple[Any, ...]]:
    return [("TYPE", wire[1])] if len(wire) > 1 else []


_HASH: Final = Read(_of_key("HLEN"), _total, _hash_pages)
_OF_SETS: Final = Read(_of_keys("SCARD"), _total)
_OF_SORTED_SETS: Final = Read(_of_counted_keys("ZCARD"), _total, key=2)

READS: Final[dict[str, Read]] = {
    "HGETALL": _HASH,
    "HKEYS": _HASH,
    "HVALS": _HASH,
    "SMEMBERS": Read(_of_key("SCARD"), _total, _set_pages),
    "LRANGE": Read(_of_key("LLEN"), _range_elements, _range_pages),
    "ZRANGE": Read(_sorted_set_range_questions, _sorted_set_range_elements, _range_pages),
    "ZREVRANGE": Read(_of_key("ZCARD"), _range_elements, _range_pages),
    "ZRANGEBYSCORE": Read(_value_questions("ZCOUNT", 2), _total),
    "ZREVRANGEBYSCORE": Read(_value_questions("ZCOUNT", 3), _total),
    "ZRANGEBYLEX": Read(_value_questions("ZLEXCOUNT", 2), _total),
    "ZREVRANGEBYLEX": Read(_value_questions("ZLEXCOUNT", 3), _total),
    "XRANGE": Read(_stream_questions, _total),
    "XREVRANGE": Read(_stream_questions, _total),
    "KEYS": Read(lambda wire: [("DBSIZE",)], _total, _keys_pages, key=0),
    "SORT": Read(_sort_questions, _total),
    "SORT_RO": Read(_sort_questions, _total),
    "SUNION": _OF_SETS,
    "SINTER": _OF_SETS,
    "SDIFF": _OF_SETS,
    "ZUNION": _OF_SORTED_SETS,
    "ZINTER": _OF_SORTED_SETS,
    "ZDIFF": _OF_SORTED_SETS,
    "MGET": Read(_nothing, lambda wire, answers: len(wire) - 1),
    "HMGET": Read(_nothing, lambda wire, answers: len(wire) - 2),
}
"""The reads that ``max_read`` is for. The sizes of a union, an intersection or a difference are
those of all its sources together, which is what the server goes through."""
