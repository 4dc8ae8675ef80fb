"""Counting some accesses only: each with the same chance, without a draw for each."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Sampling"]


class Sampling:
    """Says how many accesses to pass over until the next one is counted.

    The gaps between accesses that are counted with a chance of 1 in n are distributed
    geometrically, so one draw for each of those that are counted is enough (Vitter, "An efficient
    algorithm for sequential random sampling", 1987).

    Args:
        every: n; ``None`` to adapt it to the rate.
        per_second: how many accesses per second are to be counted then.
        random: gives numbers from 0 up to, but not including, 1.

    Attributes:
        weight: how many accesses each one that is counted stands for: the current n.
    """

    def __init__(self, every: int | None, per_second: float, random: Callable[[], float]) -> None:
        self._adapts = every is None
        self._per_second = per_second
        self._random = random
        self.weight = every or 1

    def gap(self) -> int:
        """How many accesses to pass over before the next one is counted."""
        if self.weight == 1:
            return 0
        chance = 1.0 - self._random()
        return int(math.log(chance) / math.log1p(-1.0 / self.weight))

    def adapt(self, rate: float) -> None:
        """Choose n for a rate of accesses, in accesses per second, where it is to be adapted."""
        if self._adapts:
            self.weight = max(1, math.ceil(rate / self._per_second))
