"""The commands whose keys depend on their options, in ways that key specifications cannot tell.

Servers have a function for each of them too, in ``src/db.c``. Where versions differ (XREAD's
options before STREAMS, GEORADIUS with both STORE and STOREDIST, SORT with a key named ``store``),
these follow how the command itself reads its options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from redis_middleware.commands.arguments import text_of, word_of
from redis_middleware.commands.key_specs import KeyUse
from redis_middleware.commands.key_uses import key_uses

__all__ = ["KEYS_BY_OPTIONS"]

_READ: Final = frozenset({"RO", "access"})
_OVERWRITTEN: Final = frozenset({"OW", "update"})
_CHANGED: Final = frozenset({"RW", "access", "update"})
_MOVED_AWAY: Final = frozenset({"RW", "access", "delete"})

_FIRST_READ: Final = key_uses(_READ, range(1, 2))
_FIRST_OVERWRITTEN: Final = key_uses(_OVERWRITTEN, range(1, 2))
_FIRST_CHANGED: Final = key_uses(_CHANGED, range(1, 2))

_MIGRATE_KEY = 3
_MIGRATE_OPTIONS = 6
_MIGRATE_VALUES: Final = {"AUTH": 1, "AUTH2": 2}
_GEORADIUS_OPTIONS = 5
_SORT_VALUES: Final = {"LIMIT": 2, "GET": 1, "BY": 1}
_STREAM_VALUES: Final = {"COUNT": 1, "BLOCK": 1, "CLAIM": 1, "GROUP": 2}


def _with_destination(arguments: Sequence[object], destination: int) -> tuple[KeyUse, ...]:
    source = _FIRST_READ if len(arguments) > 1 else ()
    if destination:
        return source + key_uses(_OVERWRITTEN, range(destination, destination + 1))
    return source


def _set(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``SET key value [options]``: with GET the old value is returned."""
    end = len(arguments)
    if end > 3 and "GET" in map(word_of, arguments[3:]):
        return _FIRST_CHANGED
    return _FIRST_OVERWRITTEN if end > 1 else ()


def _bitfield(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``BITFIELD key [GET …] [SET …] [INCRBY …] [OVERFLOW …]``: only looks if all are GET."""
    end = len(arguments)
    index = 2
    while index < end:
        word = word_of(arguments[index])
        if word == "GET" and index + 2 < end:
            index += 3
        elif word == "OVERFLOW" and index + 1 < end:
            index += 2
        else:
            return _FIRST_CHANGED
    return _FIRST_READ if end > 1 else ()


def _sort(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``SORT key [BY …] [LIMIT …] [GET …] [STORE destination]``: the last STORE counts."""
    destination = 0
    index = 2
    while index < len(arguments):
        word = word_of(arguments[index])
        if word == "STORE" and index + 1 < len(arguments):
            index += 1
            destination = index
        index += 1 + _SORT_VALUES.get(word, 0)
    return _with_destination(arguments, destination)


def _georadius(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``GEORADIUS key … [STORE key | STOREDIST key]``: the last of them counts."""
    destination = 0
    index = _GEORADIUS_OPTIONS
    while index + 1 < len(arguments):
        if word_of(arguments[index]) in {"STORE", "STOREDIST"}:
            index += 1
            destination = index
        index += 1
    return _with_destination(arguments, destination)


def _migrate(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``MIGRATE host port key db timeout [options] [KEYS key …]``: KEYS needs an empty key."""
    end = len(arguments)
    index = _MIGRATE_OPTIONS
    while index < end:
        word = word_of(arguments[index])
        if word == "KEYS":
            if text_of(arguments[_MIGRATE_KEY]):
                return ()
            return key_uses(_MOVED_AWAY, range(index + 1, end))
        index += 1 + _MIGRATE_VALUES.get(word, 0)
    if end <= _MIGRATE_KEY:
        return ()
    return key_uses(_MOVED_AWAY, range(_MIGRATE_KEY, _MIGRATE_KEY + 1))


def _streams(arguments: Sequence[object]) -> tuple[KeyUse, ...]:
    """``XREAD [options] STREAMS key … id …``: as many keys as ids."""
    end = len(arguments)
    index = 1
    while index < end:
        word = word_of(arguments[index])
        if word == "STREAMS":
            first = index + 1
            return key_uses(_READ, range(first, first + (end - first) // 2))
        index += 1 + _STREAM_VALUES.get(word, 0)
    return ()


KEYS_BY_OPTIONS: Final[dict[str, Callable[[Sequence[object]], tuple[KeyUse, ...]]]] = {
    "BITFIELD": _bitfield,
    "GEORADIUS": _georadius,
    "GEORADIUSBYMEMBER": _georadius,
    "MIGRATE": _migrate,
    "SET": _set,
    "SORT": _sort,
    "XREAD": _streams,
    "XREADGROUP": _streams,
}
"""How to find the keys of these commands, by name."""
