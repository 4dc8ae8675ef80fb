"""The cluster slot of a key.

The rule is that of ``CLUSTER KEYSLOT`` and of the Redis cluster specification ("Key distribution
model" and "Hash tags").
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

__all__ = ["SLOT_COUNT", "key_slot"]

SLOT_COUNT: Final = 16384
"""How many slots every cluster has: slots are numbered 0 to 16383."""


def key_slot(key: bytes) -> int:
    """Return the slot that holds a key.

    Only what stands between the first ``{`` and the first ``}`` after it is hashed, if there is
    anything between them; otherwise the whole key is.

    Args:
        key: the key as it goes over the wire.

    Returns:
        The slot, 0 to 16383: the key's CRC16 (XMODEM) modulo 16384.
    """
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOT_COUNT
