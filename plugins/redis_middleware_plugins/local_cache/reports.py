"""The invalidations that the servers report."""

from __future__ import annotations

import logging
from typing import Any

from redis_middleware_plugins.local_cache.messages import invalidated_keys
from redis_middleware_plugins.local_cache.store import Store

__all__ = ["Reports"]

logger = logging.getLogger("redis_middleware.local_cache")


class Reports:
    """Handles invalidation messages, and counts them.

    Attributes:
        messages: how many came.
        malformed: how many of them made no sense.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.malformed = 0

    def handle(self, message: list[Any], store: Store) -> None:
        """Drop what a message names: everything, where it names no keys or makes no sense."""
        self.messages += 1
        try:
            keys = invalidated_keys(message)
        except ValueError as error:
            self.malformed += 1
            store.clear()
            logger.warning(
                "an invalidation message made no sense, so everything was dropped: %s", error
            )
            return
        if keys is None:
            store.clear()
        else:
            store.invalidate(keys)
