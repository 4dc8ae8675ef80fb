"""A plugin that wants everything and changes nothing."""

from __future__ import annotations

from typing import Any

from redis_middleware import Batch, Command, Connection, Flow, Message, hookimpl

__all__ = ["PassThrough", "three"]


class PassThrough:
    """Passes on all that it is given, and keeps note of it.

    Attributes:
        name: the plugin's name.
        commands: the commands that came by.
        batches: the batches.
        connections: how many connections were made; they themselves would stay open while a
            plugin has them.
        messages: the messages.
        failures: the types of the failures that came by, of whatever it passed on; the exceptions
            themselves would keep the client.
    """

    def __init__(self, name: str = "pass_through") -> None:
        self.name = name
        self.commands: list[Command] = []
        self.batches: list[Batch] = []
        self.connections = 0
        self.messages: list[Message] = []
        self.failures: list[type[BaseException]] = []

    @property
    def names(self) -> list[str]:
        """The names of the commands that came by."""
        return [command.name for command in self.commands]

    def summary(self) -> dict[str, Any]:
        """What came by, in a form that can be compared with another plugin's."""
        return {
            "commands": [(command.name, command.place, command.keys) for command in self.commands],
            "batches": [[command.name for command in batch.commands] for batch in self.batches],
            "connections": self.connections,
            "messages": [(message.type, message.channel) for message in self.messages],
            "failures": list(self.failures),
        }

    def _passed(self, item: Any, seen: list[Any]) -> Flow:
        seen.append(item)
        try:
            return (yield item)
        except BaseException as failure:
            if not isinstance(failure, GeneratorExit):
                self.failures.append(type(failure))
            raise

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Around every command."""
        return (yield from self._passed(command, self.commands))

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Around every pipeline."""
        return (yield from self._passed(batch, self.batches))

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Around every connection."""
        self.connections += 1
        return (yield from self._passed(connection, []))

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Around every message."""
        return (yield from self._passed(message, self.messages))


def three() -> list[PassThrough]:
    """Three of them, outermost first."""
    return [PassThrough("outer"), PassThrough("middle"), PassThrough("inner")]
