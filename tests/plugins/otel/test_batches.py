"""One span and one measurement for a pipeline or transaction, on every kind of client."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware import Command, Flow, hookimpl, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware.testing import Script
from redis_middleware_plugins.otel import OtelSettings


def test_one_span_for_many_commands(recorded: Recorded, client_with: MakeClient) -> None:
    """A pipeline of 100 GETs is one span, with the name, the text and the size of them all."""
    pipe = client_with(recorded.plugin()).pipeline(transaction=False)
    for number in range(100):
        pipe.get(f"key:{number}")
    pipe.execute()

    (span,) = recorded.spans()
    assert span.name == "PIPELINE GET"
    assert span.attributes["db.operation.name"] == "PIPELINE GET"
    assert span.attributes["db.operation.batch.size"] == 100
    assert span.attributes["db.query.text"] == "GET ?"
    (point,) = recorded.points("db.client.operation.duration")
    assert point.count == 1
    assert point.attributes["db.operation.name"] == "PIPELINE GET"


def test_different_commands(recorded: Recorded, client_with: MakeClient) -> None:
    """Their names are gathered, their texts joined."""
    client_with(recorded.plugin()).pipeline().set("key", "value").get("key").execute()

    span = recorded.span("MULTI")
    assert span.attributes["redis_middleware.batch.operations"] == ("GET", "SET")
    assert span.attributes["db.query.text"] == "SET ? ?; GET ?"


def test_a_batch_of_one_is_no_batch(recorded: Recorded, client_with: MakeClient) -> None:
    """A pipeline of one command is described as the command; an empty one is nothing."""
    client = client_with(recorded.plugin())
    client.pipeline(transaction=False).get("key").execute()
    client.pipeline().execute()

    (span,) = recorded.spans()
    assert span.name == "GET"
    assert "db.operation.batch.size" not in span.attributes


def test_failures_within_are_shown_up_to_a_cap(recorded: Recorded, client_with: MakeClient) -> None:
    """Failed commands are counted, and the first few are events with their position."""
    client = client_with(recorded.plugin(OtelSettings(failures_shown=2)))
    pipe = client.pipeline(transaction=False).set("key", "text")
    for _ in range(5):
        pipe.lpush("key", "element")
    pipe.execute(raise_on_error=False)

    span = recorded.span("PIPELINE")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "WRONGTYPE"
    assert span.attributes["redis_middleware.batch.failed"] == 5
    assert [event.attributes["redis_middleware.command.index"] for event in span.events] == [1, 2]
    assert span.events[0].attributes["db.operation.name"] == "LPUSH"


def test_a_watched_key_that_changed_is_no_error(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """WatchError is what the application asked to be told: noted, with no error status."""
    client = client_with(recorded.plugin())
    with client.pipeline() as pipe:
        pipe.watch("key")
        client.set("key", "changed")
        pipe.multi()
        pipe.set("key", "mine").get("key")
        with pytest.raises(redis.WatchError):
            pipe.execute()

    span = recorded.span("MULTI")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["redis_middleware.watch.changed"] is True
    assert "error.type" not in span.attributes


def test_a_span_for_each_command_on_request(recorded: Recorded, client_with: MakeClient) -> None:
    """With commands_in_batches each command is a child of the batch's span, measured once."""
    client = client_with(recorded.plugin(OtelSettings(commands_in_batches=True)))
    pipe = client.pipeline(transaction=False).set("key", "text").lpush("key", "element")
    pipe.execute(raise_on_error=False)

    batch = recorded.span("PIPELINE")
    children = recorded.spans("SET", "LPUSH")
    assert {span.parent.span_id for span in children if span.parent} == {batch.context.span_id}
    assert recorded.span("LPUSH").attributes["error.type"] == "WRONGTYPE"
    assert [point.count for point in recorded.points("db.client.operation.duration")] == [1]


def test_a_cluster_pipeline(recorded: Recorded, clean_cluster: Cluster) -> None:
    """A cluster's pipeline is traced with all of its commands, and a transaction with its node."""
    client = redis.RedisCluster(host="127.0.0.1", port=clean_cluster.primaries[0].port)
    wrap(client, {}, plugins=[recorded.plugin()])
    pipe = client.pipeline()
    for number in range(10):
        pipe.set(f"key:{number}", number)
    pipe.execute()
    with client.pipeline(transaction=True) as transaction:
        transaction.set("{tag}1", 1)
        transaction.set("{tag}2", 2)
        transaction.execute()
    node = client.get_node_from_key("{tag}1")
    client.close()

    assert recorded.span("PIPELINE SET").attributes["db.operation.batch.size"] == 10
    assert node is not None
    assert recorded.span("MULTI SET").attributes["server.port"] == node.port


async def test_an_async_transaction(recorded: Recorded, clean_standalone: Server) -> None:
    """redis.asyncio: a transaction is one span."""
    client: Any = redis.asyncio.Redis(port=clean_standalone.port)
    wrap(client, {}, plugins=[recorded.plugin()])
    await client.pipeline().set("key", "value").get("key").execute()
    await client.aclose()

    assert recorded.span("MULTI").attributes["db.operation.batch.size"] == 2


class _Refusing:
    """Refuses SETs, with a note."""

    name = "refusing"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Refuse it."""
        from redis_middleware.notes import note_refusal

        if command.name == "SET":
            note_refusal(command, "refusing", "policy")
            raise redis.DataError("refused")
        return (yield command)


def test_a_refused_batch(recorded: Recorded, client_with: MakeClient) -> None:
    """A plugin that refuses one command of a pipeline: the span says who and why."""
    client = client_with(recorded.plugin(), _Refusing())
    with pytest.raises(redis.DataError):
        client.pipeline().get("key").set("key", "value").execute()

    span = recorded.span("MULTI")
    assert span.attributes["redis_middleware.refused_by"] == "refusing"
    assert span.attributes["redis_middleware.refusal"] == "policy"
    assert span.attributes["error.type"] == "redis.exceptions.DataError"
    (point,) = recorded.points("redis_middleware.refusals")
    assert point.value == 1


@pytest.mark.parametrize(("query", "expected"), [("keys", "SET one ?; GET two"), ("off", None)])
def test_keys_in_the_text_of_a_batch(
    recorded: Recorded, client_with: MakeClient, query: Any, expected: str | None
) -> None:
    """The setting ``query`` holds for pipelines too."""
    client = client_with(recorded.plugin(OtelSettings(query=query)))
    client.pipeline(transaction=False).set("one", "secret").get("two").execute()
    client.pipeline(transaction=False).get("two").get("two").execute()

    assert recorded.span("PIPELINE").attributes.get("db.query.text") == expected
    # The same text is not repeated.
    same = recorded.span("PIPELINE GET").attributes.get("db.query.text")
    assert same == (None if expected is None else "GET two")


def test_the_text_of_a_long_batch_is_cut(recorded: Recorded, client_with: MakeClient) -> None:
    """However many different commands there are, the text keeps to its length and says so."""
    for query in ("masked", "keys"):
        settings = OtelSettings.model_validate({"query": query, "query_length": 64})
        pipe = client_with(recorded.plugin(settings)).pipeline()
        for number in range(50):
            pipe.set(f"key:{number}", "value").get(b"\xff" * 500)
        pipe.execute()

        text = recorded.spans("MULTI")[-1].attributes["db.query.text"]
        assert len(text) == 64
        assert text.endswith("...")


def test_a_batch_of_one_script(recorded: Recorded, client_with: MakeClient) -> None:
    """The procedure is named where all commands run the same, and not where they differ."""
    client = client_with(recorded.plugin())
    one, two = client.script_load("return 1"), client.script_load("return 2")
    client.pipeline(transaction=False).evalsha(one, 0).evalsha(one, 0).execute()
    client.pipeline(transaction=False).evalsha(one, 0).evalsha(two, 0).execute()

    same, different = recorded.spans(f"PIPELINE EVALSHA {one}", "PIPELINE EVALSHA")
    assert same.attributes["db.stored_procedure.name"] == one
    assert "db.stored_procedure.name" not in different.attributes


def test_series_do_not_grow_with_the_sizes_of_batches(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """Pipelines of any size and mixture are one series each of PIPELINE and PIPELINE GET."""
    client = client_with(recorded.plugin())
    for size in range(2, 30):
        for name in ("GET", "SET"):
            pipe = client.pipeline(transaction=False)
            for _ in range(size):
                pipe.get("key")
            if name == "SET":
                pipe.set("key", "value")
            pipe.execute()

    points = recorded.points("db.client.operation.duration")
    counts = {point.attributes["db.operation.name"]: point.count for point in points}
    assert counts == {"PIPELINE GET": 28, "PIPELINE": 28}


def test_rules_hold_for_batches(recorded: Recorded, client_with: MakeClient) -> None:
    """Sampled one in N, a pipeline in which something failed is always traced."""
    rules = OtelSettings.model_validate({"sampling": {"one_in": 1000}})
    client = client_with(recorded.plugin(rules, random=lambda: 0.99))
    client.pipeline(transaction=False).set("key", "text").get("key").execute()
    pipe = client.pipeline(transaction=False).get("key").lpush("key", "element")
    pipe.execute(raise_on_error=False)

    (span,) = recorded.spans()
    assert span.attributes["redis_middleware.batch.failed"] == 1
    assert span.parent is None


@settings(deadline=None)
@given(
    names=st.lists(st.sampled_from(["GET", "SET", "DEL"]), min_size=2, max_size=40),
    length=st.integers(16, 64),
)
def test_a_cut_is_marked(names: list[str], length: int) -> None:
    """The text of a batch is all of it, or as much as fits and the mark."""
    texts = [f"{name} ?" for name in names]
    whole = "; ".join(texts if len(set(texts)) > 1 else texts[:1])

    recorded = Recorded()
    script = Script(recorded.plugin(OtelSettings(query_length=length)))
    script.replies(*[1] * len(names)).pipeline(*[(name, "key") for name in names])
    (span,) = recorded.spans()

    assert span.attributes["db.query.text"] == (
        whole if len(whole) <= length else whole[: length - 3] + "..."
    )
