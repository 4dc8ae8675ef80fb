"""Sizes of keys as far as they are known: a bounded number of them, the latest used."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict

__all__ = ["KnownSizes"]


class KnownSizes:
    """The sizes of the keys that were written last; safe to use from several threads.

    Args:
        capacity: how many keys are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sizes: OrderedDict[bytes, int] = OrderedDict()
        self.after_fork()

    def after_fork(self) -> None:
        """Keep the sizes; the threads of the parent are gone with what they held or reserved."""
        self._lock = threading.Lock()
        self._pending: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._sizes)

    def get(self, key: bytes) -> int | None:
        """The size of a key, in bytes or elements; ``None`` where it is not known."""
        return self._sizes.get(key)

    def put(self, key: bytes, size: int) -> None:
        """Note what size a key has."""
        with self._lock:
            self._put(key, size)

    def add(self, key: bytes, growth: int) -> int:
        """Note that a key grew; give its size, or the growth where it was not known."""
        with self._lock:
            size = self._sizes.get(key, 0) + growth
            self._put(key, size)
        return size

    def reserve(self, key: bytes, growth: int) -> int:
        """Note that a key is about to grow; give by how much others are about to let it grow."""
        with self._lock:
            pending = self._pending[key]
            self._pending[key] = pending + growth
        return pending

    def release(self, key: bytes, growth: int) -> None:
        """Take back a reservation: the growth is done, or will not be."""
        with self._lock:
            self._pending[key] -= growth
            # In a forked process it may be a reservation of the parent's that ends.
            if self._pending[key] <= 0:
                del self._pending[key]

    def forget(self, key: bytes) -> None:
        """Forget a key's size."""
        with self._lock:
            self._sizes.pop(key, None)

    def resize(self, capacity: int) -> None:
        """Keep so many from now on."""
        with self._lock:
            self._capacity = capacity
            self._drop_oldest()

    def _put(self, key: bytes, size: int) -> None:
        self._sizes[key] = size
        self._sizes.move_to_end(key)
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._sizes) > self._capacity:
            self._sizes.popitem(last=False)
