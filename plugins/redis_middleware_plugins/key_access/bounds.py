"""Numbers that are known up to bounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

__all__ = ["Bounds", "bounds_of"]

# Of sampled counts the bounds hold with a probability of 99.9%, by the normal distribution.
_DEVIATIONS: Final = 3.29


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number and how far it can be off.

    Attributes:
        lower: it is at least this.
        estimate: the likeliest value.
        upper: it is at most this.
    """

    lower: float
    estimate: float
    upper: float

    def per(self, amount: float) -> Bounds:
        """Divided by an amount: a rate or a share; zero where the amount is."""
        if amount <= 0:
            return Bounds(0.0, 0.0, 0.0)
        return Bounds(self.lower / amount, self.estimate / amount, self.upper / amount)


def bounds_of(counted: int, missed: int, weight: int) -> Bounds:
    """The bounds of a count.

    Without sampling they are certain. A sampled count follows a binomial distribution, whose
    deviation that of a Poisson distribution exceeds; the bounds are Wilson's for the latter.

    Args:
        counted: what was counted, each access as often as it stands for.
        missed: how many more there can have been.
        weight: how many accesses each one that was counted stands for.
    """
    if weight == 1:
        return Bounds(counted, counted, counted + missed)
    variance = _DEVIATIONS**2
    drawn = counted / weight
    most = (counted + missed) / weight
    lower = drawn + variance / 2 - _DEVIATIONS * sqrt(drawn + variance / 4)
    upper = most + variance / 2 + _DEVIATIONS * sqrt(most + variance / 4)
    # What was drawn did happen.
    return Bounds(max(drawn, lower * weight), counted, upper * weight)
