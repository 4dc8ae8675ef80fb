"""What a shop asks Redis for: products by Zipf's law, and orders that are counted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

import redis

from redis_middleware.commands import key_slot

__all__ = ["ORDERS_SLOT", "ORDER_KEYS", "PRODUCT_KEYS", "VIRAL", "Request", "Shop"]

PRODUCT_KEYS: Final = [f"product:{number}" for number in range(1, 2001)]
VIRAL: Final = "product:1711"
# What stands in braces decides about the slot: all of these are in one.
ORDER_KEYS: Final = [f"orders:{{europe}}:{number}" for number in range(300)]
ORDERS_SLOT: Final = key_slot(ORDER_KEYS[0].encode())

_ZIPF_EXPONENT: Final = 0.8
_PAGE: Final = "as good as products get, " * 320
_FILLED_AT_ONCE: Final = 100
_ORDER_SHARE: Final = 0.05
_VIRAL_SHARE: Final = 0.85


class Request(NamedTuple):
    """One request of the shop.

    Attributes:
        send: sends it, given its key.
        key: its key.
        is_order: whether it counts an order.
    """

    send: Callable[[str], Any]
    key: str
    is_order: bool


class Shop:
    """Makes the requests of a shop.

    Args:
        client: the client that sends them.

    Attributes:
        has_gone_viral: whether one product is what nearly everybody looks at.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._reads = [Request(client.get, key, False) for key in PRODUCT_KEYS]
        self._orders = [Request(client.incr, key, True) for key in ORDER_KEYS]
        self._viral = Request(client.get, VIRAL, False)
        weights = [rank**-_ZIPF_EXPONENT for rank in range(1, len(PRODUCT_KEYS) + 1)]
        self._weights = list(accumulate(weights))
        self.has_gone_viral = False

    def fill(self) -> None:
        """Put products and orders into the cluster."""
        for start in range(0, len(PRODUCT_KEYS), _FILLED_AT_ONCE):
            with self._client.pipeline(transaction=False) as pipe:
                for key in PRODUCT_KEYS[start : start + _FILLED_AT_ONCE]:
                    pipe.set(key, f"{key} is {_PAGE}")
                pipe.execute()
        self._client.mset(dict.fromkeys(ORDER_KEYS, 0))

    def count_orders(self) -> int:
        """How many orders the cluster has counted."""
        return sum([int(count or 0) for count in self._client.mget(ORDER_KEYS)])

    def requests(self, random: Random, count: int) -> list[Request]:
        """The next requests of one customer after the other."""
        viral = _VIRAL_SHARE if self.has_gone_viral else 0.0
        requests = random.choices(self._reads, cum_weights=self._weights, k=count)
        for index in range(count):
            lot = random.random()
            if lot < _ORDER_SHARE:
                requests[index] = random.choice(self._orders)
            elif lot < _ORDER_SHARE + viral:
                requests[index] = self._viral
        return requests
