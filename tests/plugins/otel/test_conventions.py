"""Names, units and requirement levels, against ``opentelemetry-semantic-conventions``.

The package has the names of attributes, and metrics with unit and kind of instrument. Requirement
levels are only in the text: https://opentelemetry.io/docs/specs/semconv/db/redis/ and
https://opentelemetry.io/docs/specs/semconv/db/database-metrics/.
"""

from __future__ import annotations

from typing import Any

import pytest
import redis
from opentelemetry.semconv._incubating.attributes import db_attributes as db_incubating
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv._incubating.metrics import db_metrics as incubating
from opentelemetry.semconv.attributes import (
    db_attributes,
    error_attributes,
    network_attributes,
    server_attributes,
)
from opentelemetry.semconv.metrics import db_metrics
from opentelemetry.trace import SpanKind
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware_plugins.otel import OtelSettings, attributes

_OURS = "redis_middleware."
_ALWAYS = {
    db_attributes.DB_SYSTEM_NAME,  # Required
    db_attributes.DB_OPERATION_NAME,  # Required
    db_attributes.DB_NAMESPACE,  # Conditionally Required: known without asking the server
    server_attributes.SERVER_PORT,  # Conditionally Required: with server.address, by TCP
    server_attributes.SERVER_ADDRESS,  # Recommended
}
_ON_SPANS = _ALWAYS | {
    db_attributes.DB_QUERY_TEXT,  # Recommended, sanitized
    network_attributes.NETWORK_PEER_ADDRESS,  # Recommended
    network_attributes.NETWORK_PEER_PORT,  # Recommended with the address
}
_FAILED = {
    error_attributes.ERROR_TYPE,  # Conditionally Required: if and only if it failed
    db_attributes.DB_RESPONSE_STATUS_CODE,  # Conditionally Required: if it has one
}


def _published(*modules: Any) -> set[str]:
    return {
        value
        for module in modules
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }


def _names(data: Any) -> set[str]:
    return {name for name in data.attributes if not name.startswith(_OURS)}


def test_every_name_is_published() -> None:
    """Each name that the plugin may write is a constant of the package, or has our prefix."""
    published = _published(
        db_attributes,
        db_incubating,
        error_attributes,
        messaging_attributes,
        network_attributes,
        server_attributes,
    )
    written = {getattr(attributes, name) for name in attributes.__all__} - {attributes.REDIS}

    assert {name for name in written if not name.startswith(_OURS)} <= published
    assert db_incubating.DbSystemNameValues.REDIS.value == attributes.REDIS


def test_levels_on_spans(recorded: Recorded, client_with: MakeClient) -> None:
    """What is required or recommended is there where its condition holds, and nothing else is."""
    client = client_with(recorded.plugin())
    client.ping()
    client.set("key", "value")
    with pytest.raises(redis.ResponseError):
        client.incr("key")
    sha = client.script_load("return 1")
    client.evalsha(sha, 0)
    client.pipeline(transaction=False).get("key").get("key").execute()
    client.pipeline().get("key").execute()

    by_name = {span.name: _names(span) for span in recorded.spans()}

    assert by_name["SET"] == _ON_SPANS
    assert by_name["INCRBY"] == _ON_SPANS | _FAILED
    # Recommended if the operation applies to a specific script.
    assert by_name[f"EVALSHA {sha}"] == _ON_SPANS | {db_attributes.DB_STORED_PROCEDURE_NAME}
    # Recommended of two operations or more, and not to be set for one.
    assert by_name["PIPELINE GET"] == _ON_SPANS | {db_attributes.DB_OPERATION_BATCH_SIZE}
    assert by_name["GET"] == _ON_SPANS
    assert {span.kind for span in recorded.spans()} == {SpanKind.CLIENT}


def test_levels_where_the_server_did_not_answer(recorded: Recorded) -> None:
    """A failure that is no answer has error.type, the exception's full name, and no status code."""
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    client = recorded.wrapped(redis.Redis(port=1, retry=retry))
    with pytest.raises(redis.ConnectionError):
        client.get("key")

    span = recorded.span("GET")
    assert span.attributes[error_attributes.ERROR_TYPE] == "redis.exceptions.ConnectionError"
    assert _names(span) == _ALWAYS | {db_attributes.DB_QUERY_TEXT, error_attributes.ERROR_TYPE}


def test_levels_on_the_duration(recorded: Recorded, client_with: MakeClient) -> None:
    """The metric has what spans have, but for what would make too many series.

    Query texts are opt-in there. Peer addresses, recommended, change with each fail-over and each
    new address of a name: they are left out.
    """
    client = client_with(recorded.plugin())
    sha = client.script_load("return 1")
    client.evalsha(sha, 0)
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")

    points = recorded.points(db_metrics.DB_CLIENT_OPERATION_DURATION)
    by_name = {point.attributes["db.operation.name"]: _names(point) for point in points}
    assert by_name["SCRIPT LOAD"] == _ALWAYS
    assert by_name["EVALSHA"] == _ALWAYS | {db_attributes.DB_STORED_PROCEDURE_NAME}
    assert by_name["NOSUCH"] == _ALWAYS | _FAILED


def test_spans_last_as_long_as_the_metric_says(recorded: Recorded, client_with: MakeClient) -> None:
    """The metric's value SHOULD be the same as the span's duration, in nanoseconds."""
    client = client_with(recorded.plugin())
    client.get("key")
    client.pipeline(transaction=False).set("key", 1).incr("key").execute()

    for span in recorded.spans():
        (point,) = [
            point
            for point in recorded.points(db_metrics.DB_CLIENT_OPERATION_DURATION)
            if point.attributes["db.operation.name"] == span.name
        ]
        assert abs((span.end_time - span.start_time) - point.sum * 1e9) <= 1


class _Meter:
    """Notes what instruments are made with."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[str, str, str]] = {}

    def __getattr__(self, kind: str) -> Any:
        def create(name: str, *rest: Any, unit: str = "", description: str = "", **_: Any) -> Any:
            # What is observed is published as what it counts.
            self.made[name] = (kind.replace("observable_", ""), unit, description)
            return self

        return create


def test_metrics_are_made_as_published() -> None:
    """Kind of instrument, unit and description of each metric are those of the package."""
    from redis_middleware_plugins.otel.instruments import Instruments

    published, ours = _Meter(), _Meter()
    for module in (db_metrics, incubating):
        for name, create in vars(module).items():
            if name.startswith("create_") and name != "create_db_client_operation_duration":
                create(published)
    ours_made: Any = ours
    Instruments(ours_made).observe_pools()

    made = {name: told for name, told in ours.made.items() if not name.startswith(_OURS)}
    assert made.pop(db_metrics.DB_CLIENT_OPERATION_DURATION) == (
        "create_histogram",
        "s",
        "Duration of database client operations.",
    )
    assert len(made) == 6
    for name, told in made.items():
        assert told == published.made[name]


def test_messages(recorded: Recorded, client_with: MakeClient) -> None:
    """A delivered message has attributes of the conventions for messaging."""
    client = client_with(recorded.plugin(OtelSettings(messages=True)))
    subscription = client.pubsub()
    subscription.psubscribe("chan*")
    subscription.get_message(timeout=1)
    client.publish("channel", "four")
    subscription.get_message(timeout=1)
    subscription.close()

    span = recorded.span("receive channel")
    assert _names(span) == {
        messaging_attributes.MESSAGING_SYSTEM,
        messaging_attributes.MESSAGING_DESTINATION_NAME,
        messaging_attributes.MESSAGING_DESTINATION_TEMPLATE,
        messaging_attributes.MESSAGING_MESSAGE_BODY_SIZE,
        messaging_attributes.MESSAGING_OPERATION_NAME,
        messaging_attributes.MESSAGING_OPERATION_TYPE,
        server_attributes.SERVER_ADDRESS,
        server_attributes.SERVER_PORT,
    }
    assert span.attributes[messaging_attributes.MESSAGING_DESTINATION_TEMPLATE] == "chan*"
