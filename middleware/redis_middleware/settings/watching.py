"""Noticing that the settings file changed, without a thread."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable

from redis_middleware.settings.origins import FileStamp, Origin

__all__ = ["CHECK_INTERVAL", "Watch"]

_logger = logging.getLogger("redis_middleware")

CHECK_INTERVAL = 0.5
"""Seconds between two looks at the file."""


class Watch:
    """Tells when the file behind some settings is another version than the one that was read.

    Made for the path of every command, where the test is one comparison::

        if clock() >= watch.next_check and watch.changed():
            ...

    A version is told by modification time, inode, device and size of what the path leads to, so a
    file replaced by renaming (editors) and links that are switched (Kubernetes) count too. While
    the file is away nothing has changed, which is logged; when another one is back, something has.

    Two threads that look at the same moment may both be told of one change.

    Args:
        origin: the origin of the settings that were read; one without a file never changes.
        clock: seconds from any fixed point, such as ``time.monotonic``.

    Attributes:
        next_check: the reading of ``clock`` before which ``changed`` does not look.
    """

    __slots__ = ("_clock", "_is_away", "_path", "_stamp", "next_check")

    def __init__(self, origin: Origin, clock: Callable[[], float]) -> None:
        self._path = origin.path
        self._stamp = origin.stamp
        self._clock = clock
        self._is_away = False
        # The first look is at once: the file may have changed since it was read.
        self.next_check = math.inf if origin.path is None else -math.inf

    def changed(self) -> bool:
        """Return True once for each new version of the file; looks at most every 0.5 seconds."""
        now = self._clock()
        if self._path is None or now < self.next_check:
            return False
        self.next_check = now + CHECK_INTERVAL
        try:
            stamp = FileStamp.of(os.stat(self._path))
        except OSError as error:
            if not self._is_away:
                self._is_away = True
                _logger.warning(
                    "the settings file %s cannot be read (%s): the settings in force stay until "
                    "it is back",
                    self._path,
                    error.strerror,
                )
            return False
        if self._is_away:
            self._is_away = False
            _logger.info("the settings file %s is back", self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        return True
