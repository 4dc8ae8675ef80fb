"""Commands on many keys that go out in parts, each to the node that has its keys.

A server of a cluster takes the keys of one slot at a time, also where it has the slots of others.
So each part holds the keys of one slot; all parts are sent before any reply is read. Each part is
atomic, the whole is not any more.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis_middleware import Command
from redis_middleware.commands import SLOT_COUNT, CommandSpec, key_slot
from redis_middleware_plugins.slot_routing.refusing import raise_partly_done, shown_key

__all__ = ["MaySplit", "Split", "Splitting", "slots_of_keys", "splitting_of"]

MaySplit = Literal["refuse", "reads", "all"]
"""Which commands may be split over slots: none, those that only read, or those that write too."""

_LAST_SLOT: Final = SLOT_COUNT - 1


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a command is split.

    Attributes:
        name: the command's name.
        stride: how many arguments belong to one key, itself included.
        is_write: whether it changes data, so that a failure has to tell what was done.
        merge: from the replies of the parts, none of them a failure, to the one of the whole.
    """

    name: str
    stride: int
    is_write: bool
    merge: Callable[[Split, Sequence[Any]], Any]

    def is_allowed(self, may_split: MaySplit) -> bool:
        """Whether a setting lets the command be split."""
        return may_split == "all" or (may_split == "reads" and not self.is_write)

    def reason(self, may_split: MaySplit) -> str:
        """Why it is refused where that setting does not let it be split."""
        return (
            f'split = "{may_split}" does not let it be sent slot by slot, which would not be '
            "atomic"
        )

    def keys(self, command: Command) -> Sequence[Any]:
        """The keys among its arguments, as the application gave them.

        Empty where there are none, or arguments are missing: that is left to the server to tell.
        """
        args = command.args
        return () if (len(args) - 1) % self.stride else args[1 :: self.stride]


class Split:
    """A command that was taken apart.

    Args:
        splitting: how.
        command: the command.
        places: for each of its keys where it belongs: its slot, or whatever else tells keys apart
            that cannot be in one command.

    Attributes:
        parts: a command for each of the places, in the order in which they first occur; what
            they go to as a ``target`` is left to be set.
        places: where each of the parts belongs.
        place_of_key: where each of the keys belongs.
    """

    __slots__ = ("place_of_key", "parts", "places", "splitting")

    def __init__(
        self, splitting: Splitting, command: Command, places: Sequence[Hashable]
    ) -> None:
        self.splitting = splitting
        self.place_of_key = places
        args, options, spec = command.args, command.options, command.spec
        client, place, position = command.client, command.place, command.position
        name, stride = args[0], splitting.stride
        # Nearly always each key is in a slot of its own.
        arguments = args[1:] if stride == 1 else list(zip(args[1::2], args[2::2], strict=True))
        alone = dict(zip(places, arguments, strict=True))
        groups: Sequence[tuple[Any, ...]]
        if len(alone) == len(places):
            self.places: Sequence[Hashable] = places
            groups = (
                [(name, key) for key in arguments]
                if stride == 1
                else [(name, *pair) for pair in arguments]
            )
        else:
            by_place: dict[Hashable, list[Any]] = {}
            for at, argument in zip(places, arguments, strict=True):
                group = by_place.get(at)
                if group is None:
                    group = by_place[at] = [name]
                if stride == 1:
                    group.append(argument)
                else:
                    group += argument
            self.places = list(by_place)
            groups = list(map(tuple, by_place.values()))
        self.parts = [
            Command(group, options, spec, client, place, position) for group in groups
        ]

    def merge(self, replies: Sequence[Any]) -> Any:
        """The reply of the whole.

        Args:
            replies: the reply of each part, failures as exceptions.

        Raises:
            Exception: the first failure; of a write it tells what was done and what was not, see
                :func:`~redis_middleware_plugins.slot_routing.refusing.partly_done`.
        """
        for reply in replies:
            if isinstance(reply, Exception):
                self._raise(replies)
        return self.splitting.merge(self, replies)

    def _raise(self, replies: Sequence[Any]) -> None:
        if self.splitting.is_write:
            raise_partly_done(self.splitting.name, replies, map(self._shown_keys, self.parts))
        raise next(reply for reply in replies if isinstance(reply, Exception))

    def _shown_keys(self, part: Command) -> list[str]:
        encode = part.client.encode
        return [shown_key(bytes(encode(key))) for key in self.splitting.keys(part)]


def splitting_of(spec: CommandSpec) -> Splitting | None:
    """How a command is split; ``None`` for one that cannot be."""
    return _SPLITTINGS.get(spec.name)


def slots_of_keys(keys: Sequence[Any], encode: Callable[[Any], bytes]) -> list[int]:
    """The slots of many keys.

    Args:
        keys: the keys, of the types that redis-py takes.
        encode: the client's ``encode``.

    Raises:
        redis.exceptions.DataError: a key is of another type.
    """
    return [key_slot(bytes(encode(key))) for key in keys]
