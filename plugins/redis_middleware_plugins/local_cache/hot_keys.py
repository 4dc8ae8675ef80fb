"""Which keys are hot, as the plugin key_access tells."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from redis_middleware import Middleware

__all__ = ["HotKeys"]

logger = logging.getLogger("redis_middleware.local_cache")


class HotKeys:
    """The keys that are hot now, for rules with ``hot_only``.

    Args:
        cooled: called with each key that has cooled down.
    """

    def __init__(self, cooled: Callable[[bytes], None]) -> None:
        self._cooled = cooled
        self._keys: set[bytes] = set()
        self._unsubscribe: Callable[[], None] | None = None

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def follow(self, middleware: Middleware) -> None:
        """Listen to key_access, once; a warning tells that it is not there."""
        if self._unsubscribe is not None:
            return
        key_access = middleware.plugins.get("key_access")
        if key_access is None or not hasattr(key_access, "subscribe"):
            logger.warning(
                "local_cache has rules with hot_only, and the plugin key_access, which tells what "
                "is hot, is not enabled: nothing is cached by these rules; add key_access to the "
                "list of plugins"
            )
            return
        self._unsubscribe = key_access.subscribe(self._changed)
        self._keys.update(key_access.hot_keys)

    def stop(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def forget(self) -> None:
        """Know of no hot keys until key_access tells of some."""
        self._keys = set()

    def _changed(self, event: Any) -> None:
        key = event.hot_key.key
        if event.change == "became hot":
            self._keys.add(key)
        else:
            self._keys.discard(key)
            self._cooled(key)
