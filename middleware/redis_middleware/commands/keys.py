"""Which of a command's arguments are keys.

The answers are those of ``COMMAND GETKEYS`` and ``COMMAND GETKEYSANDFLAGS``. A malformed
invocation, which the server refuses, gives the keys that can be told, and is never an error here.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis_middleware.commands.arguments import count_of, word_of
from redis_middleware.commands.key_options import KEYS_BY_OPTIONS
from redis_middleware.commands.key_specs import (
    IndexSearch,
    KeyRange,
    KeySpec,
    KeyUse,
    KeywordSearch,
)
from redis_middleware.commands.key_uses import key_uses
from redis_middleware.commands.specs import CommandSpec

__all__ = ["KeyUse", "find_keys", "key_positions"]

_NO_POSITIONS = range(0)


def find_keys(
    spec: CommandSpec, arguments: Sequence[object], not_keys: bool = False
) -> tuple[KeyUse, ...]:
    """Find a command's keys and what it does with each.

    Args:
        spec: the command's specification.
        arguments: the wire arguments, the words of the command's name first and each an element
            of its own (``("CONFIG", "GET", "maxmemory")``); elements as redis-py takes them:
            str, bytes, bytearray, memoryview, int, float.
        not_keys: whether also to give what is no key but is placed like one: the channels of the
            sharded publish and subscribe commands, a cluster-wide cursor. They have the flag
            ``not_key`` and neither read nor write.

    Returns:
        The keys in the order of the specification, which is mostly that of the arguments.
    """
    fixed = spec.fixed_uses
    if fixed is not None:
        return fixed if len(arguments) > spec.first_key else ()
    by_options = KEYS_BY_OPTIONS.get(spec.name)
    if by_options is not None:
        return by_options(arguments)
    uses: tuple[KeyUse, ...] = ()
    for key_spec in spec.key_specs:
        if not_keys or "not_key" not in key_spec.flags:
            uses += key_uses(key_spec.flags, _positions(key_spec, arguments))
    return uses


def key_positions(
    spec: CommandSpec, arguments: Sequence[object], not_keys: bool = False
) -> tuple[int, ...]:
    """Find where a command's keys are: ``find_keys`` without the flags, and cheaper.

    Args:
        spec: the command's specification.
        arguments: the wire arguments, as for ``find_keys``.
        not_keys: as for ``find_keys``. With it, the arguments at these positions are those that
            decide the command's slot.

    Returns:
        The indexes of the keys among the arguments.
    """
    first_key = spec.first_key
    if first_key:
        return (first_key,) if len(arguments) > first_key else ()
    if spec.name in KEYS_BY_OPTIONS:
        return tuple(use.position for use in find_keys(spec, arguments))
    positions: tuple[int, ...] = ()
    for key_spec in spec.key_specs:
        if not_keys or "not_key" not in key_spec.flags:
            positions += tuple(_positions(key_spec, arguments))
    return positions


def _positions(key_spec: KeySpec, arguments: Sequence[object]) -> range:
    """Apply a key specification; what it asks for beyond the arguments makes it give nothing."""
    end = len(arguments)
    first = _begin(key_spec.begin_search, arguments)
    keys = key_spec.find_keys
    if keys is None or not 0 < first < end:
        return _NO_POSITIONS
    if isinstance(keys, KeyRange):
        if keys.last_key >= 0:
            last = first + keys.last_key
        elif keys.limit:
            last = first + (end - first) // keys.limit + keys.last_key
        else:
            last = end + keys.last_key
    else:
        count_at = first + keys.count_at
        count = count_of(arguments[count_at]) if count_at < end else 0
        first += keys.first_key
        last = first + (count - 1) * keys.step
    if not first <= last < end:
        return _NO_POSITIONS
    return range(first, last + 1, keys.step)


def _begin(search: IndexSearch | KeywordSearch | None, arguments: Sequence[object]) -> int:
    """Return the index a search begins at, 0 if there is none."""
    if isinstance(search, IndexSearch):
        return search.position
    if search is None:
        return 0
    end = len(arguments)
    if search.start_from > 0:
        indexes = range(search.start_from, end)
    else:
        indexes = range(end + search.start_from, 0, -1)
    for index in indexes:
        if word_of(arguments[index]) == search.keyword:
            return index + 1
    return 0
