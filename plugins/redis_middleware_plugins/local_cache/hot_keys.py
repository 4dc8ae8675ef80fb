"""Which keys are hot, as the plugin key_access tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

__all__ = ["HotKeys"]

logger = logging.getLogger("redis_middleware.local_cache")

_NOBODY: Final = object()


class HotKeys:
    """The keys that are hot now, for rules with ``hot_only``.

    Args:
        cooled: called with each key that has cooled down.
    """

    def __init__(self, cooled: Callable[[bytes], None]) -> None:
        self._cooled = cooled
        self._followed: Any = _NOBODY
        self._unsubscribe: Callable[[], None] | None = None
        self.forget()

    def forget(self) -> None:
        """Know of no hot keys until key_access tells of some, as in a forked process."""
        # Whoever holds it may be the one that finds the client to be garbage, and stops this.
        self._lock = threading.RLock()
        self._keys: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def follow(self, key_access: Any) -> None:
        """Listen to key_access, in place of the one that was listened to before.

        Args:
            key_access: the plugin; ``None`` where it is not there, which a warning tells.
        """
        # What is told meanwhile waits: else a key could cool down before it is known to be hot.
        with self._lock:
            if key_access is self._followed:
                return
            self.stop()
            self._followed = key_access
            hot: set[bytes] = set()
            if hasattr(key_access, "subscribe"):
                self._unsubscribe = key_access.subscribe(self._changed)
                hot.update(key_access.hot_keys)
            else:
                logger.warning(
                    "local_cache has rules with hot_only, and the plugin key_access, which tells "
                    "what is hot, is not enabled: nothing is cached by these rules; add "
                    "key_access to the list of plugins"
                )
            before, self._keys = self._keys, hot
            for key in before - hot:
                self._cooled(key)

    def stop(self) -> None:
        """Listen no more."""
        with self._lock:
            self._followed = _NOBODY
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._unsubscribe = None

    def _changed(self, event: Any) -> None:
        key = event.hot_key.key
        with self._lock:
            if event.change == "became hot":
                self._keys.add(key)
            else:
                self._keys.discard(key)
                self._cooled(key)
