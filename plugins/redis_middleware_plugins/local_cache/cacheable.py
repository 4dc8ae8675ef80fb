"""Which commands are answered from memory, and under what name a reply is kept.

Only deterministic reads of a single key: their reply depends on nothing but the key's value and
the arguments. What draws at random, waits, depends on the time (TTL, OBJECT), goes on from a cursor
or reads a stream is not among them; a command that is not named here is not cached.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from redis.exceptions import DataError

from redis_middleware import Command

__all__ = ["CACHEABLE", "are_exact", "identity", "kinds_of", "single_key"]

_STRINGS: Final = {"GET", "GETRANGE", "SUBSTR", "STRLEN", "GETBIT", "BITCOUNT", "BITPOS"}
_HASHES: Final = {"HGET", "HMGET", "HGETALL", "HKEYS", "HVALS", "HLEN", "HEXISTS", "HSTRLEN"}
_LISTS: Final = {"LRANGE", "LLEN", "LINDEX", "LPOS"}
_SETS: Final = {"SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD"}
_RANGES: Final = {"ZRANGE", "ZRANGEBYSCORE", "ZRANGEBYLEX", "ZCOUNT", "ZLEXCOUNT", "ZCARD"}
_REVERSE_RANGES: Final = {"ZREVRANGE", "ZREVRANGEBYSCORE", "ZREVRANGEBYLEX"}
_MEMBERS: Final = {"ZSCORE", "ZMSCORE", "ZRANK", "ZREVRANK"}
_PLACES: Final = {"GEOPOS", "GEODIST", "GEOHASH", "GEOSEARCH"}
_READ_ONLY_TWINS: Final = {"BITFIELD_RO", "GEORADIUS_RO", "GEORADIUSBYMEMBER_RO"}
_DOCUMENTS: Final = {"JSON.GET", "JSON.TYPE", "JSON.STRLEN", "JSON.OBJLEN", "JSON.OBJKEYS"}
_ARRAYS: Final = {"JSON.ARRLEN", "JSON.ARRINDEX"}

_EXACT: Final = frozenset({str, bytes, int})

CACHEABLE: Final = frozenset(
    {"EXISTS", "TYPE"}.union(_STRINGS, _HASHES, _LISTS, _SETS, _RANGES, _REVERSE_RANGES)
).union(_MEMBERS, _PLACES, _READ_ONLY_TWINS, _DOCUMENTS, _ARRAYS)
"""The commands; each has its key right after its name."""


def identity(command: Command) -> Hashable | None:
    """The name that a command's reply is kept under: the same only for the same reply.

    That is the tuple of its arguments where they are str, bytes or int, as they mostly are; if
    there are others, it is what is sent of them (1 and 1.0 are equal in Python, and not to the
    server). Options that change the reply are part of it.

    Returns:
        ``None`` where the command must not be answered from memory: it names its node itself, an
        argument is refused by redis-py, or an option is of a kind that cannot be compared.
    """
    options = command.options
    args: Hashable = command.args
    if not are_exact(command.args):
        encoded = _encoded(command)
        if encoded is None:
            return None
        args = ("encoded", *encoded)
    if len(options) <= ("keys" in options):
        return args
    if "target_nodes" in options:
        return None
    try:
        chosen = frozenset([item for item in options.items() if item[0] != "keys"])
    except TypeError:
        # One of them cannot be hashed.
        return None
    return ("options", args, chosen)


def are_exact(args: tuple[Any, ...]) -> bool:
    """Whether arguments are equal to others of such types only if what is sent of them is."""
    return _EXACT.issuperset([type(argument) for argument in args])


def kinds_of(name: Hashable) -> tuple[type, ...] | None:
    """What the types of arguments must be, beside being equal to a name, to mean the same.

    Returns:
        ``None`` where that goes without saying: nothing but text is equal to text.
    """
    assert isinstance(name, tuple)
    if len(name) == 2 and type(name[1]) is str:
        return None
    kinds = tuple(map(type, name))
    return kinds if int in kinds else None


def _encoded(command: Command) -> tuple[bytes, ...] | None:
    encode = command.client.encode
    try:
        # redis-py leaves a memoryview or bytearray as it is.
        return tuple([bytes(encode(argument)) for argument in command.args])
    except (DataError, UnicodeError):
        # redis-py refuses such an argument, and tells the application.
        return None


def single_key(command: Command) -> bytes | None:
    """The wire bytes of the key of a cacheable command; ``None`` if it does not have just one."""
    args = command.args
    if len(args) != 2 and (len(args) < 2 or command.spec.name == "EXISTS"):
        return None
    key = args[1]
    if type(key) is bytes:
        return key
    try:
        return bytes(command.client.encode(key))
    except (DataError, UnicodeError):
        # redis-py refuses such a key, and tells the application.
        return None
