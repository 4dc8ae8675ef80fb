"""The contract: whatever is done with a wrapped client has the outcome it has with a bare one.

A test of the contract is a coroutine that does something with the client of a :class:`Run` and
records what comes of it. ``@contract`` makes a test of it for every kind of client, which runs it
with a bare client, with one wrapped without plugins, with one wrapped with three plugins that want
everything, and with one wrapped with all the built-in plugins. All that was recorded, the keys
afterwards and the connections in use must be equal; and but for the built-in plugins, some of which
send commands of their own or save some of the application's, the commands that the servers got and
the connections that are idle.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import pytest
from tests.integration import awaiting
from tests.integration.built_in import with_built_in_plugins
from tests.integration.control import Control
from tests.integration.describing import described
from tests.integration.kinds import MAIN, Kind
from tests.integration.pass_through import three
from tests.integration.pools import connections_idle, connections_in_use
from tests.integration.servers import Servers

from redis_middleware import wrap

__all__ = ["Call", "Run", "call", "contract"]

_numbers = itertools.count(1)

Wraps = Callable[[Any], Any]


class Call(NamedTuple):
    """A call that is still to be made."""

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call(method: str, *args: Any, **kwargs: Any) -> Call:
    """A call of a method, of which older versions of redis-py may have none."""
    return Call(method, args, kwargs)


class Run:
    """One run of a scenario with one client.

    Attributes:
        client: the client, bare or wrapped.
        kind: what kind it is.
        servers: the run's servers.
        control: looks at the servers past the client.
        name: the name of the client's connections at the server.
        wraps: puts plugins around a client, or leaves it bare.
    """

    def __init__(self, kind: Kind, servers: Servers, wraps: Wraps) -> None:
        self.kind = kind
        self.servers = servers
        self.control: Control = kind.control(servers)
        self.name = f"run-{next(_numbers)}"
        self.wraps = wraps
        self.steps: list[Any] = []
        self._timers: list[threading.Timer] = []
        self.client: Any = None

    def make(self, **options: Any) -> Any:
        """A further client of the same kind, wrapped as the run says."""
        if not self.kind.is_fake:
            options.setdefault("client_name", self.name)
        return self.wraps(self.kind.make(self.servers, **options))

    def servers_client(self) -> Any:
        """A bare sync client of the same servers, for what happens beside the scenario."""
        if self.kind.is_cluster:
            return self.servers.cluster_client
        return self.control.nodes[0]

    async def record(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call something, take down its outcome, and give that: a reply or an exception."""
        try:
            outcome = await awaiting.settle(function(*args, **kwargs))
        except Exception as error:
            outcome = error
        name = getattr(function, "__name__", type(function).__name__)
        self.steps.append([name, [*map(_shown, args)], described(outcome)])
        return outcome

    async def record_each(self, target: Any, *calls: Call) -> None:
        """Call methods of a client, pipeline or the like one after the other; record each."""
        for method, args, kwargs in calls:
            if hasattr(target, method):
                await self.record(getattr(target, method), *args, **kwargs)

    def note(self, value: Any) -> None:
        """Take down a value."""
        self.steps.append(described(value))

    async def collect(self, iterable: Any, *, sort: bool = False) -> list[Any]:
        """Take down the elements of an iterable."""
        elements = await awaiting.collect(iterable)
        self.note(sorted(elements) if sort else elements)
        return elements

    def later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call something beside the scenario, after a while."""
        timer = threading.Timer(seconds, function)
        self._timers.append(timer)
        timer.start()

    async def pause(self, seconds: float) -> None:
        """Wait."""
        await awaiting.pause(seconds, is_async=self.kind.is_async)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition holds; give what it gave."""
        return await awaiting.until(condition, is_async=self.kind.is_async)

    async def close(self, client: Any) -> None:
        """Close a client of the run's kind."""
        await awaiting.settle(client.aclose() if self.kind.is_async else client.close())

    async def perform(
        self, scenario: Callable[[Run], Awaitable[None]], options: dict[str, Any], *, counts: bool
    ) -> dict[str, Any]:
        """Run the scenario; give all that came of it."""
        self.control.clear()
        self.client = self.make(**options)
        if self.kind.is_async and self.kind.is_cluster:
            # Else its transactions do that in a thread, on an event loop that ends there.
            await self.client.initialize()
        try:
            await scenario(self)
        finally:
            for timer in self._timers:
                timer.join()
            outcome: dict[str, Any] = {"steps": self.steps}
            if counts:
                outcome["commands"] = self.control.command_counts()
            outcome["keys"] = self.control.keyspace()
            outcome["connections in use"] = await self._connections_in_use()
            if not self.kind.is_cluster:
                # A cluster client sends commands without keys to nodes that it picks at random.
                outcome["connections idle"] = connections_idle(self.client)
            await self.close(self.client)
            if not self.kind.is_cluster:
                # The client leaves a pool open that it was given.
                await awaiting.settle(self.client.connection_pool.disconnect())
        self.control.wait_for_connections(self.name, 0)
        return outcome

    async def _connections_in_use(self) -> int:
        # What redis.asyncio's cluster sent to several nodes goes on after one has failed.
        for _ in range(100 if self.kind.is_async else 0):
            if connections_in_use(self.client) <= self.kind.is_single:
                break
            await self.pause(0.01)
        return connections_in_use(self.client)


def _assert_same(bare: dict[str, Any], wrapped: dict[str, Any], how: str) -> None:
    for step, (expected, found) in enumerate(zip(bare["steps"], wrapped["steps"], strict=False)):
        assert found == expected, f"step {step} wrapped {how}:\n{found}\nbare:\n{expected}"
    for aspect, expected in bare.items():
        found = wrapped[aspect]
        assert found == expected, f"{aspect} wrapped {how}:\n{found}\nbare:\n{expected}"


def _without_plugins_own(outcome: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """An outcome without what a plugin changes that sends or saves commands."""
    theirs = {"commands", "connections idle"}
    if kind.is_single:
        # It may be the plugin's command for which the client takes its only connection.
        theirs.add("connections in use")
    return {aspect: value for aspect, value in outcome.items() if aspect not in theirs}


def _shown(argument: Any) -> Any:
    return described(argument) if not callable(argument) else "<function>"


def contract(
    kinds: Iterable[Kind] | None = None, *, counts: bool = True, **options: Any
) -> Callable[[Callable[[Run], Awaitable[None]]], Callable[[Kind, Servers], None]]:
    """Make a test of a scenario, for each kind of client.

    Args:
        kinds: the kinds; by default those that differ in more than their transport.
        counts: whether the servers must get the same commands equally often; not so where a
            client polls.
        options: redis-py's, for the client.
    """

    def decorate(
        scenario: Callable[[Run], Awaitable[None]],
    ) -> Callable[[Kind, Servers], None]:
        def test(kind: Kind, servers: Servers) -> None:
            def outcome(wraps: Wraps) -> dict[str, Any]:
                run = Run(kind, servers, wraps)
                performed = run.perform(scenario, options, counts=counts)
                return awaiting.run(performed, is_async=kind.is_async)

            bare = outcome(lambda client: client)
            _assert_same(bare, outcome(lambda client: wrap(client, {})), "without plugins")
            plugins = three()
            passed_on = outcome(lambda client: wrap(client, {}, plugins=plugins))
            _assert_same(bare, passed_on, "with plugins")
            summaries = [plugin.summary() for plugin in plugins]
            assert summaries[1:] == summaries[:1] * 2
            if not kind.is_variant:
                built_in = outcome(with_built_in_plugins)
                compared = _without_plugins_own(bare, kind)
                _assert_same(compared, _without_plugins_own(built_in, kind), "with the built-ins")

        test.__name__ = scenario.__name__
        test.__doc__ = scenario.__doc__
        test.__module__ = scenario.__module__
        chosen = MAIN if kinds is None else list(kinds)
        # What redis-py deprecates has to go on working.
        tolerant = pytest.mark.filterwarnings("ignore::DeprecationWarning")(test)
        marked: Callable[[Kind, Servers], None] = pytest.mark.parametrize(
            "kind", chosen, ids=[str(kind) for kind in chosen]
        )(tolerant)
        return marked

    return decorate
