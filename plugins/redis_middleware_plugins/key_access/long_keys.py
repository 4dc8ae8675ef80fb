"""Keys that are too long to be kept."""

from __future__ import annotations

from hashlib import blake2b

from redis_middleware.commands import key_slot

__all__ = ["ShortenedKey", "slot_of"]

_START = 64


class ShortenedKey(bytes):
    """Stands for a long key: its first bytes, its length, and a hash that tells it from others.

    Attributes:
        slot: the hash slot of the whole key.
        length: how many bytes the whole key has.
    """

    slot: int
    length: int

    @classmethod
    def of(cls, key: bytes) -> ShortenedKey:
        """The stand-in of a key; the same for the same key in every process."""
        digest = blake2b(key, digest_size=8).hexdigest().encode()
        made = cls(b"%s...(%d bytes, %s)" % (key[:_START], len(key), digest))
        made.slot = key_slot(key)
        made.length = len(key)
        return made


def slot_of(key: bytes) -> int:
    """The hash slot of a key that may have been shortened."""
    return key.slot if isinstance(key, ShortenedKey) else key_slot(key)
