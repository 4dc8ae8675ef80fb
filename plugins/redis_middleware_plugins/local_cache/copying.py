"""Copies of replies, so that nothing a caller does to one changes another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from redis_middleware.once import fresh_copy

__all__ = ["fresh_copier"]

_UNCHANGEABLE: Final = frozenset({bytes, str, int, float, bool, type(None)})
_SHALLOW: Final[dict[type, Callable[[Any], Any]]] = {
    list: list.copy,
    dict: dict.copy,
    set: set.copy,
}


def fresh_copier(reply: Any) -> Callable[[Any], Any] | None:
    """The cheapest function that copies a reply so that nothing changeable is shared.

    Returns:
        ``None`` where the reply cannot be changed and needs no copies.

    Raises:
        Exception: there is something in it that cannot be copied; what its class raises.
    """
    kind = type(reply)
    if kind in _UNCHANGEABLE:
        return None
    elements = reply.values() if kind is dict else reply
    if kind in _SHALLOW and all(type(element) in _UNCHANGEABLE for element in elements):
        return _SHALLOW[kind]
    # fresh_copy shares what cannot be copied; this raises.
    copy.deepcopy(reply)
    return fresh_copy
