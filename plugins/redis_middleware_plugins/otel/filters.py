"""Which commands are watched at all, and which of those get a span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from redis_middleware import Batch, Command
from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.otel.query_text import UNSENDABLE, name_of
from redis_middleware_plugins.otel.settings import OtelSettings, SamplingSettings

__all__ = ["Filters", "Sampling"]


class Filters:
    """The settings ``only``, ``ignore`` and ``ignore_keys``."""

    def __init__(self, settings: OtelSettings) -> None:
        self._only = _names(settings.only)
        self._ignore = _names(settings.ignore)
        self._patterns: Sequence[KeyPattern] = settings.ignore_keys
        self.by_key = bool(self._patterns)
        self.by_name = bool(self._only or self._ignore)
        self.is_on = self.by_key or self.by_name

    def allow_name(self, name: str) -> bool:
        """Whether commands of this name are watched."""
        if not self.by_name:
            return True
        container = name.partition(" ")[0]
        if self._only and name not in self._only and container not in self._only:
            return False
        return name not in self._ignore and container not in self._ignore

    def allow_keys(self, command: Command) -> bool:
        """Whether it has no keys, or one that none of the patterns matches."""
        try:
            keys = command.keys
        except UNSENDABLE:
            return True
        return not keys or not all(
            any(pattern.matches(key) for pattern in self._patterns) for key in keys
        )

    def allow_batch(self, batch: Batch) -> bool:
        """Whether any of its commands is watched."""
        if self.by_key:
            return any(
                self.allow_name(command.name) and self.allow_keys(command)
                for command in batch.commands
            )
        return not self.by_name or any(
            self.allow_name(name_of(word).upper()) for word, _ in batch.shapes
        )


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(name.upper().split()) for name in names)


class Sampling:
    """The settings' rules, applied when a command has ended.

    Args:
        settings: the table ``[otel.sampling]``.
        random: gives a number from 0 to 1.
    """

    def __init__(self, settings: SamplingSettings, random: Callable[[], float]) -> None:
        self._share = 1 / settings.one_in
        self._errors = settings.errors
        self._slow = settings.slower_than
        self._random = random
        self.is_on = settings.one_in > 1

    def keeps(self, duration: float, *, failed: bool) -> bool:
        """Whether it gets a span: every error, every slow one, one in so many of the others."""
        if failed and self._errors:
            return True
        if self._slow is not None and duration >= self._slow:
            return True
        return self._random() < self._share
