"""The same for each kind of client: sync and async, a single server and a cluster."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from tests.plugins.otel.conftest import Recorded

from redis_middleware import wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.otel import OtelSettings


async def _done(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


@pytest.fixture(params=["sync", "async", "cluster", "async cluster"])
async def client(
    request: pytest.FixtureRequest,
    recorded: Recorded,
    clean_standalone: Server,
    clean_cluster: Cluster,
) -> AsyncIterator[Any]:
    """Return a wrapped client of each kind."""
    module: Any = redis.asyncio if "async" in request.param else redis
    if "cluster" in request.param:
        made = module.RedisCluster(host="127.0.0.1", port=clean_cluster.primaries[0].port)
    else:
        made = module.Redis(host="127.0.0.1", port=clean_standalone.port)
    settings = OtelSettings(messages=True, connecting=False)
    wrap(made, {}, plugins=[recorded.plugin(settings)])
    # A cluster's topology, and the address of each server, are known from here on.
    for number in range(20):
        await _done(made.get(f"warm:{number}"))
    recorded.exporter.clear()
    yield made
    await _done(made.aclose() if hasattr(made, "aclose") else made.close())


async def test_a_command(client: Any, recorded: Recorded) -> None:
    """One span with the server it went to, a child of what is current, which is current again."""
    with recorded.tracers.get_tracer("application").start_as_current_span("request") as request:
        await _done(client.set("{tag}key", "value"))
        assert trace.get_current_span() is request

    span = recorded.span("SET")
    assert span.kind is SpanKind.CLIENT
    assert span.parent.span_id == request.get_span_context().span_id
    assert span.attributes["db.query.text"] == "SET ? ?"
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["network.peer.port"] == span.attributes["server.port"]
    if isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster):
        node: Any = client.get_node_from_key("{tag}key")
        assert span.attributes["server.port"] == node.port
        assert span.attributes["redis_middleware.slot"] == client.keyslot("{tag}key")


async def test_an_error(client: Any, recorded: Recorded) -> None:
    """An error reply: its prefix as status code and type, on span and metric."""
    await _done(client.set("key", "text"))
    with pytest.raises(redis.ResponseError):
        await _done(client.lpush("key", "element"))

    span = recorded.span("LPUSH")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["db.response.status_code"] == "WRONGTYPE"
    assert [
        point.attributes["error.type"]
        for point in recorded.points("db.client.operation.duration")
        if point.attributes["db.operation.name"] == "LPUSH"
    ] == ["WRONGTYPE"]


async def test_a_pipeline_to_one_server(client: Any, recorded: Recorded) -> None:
    """Where all commands go to one node, the span says which, and an error in it is an event."""
    pipe = client.pipeline(transaction=False)
    pipe.set("{tag}1", "text")
    pipe.lpush("{tag}1", "element")
    pipe.get("{tag}2")
    await _done(pipe.execute(raise_on_error=False))

    span = recorded.span("PIPELINE")
    assert span.attributes["db.operation.batch.size"] == 3
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["redis_middleware.batch.failed"] == 1
    (event,) = span.events
    assert event.attributes["db.response.status_code"] == "WRONGTYPE"


async def test_a_pipeline_to_several_servers(client: Any, recorded: Recorded) -> None:
    """One span all the same; of a cluster's nodes none is named."""
    pipe = client.pipeline(transaction=False)
    for number in range(30):
        pipe.get(f"key:{number}")
    await _done(pipe.execute())

    (span,) = recorded.spans()
    assert span.name == "PIPELINE GET"
    is_cluster = isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster)
    assert ("server.address" in span.attributes) is not is_cluster


async def test_a_transaction(client: Any, recorded: Recorded) -> None:
    """MULTI and EXEC are one span, with the node of its slot."""
    pipe = client.pipeline(transaction=True)
    pipe.set("{tag}1", 1)
    pipe.incr("{tag}1")
    assert (await _done(pipe.execute()))[1] == 2

    (span,) = recorded.spans()
    assert span.name == "MULTI"
    assert span.attributes["redis_middleware.batch.operations"] == ("INCRBY", "SET")
    assert "server.port" in span.attributes


async def test_a_watched_transaction(client: Any, recorded: Recorded) -> None:
    """What is sent at once under WATCH has spans of its own, the transaction one."""
    pipe = client.pipeline(transaction=True)
    await _done(pipe.watch("{tag}1"))
    await _done(pipe.get("{tag}1"))
    await _done(pipe.multi())
    pipe.set("{tag}1", 1)
    pipe.get("{tag}1")
    await _done(pipe.execute())

    assert [span.name for span in recorded.spans()] == ["WATCH", "GET", "MULTI"]


async def test_a_subscription(client: Any, recorded: Recorded) -> None:
    """A message is a span of kind CONSUMER."""
    subscription = client.pubsub()
    await _done(subscription.subscribe("channel"))
    await _done(subscription.get_message(timeout=1))
    await _done(client.publish("channel", "text"))
    message = await _done(subscription.get_message(timeout=5))
    await _done(subscription.aclose() if hasattr(subscription, "aclose") else subscription.close())

    assert message["data"] == b"text"
    span = recorded.span("receive channel")
    assert span.kind is SpanKind.CONSUMER


async def test_suppressed(client: Any, recorded: Recorded) -> None:
    """Within suppress_instrumentation nothing is traced or measured."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with suppress_instrumentation():
        await _done(client.set("key", "value"))
        pipe = client.pipeline(transaction=False)
        pipe.get("{tag}1")
        pipe.get("{tag}2")
        await _done(pipe.execute())

    assert not recorded.spans()
    names = {
        point.attributes["db.operation.name"]
        for point in recorded.points("db.client.operation.duration")
    }
    assert names == {"GET"}
