"""Where other plugins sent a command, and what they noted, as the span and the metrics show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware import Batch, Command, Flow, Middleware, hookimpl, wrap
from redis_middleware.embedded import Server, standalone
from redis_middleware.notes import note_redirection, note_retry, note_split
from redis_middleware_plugins.otel import OtelSettings


@pytest.fixture(scope="module")
def other_server() -> Iterator[Server]:
    """Return a second server."""
    with standalone() as server:
        yield server


class _Routing:
    """Sends commands to another server, by one of the two ways there are."""

    name = "routing"

    def __init__(self, server: Server, way: str) -> None:
        self._url = f"redis://127.0.0.1:{server.port}"
        self._way = way

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Know the other server."""
        self._servers = middleware.client.servers(self._url)
        self._target = self._servers.at()

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Send it there."""
        if self._way == "in place":
            command.target = self._target
            return None
        note_redirection(command, "MOVED", str(self._target.address))
        return self._elsewhere(command)

    def _elsewhere(self, command: Command) -> Flow:
        return (yield command.replace(target=self._target))


@pytest.mark.parametrize("way", ["in place", "another command"])
def test_the_server_it_went_to(
    recorded: Recorded, client_with: MakeClient, other_server: Server, way: str
) -> None:
    """Span and metric name the server that answered, not the one the client is configured for."""
    client = client_with(recorded.plugin(), _Routing(other_server, way), host="localhost")
    client.set("key", "value")
    client.set("key", "value")

    for span in recorded.spans("SET"):
        assert span.attributes["server.address"] == "127.0.0.1"
        assert span.attributes["server.port"] == other_server.port
        assert span.attributes["network.peer.port"] == other_server.port
    (point,) = recorded.points("db.client.operation.duration")
    assert point.count == 2
    assert point.attributes["server.port"] == other_server.port
    assert point.attributes["db.operation.name"] == "SET"
    if way == "in place":
        assert span.attributes["redis_middleware.slot"] == 12539
    else:
        assert span.attributes["redis_middleware.redirections.moved"] == 1
        assert span.attributes["redis_middleware.node"] == f"127.0.0.1:{other_server.port}"


def test_attributes_of_the_application_stay(
    recorded: Recorded, client_with: MakeClient, other_server: Server
) -> None:
    """What a hook or a processor added is still there when the server turns out another."""
    plugin = recorded.plugin(
        OtelSettings(query="keys"),
        request_hook=lambda span, command: span.set_attribute("tenant", 7),
    )
    client_with(plugin, _Routing(other_server, "in place")).get("key")

    span = recorded.span("GET")
    assert span.attributes["tenant"] == 7
    assert span.attributes["db.query.text"] == "GET key"
    assert span.attributes["server.port"] == other_server.port


async def test_the_server_an_async_command_went_to(
    recorded: Recorded, clean_standalone: Server, other_server: Server
) -> None:
    """The same for redis.asyncio."""
    client: Any = redis.asyncio.Redis(port=clean_standalone.port)
    wrap(client, {}, plugins=[recorded.plugin(), _Routing(other_server, "in place")])
    await client.set("key", "value")
    await client.aclose()

    assert recorded.span("SET").attributes["server.port"] == other_server.port


def test_the_only_server_of_a_pipeline(
    recorded: Recorded, client_with: MakeClient, other_server: Server
) -> None:
    """A pipeline all of whose commands were sent to one server names it."""
    client = client_with(recorded.plugin(), _Routing(other_server, "in place"))
    client.pipeline(transaction=False).set("one", 1).get("two").execute()

    span = recorded.span("PIPELINE")
    assert span.attributes["server.port"] == other_server.port
    (point,) = recorded.points("db.client.operation.duration")
    assert point.attributes["server.port"] == other_server.port


def test_failures_elsewhere(
    recorded: Recorded, client_with: MakeClient, other_server: Server
) -> None:
    """A command that failed there is counted there."""
    client = client_with(recorded.plugin(), _Routing(other_server, "in place"))
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")

    (point,) = recorded.points("db.client.operation.duration")
    assert point.attributes["server.port"] == other_server.port
    assert point.attributes["error.type"] == "ERR"


class _Splitting:
    """Notes a split and retries, on commands and on batches."""

    name = "splitting"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Note it."""
        note_split(command, 3)
        note_retry(command)
        note_redirection(command, "ASK", "[::1]:7000")
        return (yield command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Note it."""
        note_split(batch, 5)
        return (yield batch)


def test_splits_retries_and_redirections(recorded: Recorded, client_with: MakeClient) -> None:
    """Over how many nodes it was split, how often it was redirected, by ASK or MOVED, and sent."""
    client = client_with(recorded.plugin(), _Splitting())
    client.mget("one", "two")

    attributes = recorded.span("MGET").attributes
    assert attributes["redis_middleware.nodes"] == 3
    assert attributes["redis_middleware.retries"] == 1
    assert attributes["redis_middleware.redirections.ask"] == 1
    assert attributes["redis_middleware.node"] == "[::1]:7000"
    assert attributes["server.address"] == "::1"
    (redirections,) = recorded.points("redis_middleware.redirections")
    assert dict(redirections.attributes) == {"redis_middleware.redirection.type": "ASK"}


def test_a_batch_says_how_its_commands_fared(recorded: Recorded, client_with: MakeClient) -> None:
    """Redirections of a pipeline's commands add up; of numbers of nodes the largest is told."""
    client = client_with(recorded.plugin(), _Splitting())
    client.pipeline(transaction=False).get("one").get("two").execute()

    attributes = recorded.span("PIPELINE GET").attributes
    assert attributes["redis_middleware.nodes"] == 5
    assert attributes["redis_middleware.redirections.ask"] == 2


def test_a_command_of_a_batch_has_its_own(recorded: Recorded, client_with: MakeClient) -> None:
    """With commands_in_batches the child's span tells what became of that command."""
    settings = OtelSettings(commands_in_batches=True)
    client = client_with(recorded.plugin(settings), _Splitting())
    client.pipeline(transaction=False).get("one").set("two", 2).execute()

    assert recorded.span("GET").attributes["redis_middleware.nodes"] == 3
    assert recorded.span("SET").attributes["redis_middleware.retries"] == 1


def test_pools_of_other_servers_are_counted(
    recorded: Recorded, client_with: MakeClient, other_server: Server
) -> None:
    """Connections to servers that a plugin sends to are counted and timed like the client's own."""
    settings = OtelSettings(pool_times=True)
    client = client_with(recorded.plugin(settings), _Routing(other_server, "in place"))
    client.set("key", "value")
    client.set("key", "value")

    name = f"127.0.0.1:{other_server.port}/0"
    states = {
        point.attributes["db.client.connection.state"]: point.value
        for point in recorded.points("db.client.connection.count")
        if point.attributes["db.client.connection.pool.name"] == name
    }
    assert states == {"idle": 1, "used": 0}
    (used,) = recorded.points("db.client.connection.use_time")
    assert used.attributes["db.client.connection.pool.name"] == name
