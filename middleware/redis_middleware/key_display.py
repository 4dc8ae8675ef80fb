"""How keys are shown to people who may not be meant to see them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Literal

__all__ = ["KeyDisplay", "key_display", "printable"]

KeyDisplay = Callable[[bytes], str]

_LONGEST_KEY = 100
_HASH_BYTES = 8


def key_display(mode: Literal["plain", "hashed", "hidden"], secret: bytes) -> KeyDisplay | None:
    """The function that shows a key, given as on the wire; ``None`` if no key is to be shown.

    Args:
        mode: ``"plain"`` for text on one line, with what cannot be printed escaped and cut after
            100 characters; ``"hashed"`` for 16 hexadecimal digits; or ``"hidden"``.
        secret: what hashes depend on: without it they cannot be found by hashing likely keys.
    """
    if mode == "hidden":
        return None
    if mode == "plain":
        return _plain
    hash_key = blake2b(secret, digest_size=blake2b.MAX_KEY_SIZE).digest()
    return lambda key: blake2b(key, digest_size=_HASH_BYTES, key=hash_key).hexdigest()


def printable(key: bytes) -> str:
    """A key as text on one line, with what cannot be printed escaped."""
    text = key.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _plain(key: bytes) -> str:
    text = printable(key)
    return text if len(text) <= _LONGEST_KEY else text[:_LONGEST_KEY] + "..."
