"""Under which names replies of a key are kept or asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

__all__ = ["NamesByKey"]


class NamesByKey(dict[bytes, Any]):
    """By key its name or, of several, the set of them; nearly all keys have one.

    Names are tuples. What is not there yet may be added by ``setdefault`` too, which gives back
    the name itself unless the key is known.
    """

    def add(self, key: bytes, name: Hashable) -> None:
        """Add a name of a key."""
        known = self.setdefault(key, name)
        if type(known) is set:
            known.add(name)
        elif known != name:
            self[key] = {known, name}

    def discard(self, key: bytes, name: Hashable) -> None:
        """Remove a name, if it is there."""
        known = self.get(key)
        if type(known) is not set:
            if known == name:
                del self[key]
            return
        known.discard(name)
        if not known:
            del self[key]

    def of(self, key: bytes) -> Iterable[Hashable]:
        """The names of a key."""
        return _several(self.get(key))

    def take(self, key: bytes) -> Iterable[Hashable]:
        """Remove a key; its names."""
        return _several(self.pop(key, None))


def _several(known: Any) -> Iterable[Hashable]:
    if known is None:
        return ()
    return tuple(known) if type(known) is set else (known,)
