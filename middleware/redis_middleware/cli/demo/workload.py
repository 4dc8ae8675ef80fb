"""What a shop's web servers do with Redis: mostly small and quick, now and then neither."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import redis

from redis_middleware.cli.demo.measurements import Measurements

__all__ = ["OPERATIONS", "Operation", "Workers", "fill"]

_SESSIONS: Final = 2000
_PRODUCTS: Final = 1000
_CATALOGUE_FIELDS: Final = 15_000
_PLAYERS: Final = 5000
_IMPORTED_PRICES: Final = 2500
_PAUSE: Final = 0.002
"""Mean of the seconds that a thread does something else between two operations."""

# Adds up numbers on the server, which answers nobody else meanwhile.
_REPORT: Final = "local sum = 0 for i = 1, 3000000 do sum = sum + i end return sum"


class Operation(NamedTuple):
    """One thing that the shop does.

    Attributes:
        name: what it is called.
        commands: the commands it sends, for people to read.
        weight: how often it happens, compared with the others.
        run: does it.
    """

    name: str
    commands: str
    weight: float
    run: Callable[[redis.Redis, Random], object]


def fill(client: redis.Redis) -> None:
    """Put the shop's data into an empty server."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(_SESSIONS):
            session = {"user": number, "theme": "dark", "visited": list(range(40))}
            pipe.set(f"session:{number}", json.dumps(session))
        for number in range(_PRODUCTS):
            text = f"Product {number} is as good as products get. " * 5
            pipe.hset(f"product:{number}", mapping={"price": number, "text": text})
            pipe.set(f"stock:{number}", 1000)
        pipe.execute()
    client.hset("catalogue", mapping={f"sku-{n}": "x" * 60 for n in range(_CATALOGUE_FIELDS)})
    client.zadd("high-scores", {f"player-{number}": number for number in range(_PLAYERS)})


def _popular(random: Random, count: int) -> int:
    """A number below count; low ones are far more likely, as with anything that people choose."""
    return int(count * random.random() ** 4)


def _read_session(client: redis.Redis, random: Random) -> None:
    client.get(f"session:{_popular(random, _SESSIONS)}")


def _show_product(client: redis.Redis, random: Random) -> None:
    client.hgetall(f"product:{_popular(random, _PRODUCTS)}")


def _search(client: redis.Redis, random: Random) -> None:
    client.mget([f"stock:{random.randrange(_PRODUCTS)}" for _ in range(20)])


def _count_views(client: redis.Redis, random: Random) -> None:
    with client.pipeline(transaction=False) as pipe:
        for _ in range(20):
            pipe.incr(f"views:{_popular(random, _PRODUCTS)}")
        pipe.execute()


def _add_to_basket(client: redis.Redis, random: Random) -> None:
    basket = f"basket:{_popular(random, _SESSIONS)}"
    with client.pipeline(transaction=True) as pipe:
        pipe.hincrby(basket, f"product:{_popular(random, _PRODUCTS)}", 1)
        pipe.expire(basket, 3600)
        pipe.execute()


def _show_high_scores(client: redis.Redis, random: Random) -> None:
    client.zincrby("high-scores", 1, f"player-{_popular(random, _PLAYERS)}")
    client.zrange("high-scores", 0, 9, desc=True, withscores=True)


def _wait_for_mail(client: redis.Redis, random: Random) -> None:
    client.blpop(["mail:urgent", "mail"], timeout=0.05)


def _export_catalogue(client: redis.Redis, random: Random) -> None:
    client.hgetall("catalogue")


def _import_prices(client: redis.Redis, random: Random) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(_IMPORTED_PRICES):
            pipe.hset(f"product:{number % _PRODUCTS}", "price", random.randrange(100))
        pipe.execute()


def _make_report(client: redis.Redis, random: Random) -> None:
    client.eval(_REPORT, 0)


OPERATIONS: Final = (
    Operation("read session", "GET", 400, _read_session),
    Operation("show product", "HGETALL", 250, _show_product),
    Operation("search", "MGET of 20", 80, _search),
    Operation("count views", "pipeline of 20 INCR", 100, _count_views),
    Operation("add to basket", "MULTI HINCRBY EXPIRE", 80, _add_to_basket),
    Operation("high scores", "ZINCRBY, ZRANGE", 50, _show_high_scores),
    Operation("wait for mail", "BLPOP", 10, _wait_for_mail),
    Operation("export catalogue", "HGETALL, 1 MB", 4, _export_catalogue),
    Operation("import prices", "pipeline of 2,500 HSET", 2, _import_prices),
    Operation("make report", "EVAL", 2, _make_report),
)


class Workers:
    """Threads that do the shop's operations, from entering the ``with`` block to leaving it.

    Args:
        client: the client that they share.
        measurements: where they count what they did.
        count: how many they are.
        random: makes each thread's random numbers.
    """

    def __init__(
        self, client: redis.Redis, measurements: Measurements, count: int, random: Random
    ) -> None:
        self._client = client
        self._measurements = measurements
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(Random(random.random()),), daemon=True)
            for _ in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _work(self, random: Random) -> None:
        weights = [operation.weight for operation in OPERATIONS]
        while not self._end.wait(random.expovariate(1 / _PAUSE)):
            (operation,) = random.choices(OPERATIONS, weights)
            error: Any = None
            start = time.perf_counter()
            try:
                operation.run(self._client, random)
            except redis.RedisError as raised:
                error = raised
            self._measurements.add(operation.name, time.perf_counter() - start, error)
