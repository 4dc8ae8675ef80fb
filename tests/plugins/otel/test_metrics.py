"""Metrics by the conventions, and what other plugins count and note."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.semconv._incubating.metrics import db_metrics as incubating
from opentelemetry.semconv.metrics import db_metrics
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware import NIL, Command, Flow, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware.notes import note_answer, note_cache, note_redirection
from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.otel import OtelSettings


def test_durations(recorded: Recorded, client_with: MakeClient, clean_standalone: Server) -> None:
    """The histogram has the advised buckets, and attributes of few values only."""
    client = client_with(recorded.plugin())
    client.set("key", "value")
    client.get("key")
    client.get("other")

    points = {
        point.attributes["db.operation.name"]: point
        for point in recorded.points(db_metrics.DB_CLIENT_OPERATION_DURATION)
    }

    assert points["GET"].count == 2
    assert 0 < points["GET"].sum < 5
    assert points["GET"].explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
    assert dict(points["GET"].attributes) == {
        "db.system.name": "redis",
        "db.operation.name": "GET",
        "db.namespace": "0",
        "server.address": "localhost",
        "server.port": clean_standalone.port,
    }


def test_failures_have_their_type(recorded: Recorded, client_with: MakeClient) -> None:
    """A failure is told apart by error.type and the status code."""
    client = client_with(recorded.plugin())
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")

    (point,) = recorded.points("db.client.operation.duration")

    assert point.attributes["error.type"] == "ERR"
    assert point.attributes["db.response.status_code"] == "ERR"


def test_made_up_names_do_not_make_series_without_end(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """Names that no server knows, and error prefixes that scripts make up, are capped."""
    client = client_with(recorded.plugin(OtelSettings(traces=False)))
    for number in range(150):
        with pytest.raises(redis.ResponseError):
            client.execute_command(f"NOSUCH{number}")
        with pytest.raises(redis.ResponseError):
            client.eval(f"return redis.error_reply('MADEUP{number} x')", 0)

    points = recorded.points("db.client.operation.duration")

    assert len(points) <= 203
    assert "_OTHER" in {point.attributes["db.operation.name"] for point in points}
    assert "_OTHER" in {point.attributes["error.type"] for point in points}


def test_exemplars_have_the_trace(recorded: Recorded, client_with: MakeClient) -> None:
    """A duration's exemplar is the trace and span of the command itself."""
    client_with(recorded.plugin()).get("key")

    span = recorded.span("GET")
    (point,) = recorded.points("db.client.operation.duration")

    (exemplar,) = point.exemplars
    assert exemplar.trace_id == span.context.trace_id
    assert exemplar.span_id == span.context.span_id


def _pool_points(recorded: Recorded) -> dict[tuple[str, str], int]:
    return {
        (
            point.attributes["db.client.connection.pool.name"],
            point.attributes["db.client.connection.state"],
        ): point.value
        for point in recorded.points(incubating.DB_CLIENT_CONNECTION_COUNT)
    }


def test_connections_of_a_pool(
    recorded: Recorded, client_with: MakeClient, clean_standalone: Server
) -> None:
    """How many are idle and used, how many there may be, and how long making them took."""
    client = client_with(recorded.plugin(), db=2, max_connections=7)
    client.get("key")
    name = f"localhost:{clean_standalone.port}/2"
    held = client.connection_pool.get_connection()

    assert _pool_points(recorded) == {(name, "idle"): 0, (name, "used"): 1}
    client.connection_pool.release(held)
    assert _pool_points(recorded) == {(name, "idle"): 1, (name, "used"): 0}
    (maximum,) = recorded.points(incubating.DB_CLIENT_CONNECTION_MAX)
    assert maximum.value == 7
    (created,) = recorded.points(incubating.DB_CLIENT_CONNECTION_CREATE_TIME)
    assert created.count == 1
    assert created.attributes["db.client.connection.pool.name"] == name


def test_waiting_for_a_connection(recorded: Recorded, clean_standalone: Server) -> None:
    """A pool that blocks: how long callers waited, and how often none came free in time."""
    pool = redis.BlockingConnectionPool(port=clean_standalone.port, max_connections=1, timeout=0.05)
    client = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin()])
    client.get("key")
    held = pool.get_connection()
    with pytest.raises(redis.ConnectionError):
        client.get("key")
    pool.release(held)
    client.close()
    pool.disconnect()

    (waits,) = recorded.points(incubating.DB_CLIENT_CONNECTION_WAIT_TIME)
    assert waits.count >= 2
    (timeouts,) = recorded.points(incubating.DB_CLIENT_CONNECTION_TIMEOUTS)
    assert timeouts.value == 1


def test_taken_out_of_the_pipeline(recorded: Recorded, clean_standalone: Server) -> None:
    """Removed from a running client, the plugin leaves its pool as it was, and records no more."""
    pool = redis.BlockingConnectionPool(port=clean_standalone.port, max_connections=2)
    client = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin()])
    assert "get_connection" in vars(pool)
    client.get("key")
    middleware_of(client).remove("otel")
    client.get("key")
    client.close()

    assert "get_connection" not in vars(pool)
    assert len(recorded.spans("GET")) == 1


async def test_waiting_in_an_async_pool(recorded: Recorded, clean_standalone: Server) -> None:
    """The same for redis.asyncio."""
    pool = redis.asyncio.BlockingConnectionPool(
        port=clean_standalone.port,
        max_connections=1,
        timeout=0.05,
    )
    client = wrap(redis.asyncio.Redis(connection_pool=pool), {}, plugins=[recorded.plugin()])
    await client.get("key")
    held = await pool.get_connection()
    with pytest.raises(redis.ConnectionError):
        await client.get("key")
    await pool.release(held)
    await client.aclose()
    await pool.disconnect()

    (timeouts,) = recorded.points(incubating.DB_CLIENT_CONNECTION_TIMEOUTS)
    assert timeouts.value == 1
    (waits,) = recorded.points(incubating.DB_CLIENT_CONNECTION_WAIT_TIME)
    assert waits.count >= 1


def test_a_pool_that_is_exhausted(recorded: Recorded, client_with: MakeClient) -> None:
    """A pool that does not block counts the commands that found it exhausted."""
    client = client_with(recorded.plugin(), max_connections=1)
    client.get("key")
    held = client.connection_pool.get_connection()
    with pytest.raises(redis.ConnectionError):
        client.get("key")
    client.connection_pool.release(held)

    (timeouts,) = recorded.points(incubating.DB_CLIENT_CONNECTION_TIMEOUTS)
    assert timeouts.value == 1


async def test_connections_of_clusters(recorded: Recorded, clean_cluster: Cluster) -> None:
    """Sync and async clusters: a pool for each node, with the node's own name."""
    port = clean_cluster.primaries[0].port
    sync = wrap(redis.RedisCluster(host="127.0.0.1", port=port), {}, plugins=[recorded.plugin()])
    for number in range(50):
        sync.get(f"key:{number}")
    other = Recorded()
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=port)
    wrap(client, {}, plugins=[other.plugin()])
    for number in range(50):
        await client.get(f"key:{number}")

    for found in (_pool_points(recorded), _pool_points(other)):
        assert {f"127.0.0.1:{node.port}/0" for node in clean_cluster.primaries} <= {
            name for name, state in found if state == "idle" and found[name, state]
        }
    sync.close()
    await client.aclose()


class _Cache:
    """Answers, redirects, and counts."""

    name = "tickets"

    def __init__(self) -> None:
        self.torn = 0

    def metrics(self) -> Iterable[Metric]:
        """What it counts."""
        readings = [Reading(self.torn, {"gate": "north"})]
        yield Metric("tickets.torn", Kind.COUNTER, "{ticket}", "Torn tickets.", readings)
        yield Metric("tickets.ratio", Kind.GAUGE, "1", "A ratio.", [Reading(self.torn / 10)])

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Answer GETs; note the rest as redirected."""
        self.torn += 1
        if command.name == "GET":
            note_answer(command, "tickets")
            note_cache(command, "hit")
            return NIL
        note_redirection(command, "MOVED", "other:1")
        command.notes["tickets.tier"] = "gold"
        command.notes["private"] = object()
        return (yield command)


def test_what_other_plugins_did(recorded: Recorded, client_with: MakeClient) -> None:
    """Public notes are attributes of the span, and those with agreed names are counted."""
    client = client_with(recorded.plugin(), _Cache())
    client.get("key")
    client.set("key", "value")
    client.pipeline().set("one", 1).set("two", 2).get("three").execute()

    get, set_, batch = recorded.spans()

    assert get.attributes["redis_middleware.answered_by"] == "tickets"
    assert get.attributes["redis_middleware.cache"] == "hit"
    assert set_.attributes["redis_middleware.redirections.moved"] == 1
    assert set_.attributes["tickets.tier"] == "gold"
    assert "private" not in set_.attributes
    assert batch.attributes["redis_middleware.redirections.moved"] == 2
    assert batch.attributes["redis_middleware.answered_by"] == "tickets"
    (answers,) = recorded.points("redis_middleware.answers")
    assert answers.value == 2
    (redirections,) = recorded.points("redis_middleware.redirections")
    assert redirections.value == 3
    assert redirections.attributes == {"redis_middleware.redirection.type": "MOVED"}
    (lookups,) = recorded.points("redis_middleware.cache.lookups")
    assert lookups.attributes == {"redis_middleware.cache": "hit"}


def test_what_other_plugins_count(recorded: Recorded, client_with: MakeClient) -> None:
    """Counts of the same plugin in two clients add up; of gauges the largest is shown."""
    for count in (3, 4):
        client = client_with(recorded.plugin(), _Cache())
        for _ in range(count):
            client.get("key")

    (torn,) = recorded.points("tickets.torn")
    (ratio,) = recorded.points("tickets.ratio")

    assert torn.value == 7
    assert torn.attributes == {"gate": "north"}
    assert ratio.value == 0.4


def test_metrics_only(recorded: Recorded, client_with: MakeClient) -> None:
    """With traces = false there are no spans at all, and every command is counted."""
    client = client_with(recorded.plugin(OtelSettings(traces=False)))
    threads = [
        threading.Thread(target=lambda: [client.get("key") for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not recorded.exporter.get_finished_spans()
    (point,) = recorded.points("db.client.operation.duration")
    assert point.count == 200


def test_spans_only(recorded: Recorded, client_with: MakeClient) -> None:
    """With metrics = false nothing is measured."""
    client_with(recorded.plugin(OtelSettings(metrics=False))).get("key")

    assert recorded.spans("GET")
    assert not recorded.metric_names()


def test_subscriptions_on_request(recorded: Recorded, client_with: MakeClient) -> None:
    """With messages = true a delivered message is a span of kind CONSUMER, else there is none."""
    client = client_with(recorded.plugin(OtelSettings(messages=True)))
    handled: list[Any] = []
    for handlers in ({}, {"channel": handled.append}):
        subscription = client.pubsub()
        subscription.subscribe(*[] if handlers else ["channel"], **handlers)
        subscription.get_message(timeout=1)
        client.publish("channel", "four")
        message = subscription.get_message(timeout=1)
        assert handled if handlers else message["data"] == b"four"
        subscription.close()

    received, processed = recorded.spans("receive channel", "process channel")
    assert received.kind.name == "CONSUMER"
    assert received.attributes["messaging.destination.name"] == "channel"
    assert received.attributes["messaging.operation.type"] == "receive"
    assert received.attributes["messaging.message.body.size"] == 4
    assert processed.attributes["messaging.operation.type"] == "process"
