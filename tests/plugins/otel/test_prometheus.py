"""The shipped Grafana dashboard and Prometheus rules: every metric they name is really scraped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest

from redis_middleware.embedded import Cluster, Server

_DASHBOARDS = files("redis_middleware_plugins.otel") / "dashboards"
# A word that selects series: a metric's name, followed by a selector, a range or an operator.
_WORDS = re.compile(
    r"(?<![\w$\"{])([a-z_]+(?:_total|_bucket|_count|_sum|_share|_imbalance|_keys|_max))\b(?!\s*\()"
)

_PROGRAM = """
import sys, urllib.request
import redis
from opentelemetry import metrics
from redis_middleware import NIL, hookimpl, wrap
from redis_middleware.notes import (
    note_answer, note_cache, note_redirection, note_refusal, note_retry
)
from redis_middleware_plugins.key_access import KeyAccess
from redis_middleware_plugins.otel import Otel
from redis_middleware_plugins.size_guard import SizeGuard

class Noting:
    name = "noting"
    @hookimpl
    def redis_command(self, command):
        note_redirection(command, "MOVED", "other:1")
        note_retry(command)
        if command.name == "SET" and command.keys[0] == b"refused":
            note_refusal(command, "noting", "policy")
            raise redis.DataError("refused")
        if command.name == "GET":
            note_answer(command, "noting")
            note_cache(command, "hit")
            return NIL
        return (yield command)

port, served = int(sys.argv[1]), int(sys.argv[2])
pool = redis.BlockingConnectionPool(port=port, max_connections=1, timeout=0.05)
settings = {
    "otel": {"sdk": {"metrics": "prometheus", "prometheus_port": served}},
    "size_guard": {"max_value": 100},
}
plugins = [Otel, KeyAccess, SizeGuard, Noting()]
client = wrap(redis.Redis(connection_pool=pool), settings, plugins=plugins)
client.set("key", "value"); client.get("key"); client.ping()
for key, value in (("refused", "1"), ("key", "x" * 1000)):
    try:
        client.set(key, value)
    except redis.RedisError:
        pass
held = pool.get_connection()
try:
    client.ping()
except redis.ConnectionError:
    pass
pool.release(held)
cluster = redis.RedisCluster(host="127.0.0.1", port=int(sys.argv[3]))
wrap(cluster, settings, plugins=plugins)
for number in range(100):
    cluster.set(f"key:{number}", number)
print(urllib.request.urlopen(f"http://127.0.0.1:{served}/metrics").read().decode())
"""


@pytest.fixture(scope="module")
def scraped(standalone_server: Server, cluster_servers: Cluster) -> str:
    """Run a program with all plugins that have metrics; give what Prometheus scrapes from it."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ports = map(str, (standalone_server.port, port, cluster_servers.primaries[0].port))
    command = [sys.executable, "-c", _PROGRAM, *ports]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _expressions() -> dict[str, list[str]]:
    board: Any = json.loads((_DASHBOARDS / "grafana.json").read_text())
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = re.findall(r"^\s+expr: (.+)$", (_DASHBOARDS / "alerts.yml").read_text(), re.M)
    return {"grafana.json": panels, "alerts.yml": rules}


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yml"])
def test_every_metric_exists(scraped: str, file: str) -> None:
    """Each name in an expression is that of a series in the scraped text."""
    there = set(re.findall(r"^([a-z_]+)(?=[{ ])", scraped, re.M))
    expressions = _expressions()[file]
    assert len(expressions) >= 9

    for expression in expressions:
        names = set(_WORDS.findall(expression))
        assert names, expression
        assert names <= there, f"{expression}: {names - there} of {sorted(there)}"


def test_every_label_exists(scraped: str) -> None:
    """Each label by which an expression sums or selects is one of its series' labels."""
    there = set(re.findall(r"(\w+)=\"", scraped))
    for expression in [each for several in _expressions().values() for each in several]:
        labels = {
            label.strip()
            for group in re.findall(r"by \(([^)]*)\)", expression)
            for label in group.split(",")
        } | set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
        assert labels <= there, f"{expression}: {labels - there}"


def test_what_there_is_an_alert_for() -> None:
    """Imbalance, hot keys, big keys, hit ratio, latency and refusals have an alert each."""
    alerts = re.findall(r"alert: (\w+)", (_DASHBOARDS / "alerts.yml").read_text())

    assert {
        "RedisNodeImbalance",
        "RedisHotKey",
        "RedisBigKey",
        "RedisCacheHitRatioLow",
        "RedisLatencyHigh",
        "RedisGuardRefusals",
    } <= set(alerts)


def test_the_rules_are_yaml_of_the_right_shape() -> None:
    """Every rule has an expression and a summary, and indentation that YAML takes."""
    text = (_DASHBOARDS / "alerts.yml").read_text()

    assert text.count("- alert: ") == text.count(" expr: ") == text.count(" summary: ")
    assert "\t" not in text
