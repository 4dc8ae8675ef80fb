"""Counting accesses by key in bounded memory: the protocol, and which kinds there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from redis_middleware_plugins.key_access.misra_gries import MisraGries
from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["READ", "WRITE", "AccessSketch", "SketchName", "sketch_maker"]

READ: Final = 0
"""The kind of an access that only reads."""
WRITE: Final = 1
"""The kind of an access that may write."""

SketchName = Literal["misra_gries", "datasketches"]


class AccessSketch(Protocol):
    """Counts accesses by key for a span of time, and knows how much it can be wrong.

    It need not be safe to use from several threads: its user takes care of that.
    """

    def add(self, key: bytes, kind: int, size: int, weight: int = 1) -> None:
        """Count an access.

        Args:
            key: the key as on the wire.
            kind: ``READ`` or ``WRITE``.
            size: bytes of arguments and reply.
            weight: how many accesses it stands for; its size counts as many times.
        """

    def summary(self, begin: float, end: float) -> Summary:
        """What was counted so far, with bounds that hold for every key.

        Args:
            begin: when counting began.
            end: now, by the same clock.
        """


def sketch_maker(name: SketchName, counters: int) -> Callable[[], AccessSketch]:
    """What makes sketches of one kind.

    Args:
        name: ``"misra_gries"``, in pure Python, or ``"datasketches"``, Apache DataSketches.
        counters: how many keys are counted at most at one time.

    Raises:
        MissingExtraError: DataSketches is not installed.
    """
    if name == "misra_gries":
        return lambda: MisraGries(counters)
    from redis_middleware_plugins.key_access.apache_datasketches import maker

    return maker(counters)
