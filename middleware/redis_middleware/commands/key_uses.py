"""Key uses by the hundred: the same few are handed out again and again.

A ``KeyUse`` is immutable and says only where a key is and what happens to it, so MGET of a hundred
keys can answer with a slice of those made before. Making them anew costs some 25 µs, the slice 1.
"""

from __future__ import annotations

from typing import Final

from redis_middleware.commands.key_specs import KeyUse

__all__ = ["key_uses"]

_KEPT_POSITIONS: Final = 1024
"""Uses at higher positions are made for each call: what is kept must not grow with the input."""
_FIRST_KEPT: Final = 16

_WRITING: Final = frozenset({"RW", "OW", "RM"})
_READING: Final = frozenset({"RO", "access"})

_kept: Final[dict[frozenset[str], tuple[KeyUse, ...]]] = {}


def key_uses(flags: frozenset[str], positions: range) -> tuple[KeyUse, ...]:
    """Return the uses of keys at some positions that share their flags.

    Args:
        flags: the flags, those of a key specification.
        positions: the keys' indexes among the wire arguments, ascending.

    Returns:
        One use for each position.
    """
    end = positions.stop
    if end > _KEPT_POSITIONS:
        return _make(flags, positions)
    kept = _kept.get(flags)
    if kept is None or len(kept) < end:
        size = _FIRST_KEPT
        while size < end:
            size *= 2
        kept = _kept[flags] = _make(flags, range(size))
    return kept[positions.start : end : positions.step]


def _make(flags: frozenset[str], positions: range) -> tuple[KeyUse, ...]:
    reads, writes = not _READING.isdisjoint(flags), not _WRITING.isdisjoint(flags)
    return tuple(KeyUse(position, flags, reads, writes) for position in positions)
