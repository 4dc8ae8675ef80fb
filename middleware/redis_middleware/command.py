"""What travels through the pipeline: commands, batches of commands, and messages.

All of them are to be treated as immutable: ``replace`` makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from redis_middleware.commands.keys import KeyUse, find_keys
from redis_middleware.commands.slots import key_slot
from redis_middleware.commands.specs import CommandSpec, is_container, spec_of

if TYPE_CHECKING:
    from redis_middleware.redispy.view import ClientView

__all__ = ["Batch", "Command", "Message", "Place", "Queued", "spec_for"]

Queued = Sequence[tuple[tuple[Any, ...], dict[str, Any]]]
"""Queued commands: each one's arguments, its name first, and redis-py's options."""


class Place(Enum):
    """Where a command runs."""

    SINGLE = "single"
    """By itself: sent at once, its reply awaited."""
    PIPELINE = "pipeline"
    """Queued in a pipeline that is not a transaction."""
    TRANSACTION = "transaction"
    """Queued between MULTI and EXEC: it can be sent once only."""
    WATCH = "watch"
    """Sent at once on the connection that a pipeline holds while it watches keys."""


def spec_for(args: Sequence[Any]) -> CommandSpec:
    """The specification of the command that these arguments, as redis-py takes them, invoke.

    The first argument is the command's name (str or bytes, any case). A command with subcommands
    may come as one argument, ``"CONFIG GET"``, or as two.
    """
    name = _text(args[0]).upper()
    if " " not in name and len(args) > 1 and is_container(name):
        spec = spec_of(f"{name} {_text(args[1]).upper()}")
        if spec.known:
            return spec
    return spec_of(name)


def _text(word: Any) -> str:
    if isinstance(word, str):
        return word
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word).decode("utf-8", "backslashreplace")
    return str(word)


class Command:
    """One command on its way to the server.

    Attributes:
        args: the arguments exactly as redis-py gave them, the command's name first, in one element
            (``"CONFIG GET"``) or two.
        options: redis-py's own options for the command, such as ``keys`` or ``NEVER_DECODE``.
        spec: the command's specification.
        client: facts of the client that runs it.
        place: where it runs: by itself, in a pipeline, in a transaction or under WATCH.
        position: its index in the application's pipeline, from 0; ``None`` outside of one.
        target: where it should go: ``None`` for where the client sends it of its own accord, a
            node of a cluster client, a server (of ``ClientView.servers``), or another client of
            the same kind (sync or async). A flow may set it on the command it was given before it
            yields it.
        wire: ``args`` with the words of the name split, as they go over the wire.
        key_uses: position (in ``wire``) and kind of access of each key, in order.
        keys: the keys as bytes on the wire, in order.
        slot: the hash slot (0 to 16,383) of all its keys; ``None`` where it has no keys or they
            are of several slots.
        notes: a dictionary in which plugins leave notes for each other; it stays with the command
            through ``replace``.
    """

    __slots__ = (
        "_notes",
        "args",
        "client",
        "key_uses",
        "keys",
        "options",
        "place",
        "position",
        "slot",
        "spec",
        "target",
        "wire",
    )

    args: tuple[Any, ...]
    options: dict[str, Any]
    spec: CommandSpec
    client: ClientView
    place: Place
    position: int | None
    target: Any
    wire: tuple[Any, ...]
    key_uses: tuple[KeyUse, ...]
    keys: tuple[bytes, ...]
    slot: int | None
    _notes: dict[str, Any] | None

    def __init__(
        self,
        args: tuple[Any, ...],
        options: dict[str, Any],
        spec: CommandSpec | None,
        client: ClientView,
        place: Place = Place.SINGLE,
        position: int | None = None,
    ) -> None:
        self.args = args
        self.options = options
        if spec is not None:
            self.spec = spec
        self.client = client
        self.place = place
        self.position = position
        self.target = None
        self._notes = None

    def __getattr__(self, name: str) -> Any:
        # A slot that was never set ends here: what few plugins ask for is computed on first use.
        value: Any
        if name == "keys":
            wire = self.wire
            encode = self.client.encode
            # redis-py leaves a memoryview or bytearray as it is.
            value = tuple([bytes(encode(wire[use.position])) for use in self.key_uses])
        elif name == "key_uses":
            value = find_keys(self.spec, self.wire)
        elif name == "wire":
            value = self._split_name()
        elif name == "slot":
            slots = {key_slot(key) for key in self.keys}
            value = slots.pop() if len(slots) == 1 else None
        elif name == "spec":
            value = spec_for(self.args)
        else:
            raise AttributeError(f"'Command' object has no attribute {name!r}")
        setattr(self, name, value)
        return value

    def _split_name(self) -> tuple[Any, ...]:
        words = _text(self.args[0]).split()
        return self.args if len(words) == 1 else (*words, *self.args[1:])

    @property
    def name(self) -> str:
        """The command's name in upper case, two words where it is a subcommand."""
        return self.spec.name

    @property
    def notes(self) -> dict[str, Any]:
        """Where plugins leave notes for each other; see :mod:`redis_middleware.notes`."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    @property
    def has_notes(self) -> bool:
        """Whether any plugin left a note: asking ``notes`` would make a dictionary each time."""
        return bool(self._notes)

    def replace(
        self,
        args: tuple[Any, ...] | None = None,
        options: Mapping[str, Any] | None = None,
        target: Any = None,
    ) -> Command:
        """Another command in this one's place, with the same notes.

        Args:
            args: the new arguments, the command's name first; its options are then empty unless
                they are given too.
            options: redis-py's options.
            target: where it should go; without it, where this command goes.
        """
        if args is None:
            other = Command(
                self.args,
                dict(self.options if options is None else options),
                self.spec,
                self.client,
                self.place,
                self.position,
            )
        else:
            other = Command(
                args, dict(options or {}), spec_for(args), self.client, self.place, self.position
            )
        other.target = self.target if target is None else target
        other._notes = self.notes
        return other

    def __repr__(self) -> str:
        # Values stay out of logs and error messages: name and number of arguments only.
        return f"<Command {self.spec.name} with {len(self.args) - 1} arguments>"


class Batch:
    """A whole pipeline or transaction of the application's, about to be executed.

    Attributes:
        place: ``Place.PIPELINE`` or ``Place.TRANSACTION``.
        client: facts of the client that runs it.
        target: the server (of ``ClientView.servers``) that a transaction goes to; ``None`` for
            where the client sends it of its own accord, as a cluster client always does: another
            target is refused. Commands of a pipeline have targets of their own.
        is_watching: whether it is a transaction whose pipeline watches keys: it has to go by the
            connection that does.
        notes: a dictionary in which plugins leave notes for each other.
    """

    __slots__ = (
        "_commands",
        "_queued",
        "_shapes",
        "client",
        "is_watching",
        "notes",
        "place",
        "target",
    )

    def __init__(
        self,
        commands: tuple[Command, ...],
        place: Place,
        client: ClientView,
        notes: dict[str, Any] | None = None,
    ) -> None:
        self._commands: tuple[Command, ...] | None = commands
        self._queued: Queued = ()
        self._shapes: frozenset[tuple[Any, int]] | None = None
        self.place = place
        self.client = client
        self.target: Any = None
        self.is_watching = False
        self.notes: dict[str, Any] = {} if notes is None else notes

    @classmethod
    def of_queued(
        cls, queued: Queued, shapes: frozenset[tuple[Any, int]], place: Place, client: ClientView
    ) -> Batch:
        """A batch whose commands are made only if somebody asks for them.

        Making them is most of what a plugin costs that looks at batches and not at commands.

        Args:
            queued: each command's arguments and redis-py's options.
            shapes: the first argument of each, and how many arguments it has.
            place: ``Place.PIPELINE`` or ``Place.TRANSACTION``.
            client: facts of the client that runs it.
        """
        batch = cls((), place, client)
        batch._commands = None
        batch._queued = queued
        batch._shapes = shapes
        return batch

    @property
    def commands(self) -> tuple[Command, ...]:
        """Its commands, in order."""
        if self._commands is None:
            place, client = self.place, self.client
            self._commands = tuple(
                [
                    Command(args, options, None, client, place, position)
                    for position, (args, options) in enumerate(self._queued)
                ]
            )
        return self._commands

    @property
    def arguments(self) -> list[tuple[Any, ...]]:
        """The arguments of each command, its name first; cheaper to ask for than ``commands``."""
        if self._commands is None:
            return [args for args, _ in self._queued]
        return [command.args for command in self._commands]

    @property
    def shapes(self) -> frozenset[tuple[Any, int]]:
        """The different pairs, among its commands, of first argument and number of arguments.

        The first argument is the command's name as it was given; it counts among the arguments.
        """
        if self._shapes is None:
            self._shapes = frozenset([(args[0], len(args)) for args in self.arguments])
        return self._shapes

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has asked for the commands, so that they have no notes either."""
        return self._commands is None

    def __len__(self) -> int:
        return len(self._queued if self._commands is None else self._commands)

    def replace(self, commands: Sequence[Command]) -> Batch:
        """The same batch with other commands."""
        other = Batch(tuple(commands), self.place, self.client, self.notes)
        other.target = self.target
        other.is_watching = self.is_watching
        return other

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} commands, {self.place.value}>"


class Message:
    """A message that a subscription received.

    Attributes:
        type: ``"message"``, ``"pmessage"`` or ``"smessage"``.
        pattern: the pattern that matched, of a ``pmessage``; else ``None``.
        channel: the channel, decoded or not as the client's settings say.
        data: the payload, decoded or not as the client's settings say.
        client: facts of the client that subscribed.
        notes: a dictionary in which plugins leave notes for each other.
    """

    __slots__ = ("channel", "client", "data", "notes", "pattern", "type")

    def __init__(
        self,
        type: str,
        pattern: bytes | str | None,
        channel: bytes | str,
        data: Any,
        client: ClientView,
        notes: dict[str, Any] | None = None,
    ) -> None:
        self.type = type
        self.pattern = pattern
        self.channel = channel
        self.data = data
        self.client = client
        self.notes: dict[str, Any] = {} if notes is None else notes

    def replace(self, data: Any) -> Message:
        """The same message with another payload."""
        return Message(self.type, self.pattern, self.channel, data, self.client, self.notes)

    def __repr__(self) -> str:
        return f"<Message {self.type} on {self.channel!r}>"
