"""Running plugins against what a test wrote down."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from redis_middleware.background import Stopped, background_chain
from redis_middleware.chains import Chain
from redis_middleware.command import Batch, Command, Message, Place
from redis_middleware.drivers import run, run_async, run_steps, run_steps_async
from redis_middleware.flow import Flow
from redis_middleware.handle import Middleware
from redis_middleware.lockstep import Lockstep
from redis_middleware.redispy.connections import check_made
from redis_middleware.redispy.view import ClientView, Connection
from redis_middleware.settings import load_settings
from redis_middleware.testing.clock import FakeClock
from redis_middleware.testing.server import (
    AsyncScriptedTransport,
    Outcome,
    ScriptedServer,
    ScriptedTransport,
    described,
)
from redis_middleware.testing.stand_ins import client_view, command, connection

__all__ = ["Script"]


class _Handle(Middleware):
    """The handle that the plugins get: background work waits until the test runs it."""

    def __init__(
        self, client: ClientView, settings: Mapping[str, Any], plugins: Sequence[object]
    ) -> None:
        self.work: dict[str, Callable[[], Flow]] = {}
        super().__init__(client, load_settings(settings, environ={}), plugins)

    def run_in_background(
        self,
        function: Callable[[], Flow],
        name: str | None = None,
        *,
        plugin: object | None = None,
    ) -> None:
        self.work[name or str(getattr(function, "__name__", "flow"))] = function


class Script:
    """Plugins, and a server that plays what the test says.

    The plugins run exactly as on a real client, with its order, ``wants``, rounds of pipelines and
    errors. ``redis_attach`` is called here and ``redis_detach`` by ``close()``, or at the end of a
    ``with`` block.

    Args:
        plugins: names, classes or objects, outermost first, as for ``wrap(plugins=...)``.
        settings: settings as a mapping of the file's shape, for plugins given by name or class.
            The environment has no part in them.
        clock: what ``Sleep`` and replies that take time move; a new one by default.
        client: facts of the client, from :func:`~redis_middleware.testing.client_view`.

    Attributes:
        clock: the clock.
        client: facts of the client, as the plugins see them.
        middleware: the handle, as ``middleware_of(client)`` would give it.
    """

    def __init__(
        self,
        *plugins: str | type | object,
        settings: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
        client: ClientView | None = None,
    ) -> None:
        self.clock = FakeClock() if clock is None else clock
        self.client = client_view() if client is None else client
        self._server = ScriptedServer(self.clock)
        self._transport = ScriptedTransport(self._server)
        self._async_transport = AsyncScriptedTransport(self._server)
        self._handle = _Handle(self.client, settings or {}, plugins)
        self.middleware: Middleware = self._handle

    # What the server does

    def replies(self, *outcomes: Any, takes: float = 0.0) -> Self:
        """Add what the next commands get, one after the other.

        Args:
            outcomes: replies, as Python values like redis-py gives them; an exception is the
                failure of its command. An interrupt, such as ``KeyboardInterrupt()``, is raised
                while the command is under way.
            takes: seconds that pass for each of them; commands sent together pass them together.

        Returns:
            The script.
        """
        self._server.in_order.extend(_outcomes(outcomes, takes))
        return self

    def replies_to(self, name: str, *outcomes: Any, takes: float = 0.0) -> Self:
        """Add what the next commands of one name get; this goes before ``replies``.

        Args:
            name: the command's name, such as ``"GET"`` or ``"CONFIG GET"``.
            outcomes: as for ``replies``.
            takes: as for ``replies``.
        """
        queue = self._server.by_name.setdefault(command(name).name, deque())
        queue.extend(_outcomes(outcomes, takes))
        return self

    def loses(self, error: Exception, *, takes: float = 0.0) -> Self:
        """Add a failure of a whole round, such as a lost connection.

        All commands that are sent together with the one that meets it fail with the same error.
        """
        self._server.in_order.append(Outcome(error, takes, loses_round=True))
        return self

    def answers(self, function: Callable[[Command], Any]) -> Self:
        """Let a function answer every command that nothing else is written down for.

        Args:
            function: called with the command; returns its reply, or raises or returns what it
                fails with. For the async driver it may be an ``async def``.
        """
        self._server.answer = function
        return self

    def fails_to_connect(self, *errors: Exception) -> Self:
        """Let the next attempts of ``connect`` fail; those after them succeed."""
        self._server.connecting.extend(errors)
        return self

    # What the application does

    def run(self, *args: Any, **options: Any) -> Any:
        """Take one command through the plugins, with the driver of sync clients.

        Args:
            args: the arguments as for ``client.execute_command``, or one ``Command``.
            options: redis-py's options.

        Returns:
            What the application would get.

        Raises:
            Exception: what the application would get.
            ScriptError: something was sent that the script has no reply for.
        """
        made = self._command(args, options)
        chain = self.middleware.chains.of(made.args)
        if chain is None:
            return self._transport.send(made)
        return self._run(chain, made)

    async def run_async(self, *args: Any, **options: Any) -> Any:
        """Take one command through the plugins, with the driver of async clients."""
        made = self._command(args, options)
        chain = self.middleware.chains.of(made.args)
        if chain is None:
            return await self._async_transport.send(made)
        return await self._run_async(chain, made)

    def pipeline(self, *commands: Sequence[Any] | Command) -> list[Any]:
        """Execute a pipeline of commands, each a tuple of arguments or a ``Command``.

        Returns:
            The replies, failures among them as exceptions (``raise_on_error=False``).

        Raises:
            Exception: what stops a pipeline as a whole: a refusal, a lost connection, a bug.
        """
        replies: list[Any] = run_steps(self._steps(commands, Place.PIPELINE), self._transport)
        return replies

    async def pipeline_async(self, *commands: Sequence[Any] | Command) -> list[Any]:
        """Execute a pipeline with the driver of async clients."""
        steps = self._steps(commands, Place.PIPELINE)
        replies: list[Any] = await run_steps_async(steps, self._async_transport)
        return replies

    def transaction(self, *commands: Sequence[Any] | Command) -> list[Any]:
        """Execute a transaction: as ``pipeline``, in one round between MULTI and EXEC."""
        replies: list[Any] = run_steps(self._steps(commands, Place.TRANSACTION), self._transport)
        return replies

    async def transaction_async(self, *commands: Sequence[Any] | Command) -> list[Any]:
        """Execute a transaction with the driver of async clients."""
        steps = self._steps(commands, Place.TRANSACTION)
        replies: list[Any] = await run_steps_async(steps, self._async_transport)
        return replies

    def deliver(
        self, channel: bytes | str, data: Any, *, pattern: bytes | str | None = None
    ) -> Any:
        """Take a published message through the ``redis_message`` flows.

        Args:
            channel: the channel.
            data: the payload.
            pattern: the pattern that matched, for a ``pmessage``.

        Returns:
            What the application would get: redis-py's dictionary, or ``None`` for a message that
            was dropped.
        """
        message = self._message(channel, data, pattern)
        chain = self.middleware.pipeline.message
        return self._transport.send(message) if chain is None else self._run(chain, message)

    async def deliver_async(
        self, channel: bytes | str, data: Any, *, pattern: bytes | str | None = None
    ) -> Any:
        """Take a published message through the flows with the driver of async clients."""
        message = self._message(channel, data, pattern)
        chain = self.middleware.pipeline.message
        if chain is None:
            return await self._async_transport.send(message)
        return await self._run_async(chain, message)

    def connect(self) -> Connection:
        """Make a connection, with the ``redis_connect`` flows around it.

        Commands that the flows send on it are in ``sent``, and get their replies from the script.
        """
        made = connection(self.client)
        chain = self.middleware.pipeline.connect
        if chain is None:
            self._transport.send(made)
        else:
            self._run(chain, made)
            check_made(made, chain)
        return made

    async def connect_async(self) -> Connection:
        """Make a connection with the driver of async clients."""
        made = connection(self.client)
        chain = self.middleware.pipeline.connect
        if chain is None:
            await self._async_transport.send(made)
        else:
            await self._run_async(chain, made)
            check_made(made, chain)
        return made

    def run_in_background(self, name: str | None = None, *, sleeps: int = 0) -> None:
        """Run background work that a plugin asked for, here and now.

        Args:
            name: its name; not needed where there is only one.
            sleeps: how many times it may ``Sleep``; at the next it is ended, as ``close()`` on a
                client ends it.

        Raises:
            LookupError: no work of that name was asked for.
            Exception: what left the flow.
        """
        work = self._handle.work
        if name is None and len(work) == 1:
            name = next(iter(work))
        if name not in work:
            raise LookupError(
                f"no background work {name!r}: the plugins asked for {', '.join(work) or 'none'}"
            )
        self._server.sleeps_left = sleeps
        try:
            self._run(background_chain("background", name, work[name]), None)
        except Stopped:
            pass
        finally:
            self._server.sleeps_left = None

    def close(self) -> None:
        """Take the plugins out, as ``unwrap`` does: ``redis_detach`` is called."""
        self.middleware.shut_down()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What happened

    @property
    def sent(self) -> list[tuple[Any, ...]]:
        """The arguments of every command that was sent, in order."""
        return [sent.args for sent in self.commands]

    @property
    def rounds(self) -> list[list[tuple[Any, ...]]]:
        """The arguments of what was sent, round trip by round trip."""
        return [[sent.args for sent in round_] for round_ in self._server.rounds]

    @property
    def commands(self) -> list[Command]:
        """Every command that was sent, in order; for its options, target and notes."""
        return [sent for round_ in self._server.rounds for sent in round_]

    @property
    def slept(self) -> list[float]:
        """The seconds of every ``Sleep``; one entry for flows that slept together."""
        return list(self._server.slept)

    @property
    def delivered(self) -> list[Message]:
        """The messages that reached redis-py, as the flows left them."""
        return list(self._server.delivered)

    @property
    def connections(self) -> int:
        """How many times a connection was tried."""
        return self._server.connections

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins by name, outermost first."""
        return self.middleware.plugins

    @property
    def bugs(self) -> dict[str, Counter[str]]:
        """The bugs of plugins that only observe, by plugin and type of exception."""
        return {name: bugs for name, bugs in self.middleware.bugs.items() if bugs}

    @property
    def work(self) -> list[str]:
        """The names of the background work that the plugins asked for."""
        return list(self._handle.work)

    def assert_sent(self, *expected: Sequence[Any]) -> None:
        """Check what was sent, all of it and in order.

        Raises:
            AssertionError: it shows what was expected and what was sent.
        """
        actual = self.sent
        if actual != [tuple(args) for args in expected]:
            wanted = [command(*args) for args in expected]
            raise AssertionError(
                f"expected to be sent:\n{_listed(wanted)}\nwas sent:\n{_listed(self.commands)}"
            )

    def assert_done(self) -> None:
        """Check that everything in the script happened.

        Raises:
            AssertionError: it shows the replies that nothing was sent for.
        """
        left = [outcome.value for outcome in self._server.left()] + list(self._server.connecting)
        if left:
            raise AssertionError(
                f"the script has {len(left)} more than happened: {', '.join(map(repr, left))}\n"
                f"was sent:\n{_listed(self.commands)}"
            )

    def _command(self, args: tuple[Any, ...], options: dict[str, Any]) -> Command:
        if len(args) == 1 and isinstance(args[0], Command):
            return args[0]
        return command(*args, client=self.client, **options)

    def _message(self, channel: bytes | str, data: Any, pattern: bytes | str | None) -> Message:
        kind = "message" if pattern is None else "pmessage"
        return Message(kind, pattern, channel, data, self.client)

    def _steps(self, commands: Sequence[Sequence[Any] | Command], place: Place) -> Any:
        made = [
            given
            if isinstance(given, Command)
            else command(*given, client=self.client, place=place, position=position)
            for position, given in enumerate(commands)
        ]
        pipeline = self.middleware.pipeline
        batch = Batch(tuple(made), place, self.client)
        return Lockstep.of_batch(
            batch, pipeline.batch, pipeline.queued_chains, self.middleware.once
        ).steps()

    def _run(self, chain: Chain, item: Any) -> Any:
        return run(chain, item, self._transport, self.middleware.once)

    async def _run_async(self, chain: Chain, item: Any) -> Any:
        return await run_async(chain, item, self._async_transport, self.middleware.once)


def _outcomes(values: Sequence[Any], takes: float) -> list[Outcome]:
    for value in values:
        if isinstance(value, type) and issubclass(value, BaseException):
            raise TypeError(f"{value.__name__} is a class: give an instance, {value.__name__}()")
    return [Outcome(value, takes) for value in values]


def _listed(commands: Sequence[Command]) -> str:
    return "\n".join(f"  {described(sent)}" for sent in commands) or "  nothing"
