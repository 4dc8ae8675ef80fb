"""Telling others of hot keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from redis_middleware_plugins.key_access.hot import HotKey, HotKeyEvent, Source

__all__ = ["Subscriber", "Subscribers"]

logger = logging.getLogger("redis_middleware.key_access")

Subscriber = Callable[[HotKeyEvent], object]


class Subscribers:
    """Functions that are called with every event; the errors of one do not reach the others.

    A key that is hot both by this process's accesses and by the fleet's becomes hot once, and has
    cooled down when it is hot by neither.

    Attributes:
        bugs: how many errors there were.
    """

    def __init__(self) -> None:
        self._functions: list[Subscriber] = []
        self._failed: set[int] = set()
        self._hot: dict[bytes, dict[Source, HotKey]] = {}
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
        """Call every subscriber with every event that changes whether a key is hot at all."""
        for event in events:
            hot_key = event.hot_key
            by_source = self._hot.setdefault(hot_key.key, {})
            is_first = not by_source
            if event.change == "became hot":
                by_source[hot_key.source] = hot_key
                changes = is_first
            else:
                by_source.pop(hot_key.source, None)
                changes = not by_source
            if not by_source:
                del self._hot[hot_key.key]
            if changes:
                self._call(event)

    def cool_all(self, at: float) -> None:
        """Tell of every hot key that it has cooled down, at a time in seconds since 1970."""
        hot, self._hot = self._hot, {}
        for by_source in hot.values():
            self._call(HotKeyEvent("cooled down", next(iter(by_source.values())), at))

    def _call(self, event: HotKeyEvent) -> None:
        for function in self._functions:
            try:
                function(event)
            except Exception as error:
                self.bugs += 1
                if id(function) not in self._failed:
                    self._failed.add(id(function))
                    logger.error(
                        "a subscriber of hot keys, %r, failed: %s: %s (logged once, counted in "
                        "report().bugs)",
                        function,
                        type(error).__name__,
                        error,
                        exc_info=error,
                    )
