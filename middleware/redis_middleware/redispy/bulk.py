"""Many commands on one connection: packed in one go, their replies taken from one read.

redis-py does for each reply what is needed once for each read of the socket: with hiredis that is
half of what a pipeline of small commands costs. Whatever is unusual is left to redis-py's own
methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis.asyncio.connection
import redis.connection
from redis.utils import HIREDIS_AVAILABLE

__all__ = ["NOT_RECEIVED", "PUSH", "is_usual", "pack_commands", "received_replies"]

if HIREDIS_AVAILABLE:
    import hiredis
    from redis._parsers import _AsyncHiredisParser, _HiredisParser
    from redis._parsers.hiredis import NOT_ENOUGH_DATA
    from redis.connection import HiredisRespSerializer

# Other classes, such as a Sentinel's or an application's, may look at each request and reply.
_USUAL: Final = (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection)
_PACKING: Final = frozenset([cls.pack_commands for cls in _USUAL])
_READING: Final = frozenset([cls.read_response for cls in _USUAL])

_PARSERS: Final = (_HiredisParser, _AsyncHiredisParser) if HIREDIS_AVAILABLE else ()

NOT_RECEIVED: Final[Any] = NOT_ENOUGH_DATA if HIREDIS_AVAILABLE else object()
"""In place of a reply: it has not been received in whole."""

PUSH: Final[Any] = getattr(hiredis, "PushNotification", None) if HIREDIS_AVAILABLE else None
"""The class of what a server sends of its own accord, in RESP3; ``None`` where there is none."""

_JOINED: Final = 65_536
"""Bytes up to which requests are joined for one send; beyond that copying them costs more."""


def pack_commands(connection: Any, requests: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """Requests as bytes on the wire, as redis-py's ``connection.pack_commands`` gives them.

    Raises:
        DataError: an argument is of a type that redis-py refuses.
    """
    if _packs_like_hiredis(connection):
        try:
            names = {args[0] for args in requests}
            if all([_is_one_word(name) for name in names]):
                packed = [hiredis.pack_command(args) for args in requests]
                return [b"".join(packed)] if sum(map(len, packed)) <= _JOINED else packed
        except TypeError:
            # A name that cannot be hashed, or a type that hiredis does not know: redis-py makes
            # bytes of it, or refuses it.
            pass
    chunks: list[bytes] = connection.pack_commands(requests)
    return chunks


def _is_one_word(name: Any) -> bool:
    return isinstance(name, str) and " " not in name


def _packs_like_hiredis(connection: Any) -> bool:
    if not HIREDIS_AVAILABLE or type(connection).pack_commands not in _PACKING:
        return False
    packer = getattr(connection, "_command_packer", None)
    if packer is not None:
        return type(packer) is HiredisRespSerializer
    # redis.asyncio packs in Python, whatever is installed.
    encoder = connection.encoder
    return (encoder.encoding, encoder.encoding_errors) == ("utf-8", "strict")


def is_usual(connection: Any) -> bool:
    """Whether it reads with hiredis, by redis-py's own methods."""
    if not HIREDIS_AVAILABLE or getattr(connection.read_response, "__func__", None) not in _READING:
        return False
    return isinstance(connection._parser, _PARSERS)


def received_replies(connection: Any) -> Callable[[], Any]:
    """A function that takes the next reply from what was received already.

    It gives the reply as the parser has it, an error as its exception and a push message of RESP3
    as such, or :data:`NOT_RECEIVED`.
    """
    reader = connection._parser._reader if is_usual(connection) else None
    take: Callable[[], Any] = _nothing if reader is None else reader.gets
    return take


def _nothing() -> Any:
    return NOT_RECEIVED
