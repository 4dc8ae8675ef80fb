"""This client's own commands that change keys, or one of its connections."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from redis_middleware import Command, Flow
from redis_middleware_plugins.local_cache.cache import Cache
from redis_middleware_plugins.local_cache.writing import (
    CHANGES_CONNECTION,
    changes_all,
    written_keys,
)

__all__ = ["Changes"]

logger = logging.getLogger("redis_middleware.local_cache")


class Changes:
    """The flows that drop what a command changes, before and after it is sent.

    Args:
        cache: what the flows share.

    Attributes:
        off: why the cache is off for good, in words; empty while it is not.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.off = ""

    def around(self, command: Command) -> Flow | None:
        """The flow around a command; ``None`` where it changes nothing that may be in memory."""
        spec = command.spec
        if spec.name in CHANGES_CONNECTION:
            self._notice_connection_change(command)
            return None
        if changes_all(spec):
            return self._change_all(command)
        rule_of = self._cache.rules.of
        keys = [key for key in written_keys(command) if rule_of(key) is not None]
        if not keys:
            return None
        # It may wait for long before it writes: reads of its keys go on meanwhile.
        return self._wait(command, keys) if spec.is_blocking else self._change(command, keys)

    def _change(self, command: Command, keys: Sequence[bytes]) -> Flow:
        store = self._cache.store
        store.writing(keys)
        try:
            return (yield command)
        finally:
            store.written(keys)

    def _wait(self, command: Command, keys: Sequence[bytes]) -> Flow:
        store = self._cache.store
        store.invalidate(keys)
        try:
            return (yield command)
        finally:
            store.invalidate(keys)

    def _change_all(self, command: Command) -> Flow:
        store = self._cache.store
        store.writing_all()
        try:
            return (yield command)
        finally:
            store.written_all()

    def _notice_connection_change(self, command: Command) -> None:
        """Go off for good where a connection of the pool is not what the cache takes it for."""
        name, args = command.spec.name, command.wire
        if name == "SELECT" and _text(args[1:2]) == str(command.client.db):
            return
        if name.startswith("CLIENT ") and not self._cache.is_tracking:
            return
        if name == "HELLO" and len(args) == 1:
            return
        self.off = (
            f"the application sent {name} on one of the client's connections, whose replies may "
            "be others than those of the rest; wrap a client that is set up so from its start"
        )
        logger.warning("local_cache is off: %s", self.off)
        self._cache.store.turn_off()


def _text(arguments: Sequence[Any]) -> str:
    return "".join(
        argument.decode() if isinstance(argument, bytes) else str(argument)
        for argument in arguments
    )
