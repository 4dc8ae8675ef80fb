"""Which commands make a key grow, and what their reply tells about its new size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from redis_middleware.commands.arguments import word_of
from redis_middleware.sizes import size_of

__all__ = [
    "GROWTH",
    "HYPERLOGLOG_BYTES",
    "SORTED_SET_OPTIONS",
    "STORES",
    "Growth",
    "length_command",
]

HYPERLOGLOG_BYTES: Final = 16 + 16384 * 6 // 8
"""What a HyperLogLog has at most: a header, and 16,384 registers of 6 bits (hyperloglog.c)."""

SORTED_SET_OPTIONS: Final = frozenset({"NX", "XX", "GT", "LT", "CH", "INCR"})
"""The words that ZADD, and some of them GEOADD, takes before the first score."""

Told = Literal["size", "added", "nothing"]


class Growth(NamedTuple):
    """How a command makes a key grow.

    Attributes:
        key: the index of the key among the wire arguments.
        length: the command that asks for the key's size.
        told: what the reply is: the new ``"size"``, the number that was ``"added"``, or
            ``"nothing"`` of the kind: then each growth counts as the most that it can be.
        step: how many arguments make an element; 0: it adds one, whatever its arguments.
        exists: the command that asks whether an element is there already; empty where a new one
            is added in any case.
    """

    key: int
    length: str
    told: Told
    step: int = 0
    exists: str = ""

    @property
    def limit(self) -> str:
        """The name of the limit that the size is under."""
        return "max_value" if self.length == "STRLEN" else "max_elements"

    def most_added(self, wire: Sequence[Any]) -> int:
        """By how much the key can grow at most, in bytes or elements.

        A SETRANGE counts as nothing here: its arguments tell the whole size that it asks for.
        """
        if self.step:
            return len(self.elements(wire))
        if self.length == "STRLEN":
            return size_of(wire[2]) if len(wire) == 3 else 0
        return 1

    def elements(self, wire: Sequence[Any]) -> range:
        """Where the new fields or members are among the wire arguments."""
        first = 2
        if self.exists == "ZSCORE":
            while first < len(wire) and word_of(wire[first]) in SORTED_SET_OPTIONS:
                first += 1
            first += self.step - 1
        return range(first, len(wire), max(self.step, 1))


_LENGTHS: Final = {
    "string": "STRLEN",
    "list": "LLEN",
    "hash": "HLEN",
    "set": "SCARD",
    "zset": "ZCARD",
    "stream": "XLEN",
}

_HASH: Final = Growth(1, "HLEN", "nothing", 2, "HEXISTS")
_LIST: Final = Growth(1, "LLEN", "size", 1)

GROWTH: Final[dict[str, Growth]] = {
    "APPEND": Growth(1, "STRLEN", "size"),
    "SETRANGE": Growth(1, "STRLEN", "size"),
    "PFADD": Growth(1, "STRLEN", "nothing", 1),
    "LPUSH": _LIST,
    "RPUSH": _LIST,
    "LPUSHX": _LIST,
    "RPUSHX": _LIST,
    "LINSERT": _LIST._replace(step=0),
    "SADD": Growth(1, "SCARD", "added", 1, "SISMEMBER"),
    "HSET": _HASH._replace(told="added"),
    "HSETNX": _HASH._replace(told="added"),
    "HMSET": _HASH,
    "HSETEX": _HASH._replace(exists=""),
    "HINCRBY": _HASH,
    "HINCRBYFLOAT": _HASH,
    "ZADD": Growth(1, "ZCARD", "added", 2, "ZSCORE"),
    "ZINCRBY": Growth(1, "ZCARD", "nothing", 2, "ZSCORE"),
    "GEOADD": Growth(1, "ZCARD", "added", 3, "ZSCORE"),
    "XADD": Growth(1, "XLEN", "nothing"),
    "LMOVE": Growth(2, "LLEN", "nothing"),
    "RPOPLPUSH": Growth(2, "LLEN", "nothing"),
    "SMOVE": Growth(2, "SCARD", "nothing"),
}
"""Commands that add to what is there. An element of PFADD counts as a byte, which is too few when
a HyperLogLog changes its form; one that is over its limit then is found when it is asked for."""

STORES: Final = {
    "BITOP": "max_value",
    "SUNIONSTORE": "max_elements",
    "SINTERSTORE": "max_elements",
    "SDIFFSTORE": "max_elements",
    "ZUNIONSTORE": "max_elements",
    "ZINTERSTORE": "max_elements",
    "ZDIFFSTORE": "max_elements",
    "ZRANGESTORE": "max_elements",
    "GEOSEARCHSTORE": "max_elements",
    "GEORADIUS": "max_elements",
    "GEORADIUSBYMEMBER": "max_elements",
    "SORT": "max_elements",
}
"""Commands that replace a key with a result and reply with its size, and the limit of that."""


def length_command(kind: bytes | str) -> str | None:
    """Return the command that asks for the size of a key of a type, as TYPE gives it."""
    return _LENGTHS.get(kind.decode() if isinstance(kind, bytes) else kind)
