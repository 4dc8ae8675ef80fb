"""Which commands make a key grow, and what their reply tells about its new size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from redis_middleware.commands.arguments import word_of
from redis_middleware.sizes import size_of

__all__ = ["GROWTH", "SORTED_SET_OPTIONS", "STORES", "Growth", "length_command", "store_key"]

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
        if self.length == "STRLEN":
            return size_of(wire[2]) if len(wire) == 3 else 0
        return len(self.elements(wire)) if self.step else 1

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
"""Commands that add to what is there. PFADD is not among them: a HyperLogLog is bounded."""

STORES: Final[dict[str, tuple[int, str]]] = {
    "BITOP": (2, "STRLEN"),
    "SUNIONSTORE": (1, "SCARD"),
    "SINTERSTORE": (1, "SCARD"),
    "SDIFFSTORE": (1, "SCARD"),
    "ZUNIONSTORE": (1, "ZCARD"),
    "ZINTERSTORE": (1, "ZCARD"),
    "ZDIFFSTORE": (1, "ZCARD"),
    "ZRANGESTORE": (1, "ZCARD"),
    "GEOSEARCHSTORE": (1, "ZCARD"),
    "GEORADIUS": (0, "ZCARD"),
    "GEORADIUSBYMEMBER": (0, "ZCARD"),
    "SORT": (0, "LLEN"),
}
"""Commands that replace a key with a result and reply with its size: where the key is among the
wire arguments (0: after the word STORE or STOREDIST), and the command that asks for its size."""


def store_key(name: str, wire: Sequence[Any]) -> int:
    """Return the index of the key that a command stores its result in; 0 where it stores none."""
    index = STORES[name][0]
    if index:
        return index if index < len(wire) else 0
    for at in range(2, len(wire) - 1):
        if word_of(wire[at]) in ("STORE", "STOREDIST"):
            return at + 1
    return 0


def length_command(kind: bytes | str) -> str | None:
    """Return the command that asks for the size of a key of a type, as TYPE gives it."""
    return _LENGTHS.get(kind.decode() if isinstance(kind, bytes) else kind)
