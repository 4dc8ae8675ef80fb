"""Functions of the application's that add attributes; what they raise breaks nothing."""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from redis_middleware.errors import SettingsError

__all__ = ["Hook", "hook_named"]

logger = logging.getLogger("redis_middleware.otel")


class Hook:
    """A hook of the application's.

    Attributes:
        failures: how often it raised, by type of exception; the first of each type is logged.
    """

    __slots__ = ("_function", "_title", "failures")

    def __init__(self, function: Callable[..., object], title: str) -> None:
        self._function = function
        self._title = title
        self.failures: Counter[str] = Counter()

    def __call__(self, *args: Any) -> None:
        """Call it."""
        try:
            self._function(*args)
        except Exception as error:
            kind = type(error).__name__
            self.failures[kind] += 1
            if self.failures[kind] == 1:
                logger.error(
                    "the %s %r raised %s: %s; the command goes on without it (logged once)",
                    self._title,
                    self._function,
                    kind,
                    error,
                    exc_info=error,
                )


def hook_named(name: str | None, title: str) -> Hook | None:
    """Import the function ``module:function`` that the settings name.

    Raises:
        SettingsError: there is none.
    """
    if name is None:
        return None
    module, _, path = name.partition(":")
    try:
        function: Any = importlib.import_module(module)
        for part in path.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"otel.{title} = {name!r} cannot be imported: {error}") from error
    if not callable(function):
        raise SettingsError(f"otel.{title} = {name!r} is not a function but {function!r}")
    return Hook(function, title)
