"""Commands on many keys that go out in parts, each to the node that has its keys.

A server of a cluster takes the keys of one slot at a time, even where it has the slots of others.
So each part holds the keys of one slot; all parts are sent before any reply is read. Each part is
atomic, the whole is not any more.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, Final, Generic, Literal, TypeVar

from redis.exceptions import RedisError

from redis_middleware import Command, Flow
from redis_middleware.commands import CommandSpec
from redis_middleware.groups import has_exceptions
from redis_middleware.notes import note_split
from redis_middleware_plugins.slot_routing.outcomes import raise_first
from redis_middleware_plugins.slot_routing.refusing import CrossSlotError, not_split, shown_key
from redis_middleware_plugins.slot_routing.slots import SlotsOfKeys

__all__ = [
    "Gather",
    "MaySplit",
    "Split",
    "Splitter",
    "Splitting",
    "splitting_of",
]

MaySplit = Literal["refuse", "reads", "all"]
"""Which commands may be split over slots: none, those that only read, or those that write too."""

Gather = Callable[[list[Command]], Generator[Any, Any, Sequence[Any]]]
"""Sends commands together, each of one slot and with its ``slot`` set, to where they belong; gives
their replies in order, failures among them as exceptions."""

Place = TypeVar("Place", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a command is split.

    Attributes:
        name: the command's name.
        stride: how many arguments belong to one key, itself included.
        is_write: whether it changes data, so that a failure has to tell what was done.
        merge: from the replies of a split's parts, none of them a failure, to that of the whole.
    """

    name: str
    stride: int
    is_write: bool
    merge: Callable[[Split[Any], Sequence[Any]], Any]

    def is_allowed(self, may_split: MaySplit) -> bool:
        """Whether a setting lets the command be split."""
        return may_split == "all" or (may_split == "reads" and not self.is_write)

    def keys(self, command: Command) -> Sequence[Any]:
        """The keys among the arguments, as the application gave them.

        Empty where there are none, or an argument is missing: the server will refuse the command.
        """
        args = command.args
        return () if (len(args) - 1) % self.stride else args[1 :: self.stride]


class Split(Generic[Place]):
    """A command that was taken apart.

    Args:
        splitting: how.
        command: the command.
        places: for each of its keys where it belongs: its slot, or whatever else tells keys apart
            that cannot be in one command.

    Attributes:
        parts: a command for each place, in the order in which the places first occur. The
            ``target`` of each is still to be set.
        places: the place of each part.
    """

    __slots__ = ("_place_of_key", "_splitting", "parts", "places")

    places: Sequence[Place]

    def __init__(self, splitting: Splitting, command: Command, places: Sequence[Place]) -> None:
        self._splitting = splitting
        self._place_of_key = places
        args, stride = command.args, splitting.stride
        requests: list[tuple[Any, ...]] = list(
            zip(repeat(args[0]), *(args[1 + nth :: stride] for nth in range(stride)), strict=False)
        )
        self.places = places
        if len(set(places)) < len(places):
            by_place: dict[Place, list[Any]] = {}
            for place, request in zip(places, requests, strict=True):
                if place in by_place:
                    by_place[place] += request[1:]
                else:
                    by_place[place] = list(request)
            self.places = list(by_place)
            requests = [tuple(request) for request in by_place.values()]
        # The keys, for redis-py's own cache, are those of the whole command.
        options = {name: value for name, value in command.options.items() if name != "keys"}
        spec, client = command.spec, command.client
        where, position = command.place, command.position
        self.parts = [
            Command(request, options, spec, client, where, position) for request in requests
        ]

    def merge(self, replies: Sequence[Any]) -> Any:
        """The reply of the whole.

        Args:
            replies: the reply of each part, failures as exceptions.

        Raises:
            Exception: the first failure; that of a write tells how far it came, see
                :func:`~redis_middleware_plugins.slot_routing.outcomes.partly_done`.
        """
        if has_exceptions(replies):
            reply = next(reply for reply in replies if isinstance(reply, Exception))
            try:
                self._fail(reply, replies)
            finally:
                # The traceback holds this frame.
                del reply
        return self._splitting.merge(self, replies)

    def in_order_of_keys(self, replies: Sequence[Sequence[Any]]) -> list[Any]:
        """The elements of the parts' replies, each where its key is in the command."""
        if self.places is self._place_of_key:
            return [reply[0] for reply in replies]
        elements = {place: iter(reply) for place, reply in zip(self.places, replies, strict=True)}
        return [next(elements[place]) for place in self._place_of_key]

    def _fail(self, failure: Exception, replies: Sequence[Any]) -> None:
        splitting = self._splitting
        if not splitting.is_write:
            raise failure
        about = [
            [shown_key(bytes(part.client.encode(key))) for key in splitting.keys(part)]
            for part in self.parts
        ]
        raise_first(splitting.name, replies, about)


def _sum(split: Split[Any], replies: Sequence[Any]) -> Any:
    return sum(replies)


def _first(split: Split[Any], replies: Sequence[Any]) -> Any:
    return replies[0]


_SPLITTINGS: Final = {
    splitting.name: splitting
    for splitting in (
        Splitting("DEL", 1, True, _sum),
        Splitting("EXISTS", 1, False, _sum),
        Splitting("MGET", 1, False, Split.in_order_of_keys),
        Splitting("MSET", 2, True, _first),
        Splitting("TOUCH", 1, False, _sum),
        Splitting("UNLINK", 1, True, _sum),
    )
}


def splitting_of(spec: CommandSpec) -> Splitting | None:
    """How a command is split; ``None`` for one that cannot be."""
    return _SPLITTINGS.get(spec.name)


class Splitter:
    """The flows of commands that can be split.

    Args:
        encode: the client's ``encode``.
        may_split: which commands may be split.
        gather: sends the parts.
        whole: gives the flow, if any, of a command that has nothing to be split.
    """

    def __init__(
        self,
        encode: Callable[[Any], bytes],
        may_split: MaySplit,
        gather: Gather,
        whole: Callable[[Command], Flow | None],
    ) -> None:
        self._slots_of_keys = SlotsOfKeys(encode)
        self._encode = encode
        self._may_split = may_split
        self._gather = gather
        self._whole = whole

    def way_of(self, spec: CommandSpec) -> Callable[[Command], Flow | None] | None:
        """What gives the flows of a command that can be split; ``None`` for other commands.

        It is not for commands in a transaction or under WATCH, which are on one server. The reply
        is that of a single server. What may not be split is refused with a ``CrossSlotError``.
        """
        splitting = splitting_of(spec)
        return None if splitting is None else partial(self._send, splitting)

    def _send(self, splitting: Splitting, command: Command) -> Flow | None:
        try:
            slots = self._slots_of_keys(splitting.keys(command))
            if splitting.stride > 1:
                self._try_to_encode(command.args[2::2])
        except (RedisError, UnicodeError):
            # redis-py will refuse the command: no part of it may be sent before.
            return None
        if len(set(slots)) < 2:
            return self._whole(command)
        if not splitting.is_allowed(self._may_split):
            raise CrossSlotError(command.name, command.keys, not_split(self._may_split))
        return self._in_parts(splitting, command, slots)

    def _try_to_encode(self, values: Sequence[Any]) -> None:
        if set(map(type, values)) == {str}:
            values = ("".join(values),)
        for value in values:
            self._encode(value)

    def _in_parts(self, splitting: Splitting, command: Command, slots: list[int]) -> Flow:
        split = Split(splitting, command, slots)
        parts = split.parts
        for part, slot in zip(parts, split.places, strict=True):
            part.slot = slot
        replies = yield from self._gather(parts)
        servers = {part.target for part in parts}
        if None not in servers:
            # Else redis-py has sent them, to where it keeps to itself.
            note_split(command, len(servers))
        return split.merge(replies)
