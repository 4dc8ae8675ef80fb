"""Threads that send the shop's requests, one after the other."""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter
from random import Random

from redis_middleware.cli.demo.shop import Shop

__all__ = ["Load"]

_AT_ONCE = 64
_PAUSE = 0.000_05
"""Seconds that a thread waits after each request, as for the customer who gets the answer. Threads
that never wait for anything but Redis would, once a cache answers, wait for each other's turns at
the interpreter instead."""


class _Worker:
    """One thread, and what it counts; nobody else writes to that, so it needs no lock."""

    def __init__(self, shop: Shop, random: Random) -> None:
        self.durations = array("d")
        self.orders = 0
        self.errors: Counter[str] = Counter()
        self._shop = shop
        self._random = random
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ask the thread to end."""
        self._end.set()

    def join(self) -> None:
        """Wait until it has."""
        self._thread.join()

    def _work(self) -> None:
        clock = time.perf_counter
        while not self._end.is_set():
            for send, key, is_order in self._shop.requests(self._random, _AT_ONCE):
                start = clock()
                try:
                    send(key)
                # Whatever it is, the screen shows it and the scene has failed.
                except Exception as error:
                    self.errors[f"{type(error).__name__}: {error}"] += 1
                else:
                    self.orders += is_order
                self.durations.append(clock() - start)
                time.sleep(_PAUSE)


class Load:
    """The shop's customers.

    Args:
        shop: makes the requests.
        threads: how many send them.
        random: makes each thread's random numbers.
    """

    def __init__(self, shop: Shop, threads: int, random: Random) -> None:
        self._shop = shop
        self.threads = threads
        self._random = random
        self._workers: list[_Worker] = []
        self._ended: list[_Worker] = []

    @property
    def is_running(self) -> bool:
        """Whether requests are being sent."""
        return bool(self._workers)

    @property
    def orders(self) -> int:
        """How many orders were acknowledged so far."""
        return sum(worker.orders for worker in self._all)

    @property
    def errors(self) -> Counter[str]:
        """How many requests failed so far, by what they failed with."""
        total: Counter[str] = Counter()
        for worker in self._all:
            # The copy is made in one step, whatever the thread does meanwhile.
            total.update(dict(worker.errors))
        return total

    def start(self) -> None:
        """Begin to send requests."""
        for _ in range(self.threads):
            self._workers.append(_Worker(self._shop, Random(self._random.random())))

    def stop(self) -> None:
        """Send no more, and wait for the replies that are due."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join()
        self._ended += self._workers
        self._workers = []

    def take_durations(self) -> array[float]:
        """The durations, in seconds, of the requests since they were last taken."""
        taken = array("d")
        for worker in self._all:
            durations, worker.durations = worker.durations, array("d")
            taken.extend(durations)
        return taken

    @property
    def _all(self) -> list[_Worker]:
        return [*self._ended, *self._workers]
