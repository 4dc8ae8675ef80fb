"""The server of a script: it plays what the test wrote down, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from redis_middleware.background import Stopped
from redis_middleware.command import Batch, Command, Message
from redis_middleware.redispy.view import Connection
from redis_middleware.testing.clock import FakeClock

__all__ = [
    "AsyncScriptedTransport",
    "Outcome",
    "ScriptError",
    "ScriptedServer",
    "ScriptedTransport",
    "described",
]


class ScriptError(BaseException):
    """The plugins did something that the script does not have, or the script is wrong.

    Like an interrupt it is no ``Exception``: a flow that handles failures would hide it.
    """


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that happens to a command.

    Attributes:
        value: the reply, or the exception that it fails with.
        takes: seconds until then.
        loses_round: whether everything sent together with the command fails with it.
    """

    value: Any
    takes: float
    loses_round: bool = False


class ScriptedServer:
    """Plays outcomes in the order of the script, and keeps what was sent."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.in_order: deque[Outcome] = deque()
        self.by_name: dict[str, deque[Outcome]] = {}
        self.answer: Callable[[Command], Any] | None = None
        self.connecting: deque[Exception] = deque()
        self.rounds: list[list[Command]] = []
        self.slept: list[float] = []
        self.delivered: list[Message] = []
        self.connections = 0
        self.sleeps_left: int | None = None

    def left(self) -> list[Outcome]:
        """The outcomes that nothing was sent for."""
        named = [outcome for outcomes in self.by_name.values() for outcome in outcomes]
        return [*self.in_order, *named]

    def outcome_of(self, command: Command) -> Outcome:
        """What happens to a command."""
        named = self.by_name.get(command.name)
        if named:
            return named.popleft()
        if self.in_order:
            return self.in_order.popleft()
        if self.answer is not None:
            return Outcome(_answered(self.answer, command), 0.0)
        before = [sent for round_ in self.rounds for sent in round_][:-1]
        raise ScriptError(
            f"{described(command)} was sent, and the script has no reply for it: add one with "
            f".replies(...), .replies_to({command.name!r}, ...) or .answers(function). Sent "
            f"before: {', '.join(map(described, before)) or 'nothing'}"
        )

    def round(self, commands: Sequence[Command]) -> list[Any]:
        """The outcomes of commands that are sent together, failures among them as exceptions.

        Raises:
            Exception: the connection is lost and the round fails as a whole.
            BaseException: an interrupt that the script has.
        """
        sent: list[Command] = []
        self.rounds.append(sent)
        longest = 0.0
        values = []
        for command in commands:
            sent.append(command)
            outcome = self.outcome_of(command)
            longest = max(longest, outcome.takes)
            is_interrupt = isinstance(outcome.value, BaseException) and not isinstance(
                outcome.value, Exception
            )
            if outcome.loses_round or is_interrupt:
                sent += commands[len(sent) :]
                self.clock.advance(longest)
                try:
                    raise outcome.value
                finally:
                    # A frame that its own error's traceback holds would keep everything alive.
                    del outcome
            values.append(outcome.value)
        self.clock.advance(longest)
        return values

    def connect(self, connection: Connection) -> Connection:
        """Make a connection, or fail as the script says."""
        self.connections += 1
        if self.connecting:
            raise self.connecting.popleft()
        connection.is_made = True
        return connection

    def deliver(self, message: Message) -> Any:
        """What redis-py makes of a message that no handler takes."""
        self.delivered.append(message)
        return {
            "type": message.type,
            "pattern": message.pattern,
            "channel": message.channel,
            "data": message.data,
        }

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if self.sleeps_left is not None:
            if not self.sleeps_left:
                raise Stopped
            self.sleeps_left -= 1
        self.slept.append(seconds)
        self.clock.advance(seconds)


def described(command: Command) -> str:
    """A command for a message of a test, values included."""
    return " ".join([str(command.args[0]), *map(repr, command.args[1:])])


async def _awaited(value: Any) -> Any:
    if not inspect.isawaitable(value):
        return value
    try:
        return await value
    except (RedisError, OSError) as error:
        return error


def _answered(answer: Callable[[Command], Any], command: Command) -> Any:
    try:
        return answer(command)
    except (RedisError, OSError) as error:
        return error
    except Exception as error:
        raise ScriptError(
            f"the function of .answers(...) raised {error!r} for {described(command)}: it returns "
            "the reply, or raises or returns what the command fails with"
        ) from error


class ScriptedTransport:
    """The way of the sync driver to the scripted server."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def send(self, item: Any) -> Any:
        """Send one item; give its reply or raise its failure."""
        if item.__class__ is Connection:
            return self._server.connect(item)
        if item.__class__ is Message:
            return self._server.deliver(item)
        if item.__class__ is Batch:
            return self.send_many(item.commands)
        return _reply(self._server.round([item])[0])

    def send_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; give their replies, failures among them as exceptions."""
        return self._server.round(commands)

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""
        self._server.sleep(seconds)


class AsyncScriptedTransport:
    """The way of the async driver; other tasks run before it answers."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    async def send(self, item: Any) -> Any:
        """Send one item; give its reply or raise its failure."""
        await asyncio.sleep(0)
        if item.__class__ is Connection:
            return self._server.connect(item)
        if item.__class__ is Message:
            return self._server.deliver(item)
        if item.__class__ is Batch:
            return await self.send_many(item.commands)
        return _reply((await self.send_many([item]))[0])

    async def send_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; give their replies, failures among them as exceptions."""
        await asyncio.sleep(0)
        values = self._server.round(commands)
        if any(map(inspect.isawaitable, values)):
            return list(await asyncio.gather(*map(_awaited, values)))
        return values

    async def sleep(self, seconds: float, /) -> None:
        """Let time pass."""
        await asyncio.sleep(0)
        self._server.sleep(seconds)


def _reply(value: Any) -> Any:
    if isinstance(value, Exception):
        try:
            raise value
        finally:
            del value
    return value
