"""Setting the SDK up from the settings alone: each in a process of its own, end to end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.plugins.otel.receivers import grpc_receiver, http_receiver

from redis_middleware.embedded import Cluster, Server

_PROGRAM = """
import json, logging, sys, time
import redis
from redis_middleware import wrap, middleware_of
from redis_middleware_plugins.otel import Otel
logging.basicConfig(stream=sys.stderr, format="LOG %(name)s %(message)s")
port, settings = int(sys.argv[1]), json.loads(sys.argv[2])
client = wrap(redis.Redis(port=port), {"otel": settings}, plugins=[Otel])
"""


def run(
    server: Server, settings: dict[str, Any], program: str, *arguments: object
) -> tuple[str, str]:
    """Run a program with a wrapped client; give what it wrote to stdout and stderr."""
    command = [sys.executable, "-c", _PROGRAM + program, str(server.port), json.dumps(settings)]
    command += map(str, arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("protocol", ["otlp-http", "otlp-grpc"])
def test_through_otlp_to_a_receiver(clean_standalone: Server, protocol: str) -> None:
    """Spans and metrics reach a receiver, flushed at exit, with resource and headers."""
    receiving = http_receiver if protocol == "otlp-http" else grpc_receiver
    with receiving() as receiver:
        sdk = {
            "traces": protocol,
            "metrics": protocol,
            "endpoint": receiver.endpoint,
            "headers": {"x-tenant": "seven"},
            "service_name": "shop",
            "resource": {"deployment.environment.name": "test"},
        }
        run(clean_standalone, {"sdk": sdk}, "client.set('key', 'value'); client.get('key')")

        names = [span.name for span in receiver.spans()]
        assert sorted(name for name in names if "CONNECT" not in name) == ["GET", "SET"]
        assert receiver.resource()["service.name"] == "shop"
        assert receiver.resource()["deployment.environment.name"] == "test"
        expected = {"db.client.operation.duration", "db.client.connection.count"}
        assert expected <= receiver.metric_names()
        if protocol == "otlp-http":
            assert receiver.headers["x-tenant"] == "seven"


@pytest.mark.parametrize("protocol", ["otlp-http", "otlp-grpc"])
def test_an_unreachable_receiver_slows_and_spams_nobody(
    clean_standalone: Server, protocol: str
) -> None:
    """Nobody listens: commands go on as fast, few lines are logged, and the exit is not held up."""
    sdk = {"traces": protocol, "metrics": protocol, "endpoint": "http://127.0.0.1:1"}
    settings = {"sdk": {**sdk, "timeout": "1 s", "interval": "100 ms"}}
    program = """
start = time.monotonic()
slowest = 0
for _ in range(3000):
    before = time.monotonic()
    client.get("key")
    slowest = max(slowest, time.monotonic() - before)
time.sleep(0.5)
print(slowest)
"""
    start = time.monotonic()
    slowest, logged = run(clean_standalone, settings, program)

    assert float(slowest) < 1
    assert time.monotonic() - start < 20
    assert 0 < logged.count("LOG ") <= 12


def test_spans_on_the_console(clean_standalone: Server) -> None:
    """The console exporter writes spans as JSON."""
    printed, _ = run(clean_standalone, {"sdk": {"traces": "console"}}, "client.get('key')")

    assert '"db.operation.name": "GET"' in printed


def test_memory_for_tests(clean_standalone: Server) -> None:
    """Exported to memory, the plugin gives them to code; the global provider is the same."""
    program = """
from opentelemetry import trace
with trace.get_tracer("application").start_as_current_span("request"):
    client.get("key")
memory = middleware_of(client).plugins["otel"].memory
print(sorted(span.name for span in memory.spans.get_finished_spans() if "CON" not in span.name))
(resource,) = memory.metrics.get_metrics_data().resource_metrics
names = [metric.name for scope in resource.scope_metrics for metric in scope.metrics]
print("db.client.operation.duration" in names)
"""
    printed, _ = run(clean_standalone, {"sdk": {"traces": "memory", "metrics": "memory"}}, program)

    assert printed.splitlines() == ["['GET', 'request']", "True"]


def test_providers_of_the_application_go_first(clean_standalone: Server) -> None:
    """Where the application has set the SDK up, the settings' part of it is not used."""
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
own = TracerProvider()
trace.set_tracer_provider(own)
other = wrap(redis.Redis(port=port), {"otel": {"sdk": {"traces": "console"}}}, plugins=[Otel])
other.get("key")
assert trace.get_tracer_provider() is own
"""
    printed, _ = run(clean_standalone, {}, program)

    assert printed == ""


def test_providers_set_later_are_found(clean_standalone: Server) -> None:
    """An application may set its providers up after it wrapped the client, and used it."""
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
client.get("key")
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
time.sleep(0.1)
client.get("key")
print([span.name for span in exporter.get_finished_spans()])
"""
    printed, _ = run(clean_standalone, {}, program)

    assert printed.strip() == "['GET']"


def test_a_part_of_the_traces_is_sampled(clean_standalone: Server) -> None:
    """sample_ratio 0 traces nothing that begins here; a sampled parent decides for itself."""
    program = """
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
client.get("key")
parent = NonRecordingSpan(SpanContext(1, 1, True, TraceFlags(1)))
with use_span(parent):
    client.set("key", "value")
spans = middleware_of(client).plugins["otel"].memory.spans.get_finished_spans()
print([span.name for span in spans])
"""
    settings = {"sdk": {"traces": "memory", "sample_ratio": 0}}
    printed, _ = run(clean_standalone, settings, program)

    assert printed.strip() == "['SET']"


def test_the_contrib_instrumentation_as_well(clean_standalone: Server) -> None:
    """With opentelemetry-instrumentation-redis on, before or after: one span, one warning."""
    program = """
from opentelemetry.instrumentation.redis import RedisInstrumentor
def names():
    spans = middleware_of(client).plugins["otel"].memory.spans
    found = [span.name for span in spans.get_finished_spans() if "CONNECT" not in span.name]
    spans.clear()
    return found
RedisInstrumentor().instrument()
client.get("key"); client.pipeline().get("a").get("b").execute()
print(names())
RedisInstrumentor().uninstrument()
client.get("key")
print(names())
RedisInstrumentor.instrument_client(client)
client.get("key")
print(names())
"""
    printed, logged = run(clean_standalone, {"sdk": {"traces": "memory"}}, program)

    assert printed.splitlines() == ["['GET', 'MULTI GET']", "['GET']", "['GET']"]
    assert logged.count("opentelemetry-instrumentation-redis is on as well") == 1
    assert logged.count("was put around a wrapped client") == 1


_EVERY_KIND = """
import asyncio, redis.asyncio
cluster_port = int(sys.argv[3])
kinds = {
    "sync": lambda: redis.Redis(port=port),
    "async": lambda: redis.asyncio.Redis(port=port),
    "cluster": lambda: redis.RedisCluster(host="127.0.0.1", port=cluster_port),
    "async cluster": lambda: redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster_port),
}
async def done(value):
    return await value if hasattr(value, "__await__") else value
async def use(kind):
    used = wrap(kinds[kind](), {"otel": settings}, plugins=[Otel])
    await done(used.set("{tag}key", 1))
    await done(used.pipeline().get("{tag}a").get("{tag}b").execute())
    await done(used.aclose() if hasattr(used, "aclose") else used.close())
"""


@pytest.mark.parametrize("kind", ["sync", "async", "cluster", "async cluster"])
def test_the_contrib_instrumentation_of_every_kind(
    clean_standalone: Server, clean_cluster: Cluster, kind: str
) -> None:
    """opentelemetry-instrumentation-redis traces each kind of client: still one span a call.

    What a cluster client asks when it is made, before it is wrapped, is left to that.
    """
    program = f"""
{_EVERY_KIND}
from opentelemetry.instrumentation.redis import RedisInstrumentor
RedisInstrumentor().instrument()
asyncio.run(use({kind!r}))
spans = middleware_of(client).plugins["otel"].memory.spans.get_finished_spans()
for scope in ("redis_middleware", "opentelemetry.instrumentation.redis"):
    found = [span.name for span in spans if span.instrumentation_scope.name == scope]
    print(sorted(name for name in found if not name.startswith(("CONNECT", "CLUSTER", "COMMAND"))))
"""
    settings = {"sdk": {"traces": "memory"}}
    port = clean_cluster.primaries[0].port
    printed, logged = run(clean_standalone, settings, program, port)

    name = "MULTI GET" if kind in ("sync", "async") else "PIPELINE GET"
    assert printed.splitlines() == [str([name, "SET"]), "[]"]
    assert logged.count("opentelemetry-instrumentation-redis is on as well") == 1


@pytest.mark.parametrize("kind", ["sync", "async", "cluster", "async cluster"])
def test_metrics_of_redis_py_of_every_kind(
    clean_standalone: Server, clean_cluster: Cluster, kind: str
) -> None:
    """Each metric has one series of a name, redis-py's or ours, whatever groups are on."""
    program = f"""
{_EVERY_KIND}
from redis.observability import get_observability_instance, MetricGroup, OTelConfig
groups = [MetricGroup.COMMAND, MetricGroup.CONNECTION_BASIC, MetricGroup.CONNECTION_ADVANCED]
get_observability_instance().init(OTelConfig(metric_groups=groups))
time.sleep(0.1)
asyncio.run(use({kind!r}))
reader = middleware_of(client).plugins["otel"].memory.metrics
names = [
    metric.name
    for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
    for metric in scope.metrics
]
print("db.client.operation.duration" in names, len(names) == len(set(names)), sorted(names))
"""
    settings = {"sdk": {"metrics": "memory"}}
    port = clean_cluster.primaries[0].port
    printed, logged = run(clean_standalone, settings, program, port)

    assert printed.startswith("True True"), printed
    assert logged.count("redis-py's own metrics are on as well") == 1


def test_metrics_of_redis_py_as_well(clean_standalone: Server) -> None:
    """What redis-py measures itself is left to it: no second series of the same name."""
    program = """
from redis.observability import get_observability_instance, MetricGroup, OTelConfig
groups = [MetricGroup.COMMAND, MetricGroup.CONNECTION_BASIC]
get_observability_instance().init(OTelConfig(metric_groups=groups))
time.sleep(0.1)
client.get("key")
reader = middleware_of(client).plugins["otel"].memory.metrics
scopes = {}
for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
    for metric in scope.metrics:
        scopes.setdefault(metric.name, []).append(scope.scope.name)
print(scopes["db.client.operation.duration"], scopes["db.client.connection.count"])
"""
    printed, logged = run(clean_standalone, {"sdk": {"metrics": "memory"}}, program)

    assert "redis_middleware" not in printed
    assert logged.count("redis-py's own metrics are on as well") == 1


def test_background_work_is_not_traced(clean_standalone: Server) -> None:
    """Neither the commands of a plugin's background work nor its connections have spans."""
    program = """
from redis_middleware import Flow, hookimpl
from redis_middleware.testing import command
class Working:
    name = "working"
    @hookimpl
    def redis_attach(self, middleware):
        self.middleware = middleware
        middleware.run_in_background(self.work)
    def work(self):
        from redis_middleware import Command
        yield Command(("SET", "done", "1"), {}, None, self.middleware.client)
settings = {"otel": {"sdk": {"traces": "memory"}}}
other = wrap(redis.Redis(port=port), settings, plugins=[Otel, Working()])
plain = redis.Redis(port=port)
while not plain.exists("done"):
    time.sleep(0.01)
print(middleware_of(other).plugins["otel"].memory.spans.get_finished_spans())
"""
    printed, _ = run(clean_standalone, {}, program)

    assert printed.strip() == "()"


def test_importing_the_framework_imports_no_sdk() -> None:
    """Only the plugin (and redis-py) imports OpenTelemetry; exporters where settings name them."""
    program = """
import sys
import redis, redis.asyncio
def found():
    return {name for name in sys.modules if name.startswith("opentelemetry")}
before = found()
import redis_middleware
print(found() != before)
import redis_middleware_plugins.otel
print(any(name.startswith("opentelemetry.exporter") for name in sys.modules))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == ["False", "False"]


def test_hooks_named_in_the_settings(clean_standalone: Server) -> None:
    """A hook is named module:function; one that is not there is an error that says so."""
    program = """
from redis_middleware import SettingsError
for name in ("nosuch:hook", "json:nosuch", "not a name"):
    try:
        wrap(redis.Redis(port=port), {"otel": {"request_hook": name}}, plugins=[Otel])
    except SettingsError as error:
        print("request_hook" in str(error))
settings = {"otel": {"request_hook": "builtins:print", "sdk": {"traces": "memory"}}}
wrap(redis.Redis(port=port), settings, plugins=[Otel]).get("key")
"""
    printed, _ = run(clean_standalone, {}, program)

    assert printed.splitlines()[:3] == ["True"] * 3
    assert "GET" in printed
