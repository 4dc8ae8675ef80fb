"""Scanning one server without holding it up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

import redis
from redis.exceptions import ResponseError

from redis_middleware_plugins.size_guard.bigkeys.samples import Batch
from redis_middleware_plugins.size_guard.bigkeys.steps import Step, pipeline_step, script_step

__all__ = ["Scan", "choose_step"]

_FIRST_COUNT: Final = 50
_LEAST_COUNT: Final = 5
_MOST_COUNT: Final = 4000
_MOST_IN_A_PIPELINE: Final = 500


def choose_step(client: redis.Redis) -> tuple[Step, str]:
    """The best step that a server allows, tried on a few keys.

    Returns:
        The step, and what it is, for people.
    """
    denied = ""
    for command in ("EVAL_RO", "EVAL"):
        step = script_step(command)
        try:
            step(client, "0", _LEAST_COUNT)
        except ResponseError as error:
            denied = str(error)
        else:
            return step, f"scripts ({command})"
    return pipeline_step, f"pipelines (scripts are denied: {denied})"


class Scan:
    """A scan of one server from a cursor on.

    The next steps are under way while its caller adds up the last one.

    Args:
        client: a client of the server whose replies are bytes; nobody else may use it meanwhile.
        cursor: where to begin: ``"0"``, or where an earlier scan was left.
        hold: seconds for which a step may hold the server; its number of keys is adapted.
        load: the largest share of time for which it keeps the server busy, above 0 up to 1.
        sleep: waits for some seconds.

    Attributes:
        method: what the steps are.
        longest: the longest time, in seconds, that a step held the server.
    """

    def __init__(
        self,
        client: redis.Redis,
        cursor: str = "0",
        *,
        hold: float = 0.002,
        load: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._cursor: str | None = cursor
        self._hold = hold
        self._load = load
        self._sleep = sleep
        self._step, self.method = choose_step(client)
        self._most = _MOST_IN_A_PIPELINE if self._step is pipeline_step else _MOST_COUNT
        self._count = _FIRST_COUNT
        self.longest = 0.0

    def batches(self) -> Iterator[Batch]:
        """Yield what the steps find, until the whole server is scanned."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bigkeys")
        try:
            # The step after the next waits in line: the server is asked again at once.
            ahead = deque([executor.submit(self._next), executor.submit(self._next)])
            while (batch := ahead.popleft().result()) is not None:
                ahead.append(executor.submit(self._next))
                yield batch
        finally:
            executor.shutdown(cancel_futures=True)

    def _next(self) -> Batch | None:
        if self._cursor is None:
            return None
        start = perf_counter()
        batch = self._step(self._client, self._cursor, self._count)
        self._cursor = None if batch.cursor == "0" else batch.cursor
        took = perf_counter() - start
        self.longest = max(self.longest, batch.held)
        factor = self._hold / max(batch.held, 1e-6)
        # Slowly up, at once down: the next keys may be larger than these.
        self._count = round(self._count * min(max(factor * 0.8, 0.2), 1.5))
        self._count = min(max(self._count, _LEAST_COUNT), self._most)
        if self._load < 1:
            self._sleep(took * (1 / self._load - 1))
        return batch
