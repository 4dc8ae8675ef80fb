"""Counting with Apache DataSketches, of the extra ``datasketches``."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from redis_middleware.discovery import require
from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["ApacheDataSketch", "maker"]

_FULLEST = 0.75
# No key is text: all are bytes.
_NO_KEY = ""


def maker(counters: int) -> Callable[[], ApacheDataSketch]:
    """What makes the sketches.

    Raises:
        MissingExtraError: the package datasketches is not installed.
    """
    module = require("datasketches", extra="datasketches", setting="sketch")
    # A sketch of size 2^n holds three quarters of that many keys.
    size = max(4, (round(counters / _FULLEST) - 1).bit_length())
    return lambda: ApacheDataSketch(module, size)


class ApacheDataSketch:
    """Three of its frequent items sketches: for reads, writes and bytes.

    See :class:`~redis_middleware_plugins.key_access.sketches.AccessSketch`.

    Args:
        module: the module ``datasketches``.
        size: the base-2 logarithm of the largest size of each sketch.
    """

    __slots__ = ("_accesses", "_module", "_sizes", "_totals")

    def __init__(self, module: Any, size: int) -> None:
        self._module = module
        self._accesses = (module.frequent_items_sketch(size), module.frequent_items_sketch(size))
        self._sizes = module.frequent_items_sketch(size)
        self._totals = [0, 0, 0]

    def add(self, key: bytes, kind: int, size: int, weight: int = 1) -> None:
        """Count an access of a kind, 0 for reading and 1 for writing."""
        self._accesses[kind].update(key, weight)
        self._totals[kind] += weight
        if size:
            self._sizes.update(key, size * weight)
            self._totals[2] += size * weight

    def summary(self, begin: float, end: float) -> Summary:
        """What was counted so far, with bounds that hold for every key."""
        # An item of these lists is a key with its estimate, lower and upper bound.
        kind = self._module.frequent_items_error_type.NO_FALSE_NEGATIVES
        sketches = (*self._accesses, self._sizes)
        bounds = [
            {key: (lower, upper) for key, _, lower, upper in sketch.get_frequent_items(kind)}
            for sketch in sketches
        ]
        errors = [sketch.get_upper_bound(_NO_KEY) for sketch in sketches]
        numbers: array[int] = array("q")
        keys = tuple({key for found in bounds for key in found})
        for key in keys:
            reads, writes, size = [
                found.get(key, (0, error)) for found, error in zip(bounds, errors, strict=True)
            ]
            missed = reads[1] - reads[0] + writes[1] - writes[0]
            numbers.extend((reads[0], writes[0], size[0], missed, size[1] - size[0]))
        return Summary(
            keys=keys,
            numbers=numbers,
            absent=errors[0] + errors[1],
            absent_size=errors[2],
            reads=self._totals[0],
            writes=self._totals[1],
            size=self._totals[2],
            distinct=max(map(len, bounds)),
            begin=begin,
            end=end,
        )
