"""Which slots a command is about."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis_middleware import Command
from redis_middleware.commands import SLOT_COUNT, key_positions, key_slot

__all__ = ["SlotsOfKeys", "has_unknown_keys", "routing_keys", "slot_function", "slots_of"]

_EURO: Final = "\N{EURO SIGN}"
_TAG: Final = ord("{")
"""Looked for in bytes, a number is found in half the time that bytes are."""

_MASK: Final = SLOT_COUNT - 1

_SLOT_ARGUMENTS: Final = {"CLUSTER COUNTKEYSINSLOT": 2, "CLUSTER GETKEYSINSLOT": 2}
"""Commands about a slot that has no key in them: where its number is among the wire arguments."""


def routing_keys(command: Command) -> tuple[bytes, ...]:
    """What decides a command's slot: its keys, or a shard channel, as on the wire.

    For a command that is not in the table those are redis-py's option ``keys``.

    Raises:
        DataError: one of them is of a type that redis-py does not send.
    """
    args = command.args
    if command.spec.first_key == 1 and len(args) > 1:
        # Nearly every command: its key need not be looked for.
        return (bytes(command.client.encode(args[1])),)
    given: Sequence[Any]
    if command.spec.known:
        wire = command.wire
        given = [wire[position] for position in key_positions(command.spec, wire, not_keys=True)]
    else:
        given = command.options.get("keys") or ()
    encode = command.client.encode
    return tuple([bytes(encode(key)) for key in given])


def slots_of(command: Command) -> tuple[int, ...]:
    """The different slots that a command is about, in the order of its keys; mostly one or none.

    Raises:
        DataError: one of its keys is of a type that redis-py does not send.
    """
    args = command.args
    if command.spec.first_key == 1 and len(args) > 1:
        return (key_slot(bytes(command.client.encode(args[1]))),)
    position = _SLOT_ARGUMENTS.get(command.name)
    if position is not None:
        return _slot_argument(command, position)
    slots = [key_slot(key) for key in routing_keys(command)]
    return tuple(slots) if len(slots) < 2 else tuple(dict.fromkeys(slots))


def _slot_argument(command: Command, position: int) -> tuple[int, ...]:
    wire = command.wire
    try:
        slot = int(wire[position])
    except (IndexError, TypeError, ValueError):
        # The server will say what is wrong with it.
        return ()
    return (slot,) if 0 <= slot < SLOT_COUNT else ()


def has_unknown_keys(command: Command) -> bool:
    """Whether nothing tells which keys a command has, if any: it is not in the table."""
    return not command.spec.known and not command.options.get("keys")


def slot_function(encode: Callable[[Any], bytes]) -> Callable[[Any], int]:
    """A function that gives the slot of a key of any type that redis-py sends.

    Args:
        encode: the client's encoding.
    """
    is_utf_8 = _is_utf_8(encode)

    def slot_of(key: Any) -> int:
        if key.__class__ is str and is_utf_8:
            key = key.encode()
        elif key.__class__ is not bytes:
            key = bytes(encode(key))
        return key_slot(key) if _TAG in key else crc_hqx(key, 0) & _MASK

    return slot_of


class SlotsOfKeys:
    """The slots of many keys at once, as its callable.

    Args:
        encode: the client's ``encode``.
    """

    __slots__ = ("_encode", "_is_utf_8")

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        self._is_utf_8 = _is_utf_8(encode)

    def __call__(self, keys: Sequence[Any]) -> list[int]:
        """The slot of each key, 0 to 16,383.

        Args:
            keys: of any of the types that redis-py takes.

        Raises:
            redis.exceptions.DataError: a key is of another type.
            UnicodeEncodeError: a key cannot be encoded.
        """
        wire = self._on_the_wire(keys)
        if b"{" in b"".join(wire):
            return list(map(key_slot, wire))
        # What key_slot does where nothing is a hash tag, without a call for each.
        return [crc_hqx(key, 0) & _MASK for key in wire]

    def _on_the_wire(self, keys: Sequence[Any]) -> Sequence[bytes]:
        types = set(map(type, keys))
        if types == {bytes}:
            return keys
        if types == {str} and self._is_utf_8:
            try:
                return [key.encode() for key in keys]
            except UnicodeEncodeError:
                # The client may have another way to deal with it than to fail.
                pass
        encode = self._encode
        return [bytes(encode(key)) for key in keys]


def _is_utf_8(encode: Callable[[Any], bytes]) -> bool:
    try:
        return encode(_EURO) == _EURO.encode()
    except UnicodeEncodeError:
        # Many encodings have no such character.
        return False
