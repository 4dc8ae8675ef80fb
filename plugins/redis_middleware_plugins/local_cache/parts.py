"""The parts of a read of several keys."""

from __future__ import annotations

from typing import Any

from redis_middleware_plugins.local_cache.rules import Rule
from redis_middleware_plugins.local_cache.store import Flight

__all__ = ["Part"]


class Part:
    """One key of an MGET.

    Attributes:
        argument: the key as the application gave it.
        key: the key on the wire.
        name: what its nil is kept under.
        rule: the rule for it.
        is_known: whether its value was in memory.
        value: its value.
        flight: the flight of its read.
    """

    __slots__ = ("argument", "flight", "is_known", "key", "name", "rule", "value")

    def __init__(self, argument: Any, key: bytes) -> None:
        self.argument = argument
        self.key = key
        self.name = ("MGET", argument)
        self.rule: Rule | None = None
        self.is_known = False
        self.value: Any = None
        self.flight: Flight | None = None
