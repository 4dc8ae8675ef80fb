"""A lock that a process does not inherit."""

from __future__ import annotations

import os
import threading

__all__ = ["ProcessLock"]


class ProcessLock:
    """A lock that is free in a process that was forked off while another thread held it.

    That thread does not go on in the child and could never give it back. A lock that is renewed
    after the fork would depend on what else happens after it: background work that starts before
    would still find the old one held.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def __enter__(self) -> None:
        self._locks.setdefault(os.getpid(), threading.Lock()).acquire()

    def __exit__(self, *error: object) -> None:
        self._locks[os.getpid()].release()
