"""What the middleware costs, on the server of this run."""

from __future__ import annotations

import time
from statistics import median
from typing import Final, NamedTuple

import redis

__all__ = ["Cost", "measure_cost"]

_ROUNDS: Final = 11
_GETS: Final = 200


class Cost(NamedTuple):
    """Seconds of a GET: the medians over rounds that took turns."""

    bare: float
    wrapped: float


def measure_cost(bare: redis.Redis, wrapped: redis.Redis, key: str) -> Cost:
    """Measure how long a GET of a key takes with each client."""
    durations: dict[redis.Redis, list[float]] = {bare: [], wrapped: []}
    for _ in range(_ROUNDS):
        for client, rounds in durations.items():
            start = time.perf_counter()
            for _ in range(_GETS):
                client.get(key)
            rounds.append((time.perf_counter() - start) / _GETS)
    return Cost(median(durations[bare]), median(durations[wrapped]))
