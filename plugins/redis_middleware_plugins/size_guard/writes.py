"""How much a write adds, told from its arguments alone.

An invocation that the server would refuse (too few arguments, a negative offset, a value of a type
that redis-py does not send) measures as nothing: the error is theirs to raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from redis_middleware.commands.arguments import word_of
from redis_middleware.sizes import size_of
from redis_middleware_plugins.size_guard.growth import SORTED_SET_OPTIONS
from redis_middleware_plugins.size_guard.numbers import whole_number

__all__ = ["MEASURES", "Measure", "Write"]


class Write(NamedTuple):
    """What one command writes to one key.

    Attributes:
        key: the key's index among the wire arguments; 0 where there is none.
        size: bytes: of a string, what its value will have at least; of other keys, the sum of the
            elements in the arguments.
        largest: bytes of the largest element; 0 for strings.
        elements: how many elements it adds at most; 0 for strings.
    """

    key: int
    size: int
    largest: int = 0
    elements: int = 0


Arguments = Sequence[Any]
Measure = Callable[[Arguments], Iterable[Write]]


def _value(key: int, value: int) -> Measure:
    """A key and its new value."""

    def measure(wire: Arguments) -> Iterable[Write]:
        return (Write(key, size_of(wire[value])),) if len(wire) > value else ()

    return measure


def _pairs(first: int, step: int = 2) -> Measure:
    """Keys and values from an index on, the value last of each group."""

    def measure(wire: Arguments) -> Iterable[Write]:
        return [
            Write(index, size_of(wire[index + step - 1]))
            for index in range(first, len(wire) - step + 1, step)
        ]

    return measure


def _elements(first: int, step: int = 1, of: int = 1) -> Measure:
    """One key, and elements from an index on: the last ``of`` arguments of each ``step``."""

    def measure(wire: Arguments) -> Iterable[Write]:
        return (_sum_up(wire, first, step, of),) if len(wire) > first else ()

    return measure


def _sum_up(wire: Arguments, first: int, step: int, of: int) -> Write:
    count = (len(wire) - first) // step
    if step == 1:
        sizes = [size_of(element) for element in wire[first:]]
    else:
        ends = range(first + step, first + step * count + 1, step)
        sizes = [sum(map(size_of, wire[end - of : end])) for end in ends]
    return Write(1, sum(sizes), max(sizes, default=0), count)


def _after_options(step: int) -> Measure:
    """One key, options, then groups of arguments whose last one is the member."""

    def measure(wire: Arguments) -> Iterable[Write]:
        first = 2
        while first < len(wire) and word_of(wire[first]) in SORTED_SET_OPTIONS:
            first += 1
        return (_sum_up(wire, first, step, 1),) if len(wire) > first else ()

    return measure


def _set_range(wire: Arguments) -> Iterable[Write]:
    offset = whole_number(wire[2]) if len(wire) == 4 else None
    length = size_of(wire[3]) if offset is not None else 0
    # An empty value changes nothing, wherever it would be put.
    return (Write(1, offset + length),) if offset is not None and offset >= 0 and length else ()


def _set_bit(wire: Arguments) -> Iterable[Write]:
    offset = whole_number(wire[2]) if len(wire) == 4 else None
    return (Write(1, offset // 8 + 1),) if offset is not None and offset >= 0 else ()


def _bit_field(wire: Arguments) -> Iterable[Write]:
    """The furthest byte that any of the subcommands writes; GET and OVERFLOW write none."""
    size = 0
    index = 2
    while index < len(wire):
        word = word_of(wire[index])
        if word in ("SET", "INCRBY"):
            size = max(size, _field_end(wire[index + 1 : index + 3]))
        index += {"SET": 4, "INCRBY": 4, "GET": 3, "OVERFLOW": 2}.get(word, len(wire))
    return (Write(1, size),) if size else ()


def _field_end(field: Arguments) -> int:
    if len(field) < 2:
        return 0
    encoding, offset_text = word_of(field[0]), word_of(field[1])
    width = whole_number(encoding[1:])
    by_width = offset_text.startswith("#")
    offset = whole_number(offset_text.removeprefix("#"))
    if width is None or not 1 <= width <= 64 or offset is None or offset < 0:
        return 0
    return ((offset * width if by_width else offset) + width + 7) // 8


def _stream_entry(wire: Arguments) -> Iterable[Write]:
    index = stream_id_index(wire)
    size = sum(map(size_of, wire[index + 1 :]))
    return (Write(1, size, size, 1),) if index < len(wire) else ()


def stream_id_index(wire: Arguments) -> int:
    """The index of the entry's id among the arguments of an XADD."""
    index = 2
    while index < len(wire):
        word = word_of(wire[index])
        if word in ("MAXLEN", "MINID"):
            index += 1
            if index < len(wire) and word_of(wire[index]) in ("~", "="):
                index += 1
            index += 1
        elif word in ("LIMIT", "IDMPAUTO"):
            index += 2
        elif word == "IDMP":
            index += 3
        elif word in ("NOMKSTREAM", "KEEPREF", "DELREF", "ACKED"):
            index += 1
        else:
            break
    return index


def _after_fields(wire: Arguments) -> Iterable[Write]:
    """HSETEX: options, then FIELDS, a number and so many fields with values."""
    for index in range(2, len(wire) - 2):
        if word_of(wire[index]) == "FIELDS":
            return (_sum_up(wire, index + 2, 2, 2),)
    return ()


def _counted_pairs(wire: Arguments) -> Iterable[Write]:
    """MSETEX: a number, and so many keys with values."""
    count = whole_number(wire[1]) if len(wire) > 1 else None
    return _pairs(2)(wire[: 2 + 2 * max(count or 0, 0)])


def _script(wire: Arguments) -> Iterable[Write]:
    """The keys and arguments of a script; which of them it writes nobody can tell."""
    count = whole_number(wire[2]) if len(wire) > 2 else None
    if count is None or count < 0:
        return ()
    sizes = [size_of(argument) for argument in wire[3 + count :]]
    return (Write(3 if count and len(wire) > 3 else 0, sum(sizes), max(sizes, default=0)),)


def _payload(wire: Arguments) -> Iterable[Write]:
    """PFADD: a HyperLogLog stays below 12 KiB whatever is added; only the arguments count."""
    return [write._replace(elements=0) for write in _elements(2)(wire)]


def _key(wire: Arguments) -> Iterable[Write]:
    """A number that is counted up, or down: only its key can be large."""
    return (Write(1, 0),) if len(wire) > 1 else ()


MEASURES: Final[dict[str, Measure]] = {
    "SET": _value(1, 2),
    "SETNX": _value(1, 2),
    "GETSET": _value(1, 2),
    "SETEX": _value(1, 3),
    "PSETEX": _value(1, 3),
    "MSET": _pairs(1),
    "MSETNX": _pairs(1),
    "MSETEX": _counted_pairs,
    "APPEND": _value(1, 2),
    "SETRANGE": _set_range,
    "SETBIT": _set_bit,
    "BITFIELD": _bit_field,
    "RESTORE": _value(1, 3),
    "RESTORE-ASKING": _value(1, 3),
    "PFADD": _payload,
    "PFMERGE": _key,
    "INCR": _key,
    "INCRBY": _key,
    "INCRBYFLOAT": _key,
    "DECR": _key,
    "DECRBY": _key,
    "LPUSH": _elements(2),
    "RPUSH": _elements(2),
    "LPUSHX": _elements(2),
    "RPUSHX": _elements(2),
    "LINSERT": _elements(4),
    "LSET": lambda wire: [write._replace(elements=0) for write in _elements(3)(wire)],
    "SADD": _elements(2),
    "HSET": _elements(2, 2, 2),
    "HMSET": _elements(2, 2, 2),
    "HSETNX": _elements(2, 2, 2),
    "HSETEX": _after_fields,
    "HINCRBY": _elements(2, 2, 2),
    "HINCRBYFLOAT": _elements(2, 2, 2),
    "ZADD": _after_options(2),
    "ZINCRBY": _elements(2, 2, 1),
    "GEOADD": _after_options(3),
    "XADD": _stream_entry,
    "EVAL": _script,
    "EVALSHA": _script,
    "FCALL": _script,
    "JSON.SET": _value(1, 3),
    "JSON.MERGE": _value(1, 3),
    "JSON.MSET": _pairs(1, 3),
}
"""How to measure the arguments of each write that can be judged by them."""
