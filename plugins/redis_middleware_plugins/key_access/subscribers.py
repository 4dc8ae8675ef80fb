"""Telling others of hot keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from redis_middleware_plugins.key_access.hot import HotKeyEvent

__all__ = ["Subscriber", "Subscribers"]

logger = logging.getLogger("redis_middleware.key_access")

Subscriber = Callable[[HotKeyEvent], object]


class Subscribers:
    """Functions that are called with every event; the errors of one do not reach the others.

    Attributes:
        bugs: how many errors there were.
    """

    def __init__(self) -> None:
        self._functions: list[Subscriber] = []
        self._failed: set[int] = set()
        self.bugs = 0

    def add(self, function: Subscriber) -> Callable[[], None]:
        """Subscribe a function.

        Returns:
            What ends the subscription; it may be called more than once.
        """
        self._functions = [*self._functions, function]

        def unsubscribe() -> None:
            self._functions = [known for known in self._functions if known is not function]

        return unsubscribe

    def tell(self, events: Iterable[HotKeyEvent]) -> None:
        """Call every subscriber with every event."""
        for event in events:
            for function in self._functions:
                try:
                    function(event)
                except Exception as error:
                    self.bugs += 1
                    if id(function) not in self._failed:
                        self._failed.add(id(function))
                        logger.error(
                            "a subscriber of hot keys, %r, failed: %s: %s (logged once, counted "
                            "in report().bugs)",
                            function,
                            type(error).__name__,
                            error,
                            exc_info=error,
                        )
