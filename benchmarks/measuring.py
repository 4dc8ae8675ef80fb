"""Timing rivals side by side: in short turns, in random order, so that noise hits all alike."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

__all__ = ["Timing", "compare", "compare_async", "ratio"]


@dataclass(frozen=True)
class Timing:
    """The time of one call, in microseconds, in each round."""

    rounds: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median over the rounds."""
        return median(self.rounds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles."""
        return _half_quartiles(self.rounds)


def ratio(timing: Timing, base: Timing) -> tuple[float, float]:
    """How many times as long as the base, as median and spread of the ratios of the rounds."""
    ratios = [one / other for one, other in zip(timing.rounds, base.rounds, strict=True)]
    return median(ratios), _half_quartiles(ratios)


def _half_quartiles(values: tuple[float, ...] | list[float]) -> float:
    first, _, third = quantiles(values, n=4)
    return (third - first) / 2


def compare(
    rivals: Mapping[str, Callable[[], object]],
    *,
    calls: int,
    rounds: int = 60,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, Timing]:
    """Time the rivals: each is called ``calls`` times in each of the rounds.

    A round is short, so that its ratios compare what ran within a few milliseconds of each other.
    With ``time.thread_time`` as its clock it counts what the calling thread works, not what it
    waits for: small differences stay visible beside a round trip and on a busy machine.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    order = list(rivals)
    for function in rivals.values():
        function()
    turns = range(calls)
    gc.collect()
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            function = rivals[name]
            start = clock()
            for _ in turns:
                function()
            times[name].append((clock() - start) / calls * 1e6)
    return {name: Timing(tuple(values)) for name, values in times.items()}


async def compare_async(
    rivals: Mapping[str, Callable[[], Awaitable[object]]], *, calls: int, rounds: int = 60
) -> dict[str, Timing]:
    """The same for functions that give awaitables."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    order = list(rivals)
    for function in rivals.values():
        await function()
    turns = range(calls)
    gc.collect()
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            function = rivals[name]
            start = perf_counter()
            for _ in turns:
                await function()
            times[name].append((perf_counter() - start) / calls * 1e6)
            await asyncio.sleep(0)
    return {name: Timing(tuple(values)) for name, values in times.items()}
