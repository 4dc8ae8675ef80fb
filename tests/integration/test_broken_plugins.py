"""Plugins with bugs: an error that names them, and a pool that is clean afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration import awaiting
from tests.integration.at_places import Own, get_at, places
from tests.integration.control import Control
from tests.integration.each_kind import each_kind, numbered_commands_work, only_one, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.pass_through import PassThrough
from tests.integration.servers import Servers

from redis_middleware import (
    Batch,
    Command,
    Connection,
    Flow,
    Message,
    Place,
    PluginError,
    hookimpl,
    middleware_of,
    wrap,
)


def nonsense(command: Command) -> Flow:
    """Yields what nobody can send."""
    return (yield "nonsense")


def nonsense_after(command: Command) -> Flow:
    """Yields it after its command."""
    yield command
    return (yield {"non": "sense"})


def list_of_nonsense(command: Command) -> Flow:
    """Yields a list with something else than commands in it."""
    return (yield [command, "nonsense"])


def nothing(command: Command) -> Flow:
    """Returns nothing."""
    yield command


def nothing_at_once(command: Command) -> Flow:
    """Returns nothing, without having yielded."""
    return
    yield


def no_flow(command: Command) -> Any:
    """Is no generator."""
    return 42


def bug(command: Command) -> Flow:
    """Has a bug."""
    command.no_such_attribute  # noqa: B018
    yield command


def bug_after(command: Command) -> Flow:
    """Has a bug after its command."""
    reply = yield command
    return {}[reply]


BROKEN = [
    nonsense,
    nonsense_after,
    list_of_nonsense,
    nothing,
    nothing_at_once,
    no_flow,
    bug,
    bug_after,
]
CAUSES: dict[Callable[..., Any], type] = {bug: AttributeError, bug_after: KeyError}


class Direct(Own):
    """Hands over to a function that need not be a generator function."""

    @hookimpl
    def redis_command(self, command: Command) -> Any:
        """Give what the function gives."""
        return self._flow(command)


@each_kind()
async def test_named(kind: Kind, servers: Servers) -> None:
    """The error names plugin, hook and command, is chained to the bug, and quotes no values."""
    for broken in BROKEN:
        around = PassThrough()
        async with wrapped(kind, servers, [around, Direct(broken)], **only_one(kind)) as client:
            for place in places(kind):
                await awaiting.settle(client.set("{k}1", "secret"))
                with pytest.raises(PluginError) as caught:
                    await _raised(place, client)
                error = caught.value
                assert (error.plugin, error.hook, error.subject) == ("own", "redis_command", "GET")
                assert "secret" not in str(error) or broken is bug_after
                if broken in CAUSES:
                    assert isinstance(error.__cause__, CAUSES[broken])
            assert PluginError in around.failures
            for number in range(10):
                await awaiting.settle(client.set("{k}2", number))
                reply = await awaiting.settle(client.set("{k}2", number, get=True))
                assert int(reply) == number


async def _raised(place: Place, client: Any) -> None:
    reply = await get_at(place, client, "{k}1")
    if isinstance(reply, Exception):
        raise reply


@each_kind()
async def test_refuses_the_pipeline(kind: Kind, servers: Servers) -> None:
    """A bug before the first send lets nothing of a pipeline be sent, whatever its other flows."""
    control = kind.control(servers)
    for broken in (nonsense, nothing_at_once, no_flow, bug, list_of_nonsense):
        async with wrapped(kind, servers, [Direct(broken)], **only_one(kind)) as client:
            for place in places(kind):
                with pytest.raises(PluginError):
                    await get_at(place, client, "{k}1")
            counts = control.command_counts()
            assert "set" not in counts
            assert "get" not in counts


@each_kind([kind for kind in WRITING if kind.has_transactions])
async def test_second_send_in_a_transaction(kind: Kind, servers: Servers) -> None:
    """A command after the transaction was sent: the error says what to look at."""

    def again(command: Command) -> Flow:
        yield command
        return (yield command)

    def again_in_list(command: Command) -> Flow:
        yield [command]
        return (yield [command])

    for flow in (again, again_in_list):
        async with wrapped(kind, servers, [Own(flow)], **only_one(kind)) as client:
            for raise_on_error in (True, False):
                pipe = client.pipeline(transaction=True)
                pipe.get("{k}1")
                with pytest.raises(PluginError, match=r"own.*redis_command.*GET.*command.place"):
                    await awaiting.settle(pipe.execute(raise_on_error=raise_on_error))
            reply = await get_at(Place.SINGLE, client, "{k}1")
            assert reply in (None, [None])


@each_kind()
async def test_observers(kind: Kind, servers: Servers) -> None:
    """Bugs of a plugin that only observes are counted, and nobody else hears of them."""
    for broken in BROKEN:
        observer = Direct(broken)
        observer.observes = True  # type: ignore[attr-defined]
        async with wrapped(kind, servers, [observer], **only_one(kind)) as client:
            await awaiting.settle(client.set("{k}1", 5))
            for place in places(kind):
                assert int(await get_at(place, client, "{k}1")) == 5
            if broken is not nothing:
                assert middleware_of(client).bugs["own"].total() == len(places(kind))


class BrokenBatch:
    """Is broken around batches."""

    name = "broken_batch"

    def __init__(self, result: Any) -> None:
        self._result = result

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Return something that is no list of replies."""
        yield batch
        return self._result


@each_kind()
async def test_batches(kind: Kind, servers: Servers) -> None:
    """A wrong number of replies, none at all, or something else of a whole batch."""
    for result in (None, [], "nonsense", [1, 2, 3]):
        async with wrapped(kind, servers, [BrokenBatch(result)], **only_one(kind)) as client:
            for transaction in (False, True) if kind.has_transactions else (False,):
                pipe = client.pipeline(transaction=transaction)
                pipe.set("{k}1", 1).get("{k}1")
                with pytest.raises(PluginError, match=r"broken_batch.*redis_batch"):
                    await awaiting.settle(pipe.execute(raise_on_error=False))
            await numbered_commands_work(client, 10)


class BrokenMessages:
    """Is broken around messages."""

    name = "broken_messages"

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Have a bug, at times."""
        if b"bug" in message.client.encode(message.data):
            raise KeyError("bug")
        return (yield message)


@each_kind([kind for kind in WRITING if kind.has("pubsub")])
async def test_messages(kind: Kind, servers: Servers) -> None:
    """A bug around a message is raised where the message is taken; the next one arrives."""
    async with (
        wrapped(kind, servers, [BrokenMessages()]) as client,
        awaiting.entered(client.pubsub(ignore_subscribe_messages=True)) as pubsub,
    ):
        await awaiting.settle(pubsub.subscribe("{c}one"))
        await awaiting.settle(client.publish("{c}one", "bug"))
        await awaiting.settle(client.publish("{c}one", "plain"))

        async def poll() -> Any:
            return await awaiting.settle(pubsub.get_message(timeout=0.05))

        with pytest.raises(PluginError, match=r"broken_messages.*redis_message"):
            await awaiting.until(poll, is_async=kind.is_async)
        message = await awaiting.until(poll, is_async=kind.is_async)
        assert message["data"] in ("plain", b"plain")


class BrokenConnections:
    """Is broken around connections: before they are made, or after."""

    name = "broken_connections"

    def __init__(self, when: str) -> None:
        self.when = when

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Have a bug."""
        if self.when == "before":
            raise KeyError("bug")
        yield connection
        if self.when == "after":
            raise KeyError("bug")
        if self.when == "nothing":
            return None
        if self.when == "nonsense":
            yield "nonsense"
        return connection


def _at_most(control: Control, name: str, count: int) -> bool:
    return control.connections(name) <= count


@each_kind(
    kind for kind in WRITING if not kind.is_single and not kind.is_fake and kind.keeps_connections
)
async def test_connections(kind: Kind, servers: Servers) -> None:
    """A bug around the making of connections is raised, and leaves none of them open."""
    control = kind.control(servers)
    name = f"broken-{kind}".replace(" ", "-")
    for when in ("before", "after", "nothing", "nonsense"):
        plugin = BrokenConnections(when)
        client = kind.make(servers, client_name=name, **only_one(kind))
        if kind.is_async and kind.is_cluster:
            await client.initialize()
        before = control.connections(name)
        wrap(client, {}, plugins=[plugin])
        for number in range(3):
            with pytest.raises(PluginError, match=r"broken_connections.*redis_connect"):
                await numbered_commands_work(client, 5 * number + 5)
        await awaiting.until(
            functools.partial(_at_most, control, name, before), is_async=kind.is_async
        )
        plugin.when = "never"
        await numbered_commands_work(client, 20)
        await awaiting.settle(client.aclose() if kind.is_async else client.close())
        control.wait_for_connections(name, 0)
