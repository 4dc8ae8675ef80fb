"""The shipped Grafana dashboard and Prometheus rules, against what is really scraped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from redis_middleware.embedded import Cluster, Server

_DASHBOARDS = files("redis_middleware_plugins.otel") / "dashboards"
_LABELS_OF_BUCKETS = {"le"}

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
    "size_guard": {
        "mode": "reject", "max_value": {"observe": 100, "warn": 1000, "reject": 10000}
    },
}
plugins = [Otel, KeyAccess, SizeGuard, Noting()]
client = wrap(redis.Redis(connection_pool=pool), settings, plugins=plugins)
client.set("key", "value"); client.get("key"); client.ping()
values = ("x" * 200, "x" * 2000, "x" * 20000)
for key, value in (("refused", "1"), *(("key", value) for value in values)):
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
try:
    client.execute_command("NOSUCH")
except redis.ResponseError:
    pass
cluster = redis.RedisCluster(host="127.0.0.1", port=int(sys.argv[3]))
wrap(cluster, settings, plugins=plugins)
for number in range(100):
    cluster.set(f"key:{number}", number)
print(urllib.request.urlopen(f"http://127.0.0.1:{served}/metrics").read().decode())
"""


class Series(NamedTuple):
    """One scraped series."""

    name: str
    labels: dict[str, str]


class Expression(NamedTuple):
    """An expression of one of the files, parsed."""

    title: str
    text: str
    tree: Any
    shown: set[str]
    """The labels that its title, legend or annotation shows."""


@pytest.fixture(scope="module")
def scraped(standalone_server: Server, cluster_servers: Cluster) -> list[Series]:
    """Run a program with all plugins that have metrics; give what Prometheus scrapes from it."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ports = map(str, (standalone_server.port, port, cluster_servers.primaries[0].port))
    command = [sys.executable, "-c", _PROGRAM, *ports]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [
        Series(sample.name, sample.labels)
        for family in text_string_to_metric_families(done.stdout)
        for sample in family.samples
    ]


def _board() -> Any:
    return json.loads((_DASHBOARDS / "grafana.json").read_text())


def _rules() -> list[dict[str, Any]]:
    parsed = yaml.safe_load((_DASHBOARDS / "alerts.yml").read_text())
    return [rule for group in parsed["groups"] for rule in group["rules"]]


def _of_grafana() -> Iterator[Expression]:
    for panel in _board()["panels"]:
        for target in panel["targets"]:
            # Grafana puts its variables in.
            text = target["expr"].replace("$__rate_interval", "5m").replace("$command", ".*")
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            yield Expression(panel["title"], text, promql_parser.parse(text), shown)


def _of_alerts() -> Iterator[Expression]:
    for rule in _rules():
        text = rule["expr"]
        shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        yield Expression(rule["alert"], text, promql_parser.parse(text), shown)


EXPRESSIONS = [*_of_grafana(), *_of_alerts()]


def _within(tree: Any, kind: type) -> list[Any]:
    """The parts of a parsed expression that are of a kind."""
    found: list[Any] = []
    promql_parser.walk(tree, lambda part: found.append(part) if isinstance(part, kind) else None)
    return found


def _selectors(tree: Any) -> list[Any]:
    ranges = [part.vector_selector for part in _within(tree, promql_parser.MatrixSelector)]
    return [*_within(tree, promql_parser.VectorSelector), *ranges]


def _matches(matcher: Any, labels: dict[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    if matcher.op == promql_parser.MatchOp.Equal:
        return bool(value == matcher.value)
    if matcher.op == promql_parser.MatchOp.NotEqual:
        return bool(value != matcher.value)
    fits = re.fullmatch(matcher.value, value) is not None
    return fits is (matcher.op == promql_parser.MatchOp.Re)


def _selected(selector: Any, scraped: list[Series]) -> list[Series]:
    return [
        series
        for series in scraped
        if series.name == selector.name
        and all(_matches(matcher, series.labels) for matcher in selector.matchers.matchers)
    ]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda each: each.title)
def test_every_selector_selects_something(scraped: list[Series], expression: Expression) -> None:
    """Each metric exists, has the labels that are asked for, and some of the asked values."""
    selectors = _selectors(expression.tree)
    assert selectors, expression.text
    for selector in selectors:
        named = [series for series in scraped if series.name == selector.name]
        assert named, f"{selector.name} is not among {sorted({each.name for each in scraped})}"
        labels = {label for series in named for label in series.labels}
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= labels, f"{selector.name} has {labels}"
        assert _selected(selector, scraped), f"{selector.prettify()} selects nothing"


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda each: each.title)
def test_every_label_exists(scraped: list[Series], expression: Expression) -> None:
    """Labels that are summed by are those of the series; labels that are shown are left over."""
    left_over: set[str] | None = None
    for aggregate in _within(expression.tree, promql_parser.AggregateExpr):
        by = set(aggregate.modifier.labels) if aggregate.modifier is not None else set()
        for selector in _selectors(aggregate.expr):
            for series in _selected(selector, scraped):
                assert by <= set(series.labels), f"{series} has not all of {by}"
        left_over = by if left_over is None else left_over | by
    if left_over is None:
        left_over = {label for each in scraped for label in each.labels}
    assert expression.shown <= left_over - _LABELS_OF_BUCKETS, expression.text


def test_the_variables_of_the_dashboard(scraped: list[Series]) -> None:
    """The variable ``command`` takes its values from a metric and a label that exist."""
    (command,) = [each for each in _board()["templating"]["list"] if each["name"] == "command"]
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", command["query"]["query"])
    assert found is not None

    assert [series for series in scraped if series.name == found[1] and found[2] in series.labels]


def test_what_there_is_an_alert_for() -> None:
    """Imbalance, hot keys, big keys, hit ratio, latency and refusals have an alert each."""
    assert {
        "RedisNodeImbalance",
        "RedisHotKey",
        "RedisBigKey",
        "RedisCacheHitRatioLow",
        "RedisLatencyHigh",
        "RedisGuardRefusals",
    } <= {rule["alert"] for rule in _rules()}


def test_rules_are_what_prometheus_takes() -> None:
    """Each rule has what a rule must have and nothing else, and a comparison decides."""
    for rule in _rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
        if "for" in rule:
            assert promql_parser.parse_duration(rule["for"])
        assert isinstance(promql_parser.parse(rule["expr"]), promql_parser.BinaryExpr)


def test_mere_observations_of_big_keys_raise_no_alarm(scraped: list[Series]) -> None:
    """RedisBigKey looks at findings that were warned of or refused; there were others."""
    (rule,) = [expression for expression in EXPRESSIONS if expression.title == "RedisBigKey"]
    now = [selector for selector in _selectors(rule.tree) if selector.offset is None]
    actions = {series.labels["action"] for each in now for series in _selected(each, scraped)}

    assert actions == {"warn", "reject"}
    assert "observe" in {series.labels.get("action") for series in scraped}
