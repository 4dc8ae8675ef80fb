"""How keys leave the process: in the fleet's statistics, in JSON, logs and metrics."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Literal

from redis_middleware.key_display import key_display
from redis_middleware_plugins.key_access.groups import KeyGroups

__all__ = ["KeyForm", "key_form", "key_text"]

KeyForm = Literal["plain", "masked", "hashed"]

_HASH_BYTES = 8


def key_form(mode: KeyForm, secret: bytes, groups: KeyGroups) -> Callable[[bytes], bytes]:
    """The function that gives the form of a key in which it may leave the process.

    Args:
        mode: ``"plain"``: the key itself; ``"masked"``: what its group's rule or its first word
            tells; ``"hashed"``: 16 hexadecimal digits.
        secret: what hashes depend on: without it they cannot be found by hashing likely keys.
        groups: the rules that masks go by.
    """
    if mode == "plain":
        return bytes
    if mode == "masked":
        return lambda key: groups.mask(key).encode()
    hash_key = blake2b(secret, digest_size=blake2b.MAX_KEY_SIZE).digest()
    return lambda key: blake2b(key, digest_size=_HASH_BYTES, key=hash_key).hexdigest().encode()


def key_text(form: bytes) -> str:
    """A key's form as text on one line, cut after 100 characters."""
    display = key_display("plain", b"")
    assert display is not None
    return display(form)
