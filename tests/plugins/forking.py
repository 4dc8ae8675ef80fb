"""Forked processes, and whether they get anything done."""

from __future__ import annotations

import os
import select
import signal
import warnings
from collections.abc import Callable

WITHIN = 5.0
"""Seconds within which a child has answered, also on a busy machine."""


def works_in_a_child(work: Callable[[], object]) -> bool:
    """Whether a forked process can do it within the time."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks of processes that have threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
            os.write(writing, b"done")
        finally:
            os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], WITHIN)
        return bool(ready) and os.read(reading, 4) == b"done"
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
