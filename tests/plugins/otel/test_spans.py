"""Spans of single commands, as the semantic conventions want them, on real servers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any, ClassVar

import pytest
import redis
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.propagate import inject
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating
from opentelemetry.semconv.attributes import (
    db_attributes,
    error_attributes,
    network_attributes,
    server_attributes,
)
from opentelemetry.trace import SpanKind, StatusCode
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware import Command, Flow, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Cluster, SentinelDeployment, Server
from redis_middleware.testing import Script
from redis_middleware_plugins.otel import OtelSettings


def attributes_of(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes)


def test_a_command_has_the_attributes_of_the_conventions(
    recorded: Recorded, client_with: MakeClient, clean_standalone: Server
) -> None:
    """A GET: name, kind, and the published attributes, required ones and recommended ones."""
    client = client_with(recorded.plugin(), host="localhost", db=3)
    client.get("secret:key")
    client.get("secret:key")

    span = recorded.spans("GET")[-1]

    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span) == {
        db_attributes.DB_SYSTEM_NAME: incubating.DbSystemNameValues.REDIS.value,
        db_attributes.DB_OPERATION_NAME: "GET",
        db_attributes.DB_NAMESPACE: "3",
        db_attributes.DB_QUERY_TEXT: "GET ?",
        server_attributes.SERVER_ADDRESS: "localhost",
        server_attributes.SERVER_PORT: clean_standalone.port,
        network_attributes.NETWORK_PEER_ADDRESS: "127.0.0.1",
        network_attributes.NETWORK_PEER_PORT: clean_standalone.port,
    }
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "redis_middleware"


def test_conditions_of_required_attributes(recorded: Recorded, client_with: MakeClient) -> None:
    """error.type and the status code are there if and only if the command failed."""
    client = client_with(recorded.plugin())
    client.set("key", "value")
    with pytest.raises(redis.ResponseError):
        client.lpush("key", "element")
    with pytest.raises(redis.ResponseError):
        client.incr("key")

    good, wrong, no_number = recorded.spans()

    assert error_attributes.ERROR_TYPE not in good.attributes
    assert wrong.attributes[error_attributes.ERROR_TYPE] == "WRONGTYPE"
    assert wrong.attributes[db_attributes.DB_RESPONSE_STATUS_CODE] == "WRONGTYPE"
    assert wrong.status.status_code is StatusCode.ERROR
    assert no_number.attributes[error_attributes.ERROR_TYPE] == "ERR"
    assert not wrong.events


def test_values_are_never_shown(recorded: Recorded, client_with: MakeClient) -> None:
    """Neither arguments nor the messages of errors, which may hold them, are in a span."""
    client = client_with(recorded.plugin())
    client.set("a:key", "a:value")
    with pytest.raises(redis.ResponseError):
        client.execute_command("SET", "a:key", "a:value", "a:nonsense")
    pipe = client.pipeline().set("a:key", "a:value").execute_command("NOSUCH", "a:value")
    with pytest.raises(redis.ResponseError):
        pipe.execute()

    told = "".join(span.to_json() for span in recorded.exporter.get_finished_spans())

    assert "a:" not in told


def test_error_messages_on_request(recorded: Recorded, client_with: MakeClient) -> None:
    """With error_messages the exception is an event with its message."""
    client = client_with(recorded.plugin(OtelSettings(error_messages=True)))
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")

    (event,) = recorded.span("NOSUCH").events

    assert event.name == "exception"
    assert "unknown command" in str(event.attributes["exception.message"])


def test_keys_on_request(recorded: Recorded, client_with: MakeClient) -> None:
    """With query = "keys" the keys are shown, and still none of the values."""
    client = client_with(recorded.plugin(OtelSettings(query="keys")))
    client.mset({"one": "1", "with space": "2"})
    client.get(b"\xff\x00")

    assert recorded.span("MSET").attributes["db.query.text"] == 'MSET one ? "with space" ?'
    text = recorded.span("GET").attributes["db.query.text"]
    assert text == 'GET "\\\\xff\\\\x00"'


def test_hashed_keys(recorded: Recorded, client_with: MakeClient) -> None:
    """With query = "hashed_keys" equal keys look alike, and cannot be read."""
    client = client_with(recorded.plugin(OtelSettings(query="hashed_keys")))
    for key in ("user:1", "user:1", "user:2"):
        client.get(key)

    texts = [span.attributes["db.query.text"] for span in recorded.spans("GET")]

    assert texts[0] == texts[1] != texts[2]
    assert "user" not in str(texts)


def test_no_query_text(recorded: Recorded, client_with: MakeClient) -> None:
    """With query = "off" there is none."""
    client_with(recorded.plugin(OtelSettings(query="off"))).get("key")

    assert "db.query.text" not in recorded.span("GET").attributes


@settings(deadline=None)
@given(
    args=st.lists(st.binary(max_size=300), min_size=1, max_size=50),
    query=st.sampled_from(["masked", "keys", "hashed_keys"]),
)
def test_long_and_strange_commands_are_cut(args: list[bytes], query: Any) -> None:
    """Whatever the arguments, the text is valid, within its length, and a cut is marked."""
    recorded = Recorded()
    script = Script(recorded.plugin(OtelSettings(query=query, query_length=64)))
    script.replies(b"OK").run("MSET", *args)

    text = recorded.span("MSET").attributes["db.query.text"]

    text.encode()
    assert text.startswith("MSET")
    assert len(text) <= 64
    if query == "masked":
        assert text.endswith("...") == (len("MSET") + len(" ?") * len(args) > 64)


def test_scripts_and_functions_are_named(recorded: Recorded, client_with: MakeClient) -> None:
    """EVALSHA gives the script's hash as the stored procedure, and the span its name."""
    client = client_with(recorded.plugin())
    script = client.script_load("return 1")
    client.evalsha(script, 0)

    span = recorded.span(f"EVALSHA {script}")

    assert span.attributes["db.stored_procedure.name"] == script
    assert recorded.span("SCRIPT LOAD").attributes["db.query.text"] == "SCRIPT LOAD ?"


def test_the_current_span_is_the_parent(recorded: Recorded, client_with: MakeClient) -> None:
    """In threads each command is a child of what is current there; outside of one it is a root."""
    client = client_with(recorded.plugin())
    tracer = recorded.tracers.get_tracer("application")
    client.ping()

    def work(number: int) -> None:
        with tracer.start_as_current_span(f"request {number}"):
            client.get(f"key:{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    requests = {span.context.span_id for span in recorded.spans() if "request" in span.name}
    parents = [span.parent.span_id for span in recorded.spans("GET") if span.parent is not None]
    assert sorted(parents) == sorted(requests)
    assert recorded.span("PING").parent is None
    assert not trace.get_current_span().get_span_context().is_valid


async def test_async_spans_last_as_long_as_their_commands(
    recorded: Recorded, clean_standalone: Server
) -> None:
    """Tasks side by side: each command's parent is its own task's span, its duration the wait."""
    client: Any = redis.asyncio.Redis(port=clean_standalone.port)
    wrap(client, {}, plugins=[recorded.plugin()])
    tracer = recorded.tracers.get_tracer("application")

    async def work(number: int) -> None:
        with tracer.start_as_current_span(f"request {number}") as span:
            await client.blpop(f"empty:{number}", timeout=0.2)
            assert trace.get_current_span() is span

    await asyncio.gather(*[work(number) for number in range(4)])
    await client.aclose()

    requests = {span.context.span_id for span in recorded.spans() if "request" in span.name}
    spans = recorded.spans("BLPOP")
    assert {span.parent.span_id for span in spans if span.parent is not None} == requests
    assert all((span.end_time or 0) - (span.start_time or 0) > 150e6 for span in spans)


async def test_a_cancelled_command_ends_its_span(
    recorded: Recorded, clean_standalone: Server
) -> None:
    """Cancelling the task ends the span with the cancellation as its error."""
    client: Any = redis.asyncio.Redis(port=clean_standalone.port)
    wrap(client, {}, plugins=[recorded.plugin()])
    task = asyncio.create_task(client.blpop("empty", timeout=30))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.aclose()

    assert "CancelledError" in str(recorded.span("BLPOP").attributes["error.type"])


def test_connecting_is_a_child_of_the_command(
    recorded: Recorded, client_with: MakeClient, clean_standalone: Server
) -> None:
    """The first command makes a connection, which has a span of its own; the second does not."""
    client = client_with(recorded.plugin())
    client.get("key")
    client.get("key")

    (connecting,) = recorded.spans(f"CONNECT localhost:{clean_standalone.port}")

    assert connecting.parent is not None
    assert connecting.parent.span_id == recorded.spans("GET")[0].context.span_id
    assert connecting.attributes["network.peer.port"] == clean_standalone.port


def test_what_failed_in_connecting(recorded: Recorded, unused_tcp_port: int) -> None:
    """A refused connection: its span and the command's name the exception."""
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    client = redis.Redis(port=unused_tcp_port, retry=retry)
    wrap(client, {}, plugins=[recorded.plugin()])
    with pytest.raises(redis.ConnectionError):
        client.get("key")

    for name in (f"CONNECT localhost:{unused_tcp_port}", "GET"):
        span = recorded.span(name)
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "redis.exceptions.ConnectionError"


def test_a_unix_socket_is_the_address(recorded: Recorded, clean_standalone: Server) -> None:
    """Over a unix socket the address is its path, and there is no port."""
    path = str(clean_standalone.unix_socket)
    client = redis.Redis(unix_socket_path=path)
    wrap(client, {}, plugins=[recorded.plugin()]).get("key")
    client.close()

    span = recorded.span("GET")
    assert span.attributes["server.address"] == path
    assert "server.port" not in span.attributes


def test_a_sentinel_names_the_server_found(
    recorded: Recorded, clean_sentinel: SentinelDeployment
) -> None:
    """Behind a sentinel the address is that of the server that it named."""
    client = redis.Sentinel(clean_sentinel.addresses).master_for(clean_sentinel.service_name)
    wrap(client, {}, plugins=[recorded.plugin()])
    client.get("key")
    client.get("key")
    client.close()

    span = recorded.spans("GET")[-1]
    assert span.attributes["server.port"] == clean_sentinel.primary.port


def test_a_cluster_names_node_and_slot(recorded: Recorded, clean_cluster: Cluster) -> None:
    """On a cluster the span has the node of the key's slot, and the slot."""
    client = redis.RedisCluster(host="127.0.0.1", port=clean_cluster.primaries[0].port)
    wrap(client, {}, plugins=[recorded.plugin()])
    client.set("{tag}key", "value")
    node = client.get_node_from_key("{tag}key")
    assert node is not None
    client.close()

    span = recorded.span("SET")
    assert span.attributes["server.port"] == node.port
    assert span.attributes["redis_middleware.slot"] == client.keyslot("{tag}key")


async def test_an_async_cluster_is_traced_alike(recorded: Recorded, clean_cluster: Cluster) -> None:
    """redis.asyncio.RedisCluster: single commands and pipelines."""
    client: Any = redis.asyncio.RedisCluster(host="127.0.0.1", port=clean_cluster.primaries[0].port)
    wrap(client, {}, plugins=[recorded.plugin()])
    await client.set("key", "value")
    await client.pipeline().get("key").get("other").execute()
    await client.aclose()

    assert "redis_middleware.slot" in recorded.span("SET").attributes
    assert recorded.span("PIPELINE GET").attributes["db.operation.batch.size"] == 2


def test_hooks_of_the_application(recorded: Recorded, client_with: MakeClient) -> None:
    """They add attributes; one that raises is logged once, counted, and breaks nothing."""

    def request_hook(span: Any, command: Any) -> None:
        span.set_attribute("tenant", len(command.args))

    def reply_hook(span: Any, command: Any, reply: Any) -> None:
        raise KeyError("a bug of the application's")

    plugin = recorded.plugin(request_hook=request_hook, reply_hook=reply_hook)
    client = client_with(plugin)

    assert client.set("key", "value") is True
    assert client.get("key") == b"value"
    assert [span.attributes["tenant"] for span in recorded.spans()] == [3, 2]
    assert plugin.hook_failures == {"KeyError": 2}


def test_hooks_see_pipelines(recorded: Recorded, client_with: MakeClient) -> None:
    """The request hook and the reply hook are called for a pipeline, with the whole batch."""
    seen: list[Any] = []
    plugin = recorded.plugin(
        request_hook=lambda span, batch: seen.append(len(batch)),
        reply_hook=lambda span, batch, replies: seen.append(replies),
    )
    client_with(plugin).pipeline().set("key", "value").get("key").execute()

    assert seen == [2, [True, b"value"]]


def test_suppressed_by_the_application(recorded: Recorded, client_with: MakeClient) -> None:
    """Within suppress_instrumentation nothing is recorded."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    client = client_with(recorded.plugin())
    with suppress_instrumentation():
        client.get("key")
        client.pipeline().get("key").get("key").execute()
    assert not recorded.exporter.get_finished_spans()
    client.get("key")
    assert len(recorded.spans()) == 1


def test_filters(recorded: Recorded, client_with: MakeClient) -> None:
    """Commands are left out by name, by their container, and by their keys."""
    rules = OtelSettings.model_validate(
        {"ignore": ["PING", "config"], "ignore_keys": ["internal:*"]}
    )
    client = client_with(recorded.plugin(rules))
    client.ping()
    client.config_get("maxmemory")
    client.get("internal:1")
    client.mget("internal:1", "public")
    client.pipeline().ping().ping().execute()
    client.pipeline().get("internal:1").get("internal:2").execute()
    client.pipeline().ping().get("public").execute()

    assert [span.name for span in recorded.spans()] == ["MGET", "MULTI"]


def test_only_some_commands(recorded: Recorded, client_with: MakeClient) -> None:
    """With ``only``, everything else is left out."""
    client = client_with(recorded.plugin(OtelSettings(only=["GET"])))
    client.set("key", "value")
    client.get("key")

    assert [span.name for span in recorded.spans()] == ["GET"]


class _Slow:
    """Takes time over some commands."""

    name = "slow"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Wait before the reply of an ECHO."""
        reply = yield command
        if command.name == "ECHO":
            time.sleep(0.06)
        return reply


def test_sampling_rules(recorded: Recorded, client_with: MakeClient) -> None:
    """Every error, every slow command, and one in N of the others; durations stay right."""
    rules = OtelSettings.model_validate(
        {"sampling": {"one_in": 10, "slower_than": "50 ms", "errors": True}}
    )
    draws = iter([0.5, 0.05, 0.99])
    client = client_with(recorded.plugin(rules, random=lambda: next(draws)), _Slow())
    client.set("key", "1")
    client.set("key", "2")
    client.set("key", "text")
    client.echo("slow")
    with pytest.raises(redis.ResponseError):
        client.incr("key")

    spans = recorded.spans()
    assert [span.name for span in spans] == ["SET", "ECHO", "INCRBY"]
    assert spans[1].end_time - spans[1].start_time > 50e6
    assert sum(point.count for point in recorded.points("db.client.operation.duration")) == 5


def test_logs_in_a_traced_request_carry_its_trace(
    recorded: Recorded, client_with: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A record logged by another plugin during a command has the request's trace id at hand."""

    class Logging:
        name = "logging"

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            context = trace.get_current_span().get_span_context()
            logging.getLogger("application").warning("trace %032x", context.trace_id)
            return (yield command)

    client = client_with(recorded.plugin(), Logging())
    with recorded.tracers.get_tracer("application").start_as_current_span("request") as span:
        client.get("key")

    assert f"trace {span.get_span_context().trace_id:032x}" in caplog.messages


def test_fanned_out_commands_leave_no_span_behind(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """Inside of a plugin that fans out, spans end in any order: the current one comes back."""

    class FanOut:
        name = "fan_out"

        def wants(self, spec: Any) -> bool:
            return bool(spec.name == "MGET")

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            return (yield [command.replace(("GET", key)) for key in command.args[1:]])

    client = client_with(FanOut(), recorded.plugin())
    with recorded.tracers.get_tracer("application").start_as_current_span("request") as span:
        client.mget("one", "two", "three")
        assert trace.get_current_span() is span

    assert len(recorded.spans("GET")) == 3


def test_nothing_is_recorded_with_the_api_alone(client_with: MakeClient) -> None:
    """Without an SDK the plugin passes everything on, and looks for providers now and then."""
    from redis_middleware_plugins.otel import Otel

    client = client_with(Otel())
    client.set("key", "value")

    assert client.get("key") == b"value"


def test_an_exporter_that_fails_stays_out_of_the_way(client_with: MakeClient) -> None:
    """A processor that raises costs a span, not a command."""
    recorded = Recorded()

    class Broken(SimpleSpanProcessor):
        def on_end(self, span: Any) -> None:
            raise RuntimeError("out of order")

    recorded.tracers.add_span_processor(Broken(recorded.exporter))
    client = client_with(recorded.plugin())

    assert client.set("key", "value") is True
    assert client.get("key") == b"value"


@pytest.fixture
def unused_tcp_port() -> int:
    """Return a port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_clients_are_told_apart(recorded: Recorded, client_with: MakeClient) -> None:
    """One plugin object may serve several clients: each has its own database."""
    plugin = recorded.plugin()
    client_with(plugin, db=1).get("key")
    client_with(plugin, db=2).get("key")

    assert [span.attributes["db.namespace"] for span in recorded.spans("GET")] == ["1", "2"]


def test_functions_are_named(recorded: Recorded, client_with: MakeClient) -> None:
    """FCALL gives the function's name."""
    client = client_with(recorded.plugin())
    client.function_load(
        "#!lua name=lib\nserver.register_function('answer', function() return 42 end)"
    )
    assert client.fcall("answer", 0) == 42

    assert recorded.span("FCALL answer").attributes["db.stored_procedure.name"] == "answer"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("EVALSHA", "0" * 40, 0), "NOSCRIPT"),
        (("EVAL", "return server.error_reply('READONLY no writing')", 0), "READONLY"),
        (("EVAL", "return server.error_reply('CLUSTERDOWN no cluster')", 0), "CLUSTERDOWN"),
        (("EVAL", "return server.error_reply('OOM too much')", 0), "OOM"),
        (("EVAL", "return server.error_reply('TRYAGAIN later')", 0), "TRYAGAIN"),
        (("AUTH", "nobody", "wrong"), "WRONGPASS"),
        (("EXEC",), "ERR"),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "none", ">"), "NOGROUP"),
    ],
)
def test_prefixes_of_errors(
    recorded: Recorded, client_with: MakeClient, command: tuple[Any, ...], code: str
) -> None:
    """The status code is the server's prefix, of errors that redis-py has a class for too."""
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    client = client_with(recorded.plugin(), retry=retry)
    with pytest.raises(redis.RedisError):
        client.execute_command(*command)

    (span,) = recorded.spans()
    assert span.attributes["db.response.status_code"] == code
    assert span.attributes["error.type"] == code


def test_a_refused_login_is_told_by_the_connection(
    recorded: Recorded, clean_standalone: Server
) -> None:
    """What failed in connecting is on the span of the connection, and on the command's."""
    client = redis.Redis(port=clean_standalone.port, username="nobody", password="wrong")
    recorded.wrapped(client)
    with pytest.raises(redis.AuthenticationError):
        client.get("key")

    for name in (f"CONNECT localhost:{clean_standalone.port}", "GET"):
        assert recorded.spans(name)[0].attributes["error.type"] == "WRONGPASS"


def test_a_processor_that_fails_leaves_no_span_behind(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """Whatever a processor raises, the span that was current before the command is again."""

    class Broken(SimpleSpanProcessor):
        def on_end(self, span: Any) -> None:
            raise RuntimeError("out of order")

    client = client_with(recorded.plugin())
    client.ping()
    recorded.tracers.add_span_processor(Broken(recorded.exporter))
    client.get("key")
    client.pipeline().get("key").get("key").execute()

    assert not trace.get_current_span().get_span_context().is_valid
    assert sum(middleware_of(client).bugs["otel"].values()) == 2


def test_children_of_an_unsampled_command_are_not_sampled(
    recorded: Recorded, clean_standalone: Server
) -> None:
    """What a command that is head-sampled out causes is no trace of its own."""
    sampler = ParentBased(_OnlyConnections())
    recorded.tracers = TracerProvider(sampler=sampler)
    recorded.tracers.add_span_processor(SimpleSpanProcessor(recorded.exporter))
    client = recorded.wrapped(redis.Redis(port=clean_standalone.port))
    client.get("key")
    client.close()

    assert not recorded.exporter.get_finished_spans()


class _OnlyConnections(Sampler):
    """Samples what is named CONNECT."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        """Decide by the name."""
        keeps = name.startswith("CONNECT")
        return SamplingResult(Decision.RECORD_AND_SAMPLE if keeps else Decision.DROP)

    def get_description(self) -> str:
        """Name it."""
        return "only connections"


def test_trace_context_goes_on(recorded: Recorded, client_with: MakeClient) -> None:
    """A ``traceparent`` that is written during a command names the command's span."""

    class Calling:
        name = "calling"
        carrier: ClassVar[dict[str, str]] = {}

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            inject(self.carrier)
            return (yield command)

    client_with(recorded.plugin(), Calling()).get("key")

    context = recorded.span("GET").context
    expected = f"00-{context.trace_id:032x}-{context.span_id:016x}-"
    assert Calling.carrier["traceparent"].startswith(expected)


def test_log_records_carry_the_trace(recorded: Recorded, client_with: MakeClient) -> None:
    """A record logged in a traced request, before and after a command, has the request's ids."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("application")
    client = client_with(recorded.plugin())
    with recorded.tracers.get_tracer("application").start_as_current_span("request") as span:
        logger.emit(LogRecord(body="before"))
        client.get("key")
        client.pipeline().get("key").get("key").execute()
        logger.emit(LogRecord(body="after"))
    provider.shutdown()

    context = span.get_span_context()
    for record in exporter.get_finished_logs():
        assert record.log_record.trace_id == context.trace_id
        assert record.log_record.span_id == context.span_id
    assert len(exporter.get_finished_logs()) == 2


def test_hashes_with_a_secret_are_the_same_everywhere(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """Two programs with one secret hash a key alike; without one, each start has its own."""
    texts = []
    for secret in ("one", "one", "other", None, None):
        given = {"query": "hashed_keys", "hash_secret": secret}
        client_with(recorded.plugin(OtelSettings.model_validate(given))).get("key")
        texts.append(recorded.spans("GET")[-1].attributes["db.query.text"])

    assert texts[0] == texts[1]
    assert len(set(texts)) == 4


def test_other_settings_while_it_runs(recorded: Recorded, client_with: MakeClient) -> None:
    """Changed settings hold from the next command on, for commands seen before too."""
    plugin = recorded.plugin()
    client = client_with(plugin)
    client.get("key")
    plugin.reconfigure(OtelSettings(query="keys"))
    client.get("key")
    plugin.reconfigure(OtelSettings(query="off", pool_times=True))
    client.get("key")
    assert "get_connection" in vars(client.connection_pool)
    plugin.reconfigure(OtelSettings(traces=False))
    client.get("key")
    assert "get_connection" not in vars(client.connection_pool)

    texts = [span.attributes.get("db.query.text") for span in recorded.spans("GET")]
    assert texts == ["GET ?", "GET key", None]
    (duration,) = recorded.points("db.client.operation.duration")
    assert duration.count == 4
    (use,) = recorded.points("db.client.connection.use_time")
    assert use.count == 1


@pytest.mark.parametrize("query", ["masked", "keys", "hashed_keys"])
def test_what_is_no_text_harms_nobody(
    recorded: Recorded, client_with: MakeClient, query: Any
) -> None:
    """Names and keys that are not UTF-8, or cannot be sent, leave spans that can be exported."""
    settings = OtelSettings.model_validate({"query": query, "ignore_keys": ["internal:*"]})
    client = client_with(recorded.plugin(settings))
    surrogate = "\ud800"
    client.set(b"\xff" * 1000, b"\xfe")
    for command in (
        (b"\xff\xfe", "argument"),
        (f"NO{surrogate}SUCH",),
        ("GET", surrogate),
        ("EVALSHA", surrogate, 0),
        ("GET", object()),
    ):
        with pytest.raises((redis.RedisError, UnicodeError)):
            client.execute_command(*command)
        pipe = client.pipeline(transaction=False).ping()
        with pytest.raises((redis.RedisError, UnicodeError)):
            pipe.execute_command(*command).execute()

    spans = recorded.spans()
    assert len(spans) == 11
    for span in spans:
        for text in (span.name, *span.attributes.values()):
            str(text).encode()
        assert len(span.attributes["db.query.text"]) < 1100
    assert not middleware_of(client).bugs["otel"]
