"""The table ``[size_guard]``: limits, rules, what is wrong with them, and changing them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.discovery.conftest import install
from tests.discovery.distributions import Installer
from tests.plugins.size_guard.guarded import guarded
from typer.testing import CliRunner

from redis_middleware import SettingsError, middleware_of, wrap
from redis_middleware.cli.application import app
from redis_middleware.discovery import installed_plugins
from redis_middleware.embedded import Server
from redis_middleware.settings import load_settings
from redis_middleware.testing import Script
from redis_middleware_plugins.size_guard import SizeGuard, SizeGuardSettings, ValueTooLarge

__all__ = ["install"]


def _settings(table: dict[str, Any]) -> SizeGuardSettings:
    return load_settings({"size_guard": table}, environ={}).for_plugin(
        "size_guard", SizeGuardSettings
    )


@pytest.mark.parametrize(
    ("written", "size"), [("1 MiB", 2**20), ("500kB", 500_000), (1048576, 2**20), ("7", 7)]
)
def test_sizes_are_read_as_people_write_them(written: Any, size: int) -> None:
    """A size is a number, or text with a unit; as a threshold too."""
    assert _settings({"max_value": written}).max_value == size
    assert _settings({"max_value": {"warn": written}}).max_value.warn == size  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"max_value": "lots"}, "max_value = .*lots.*not a size"),
        ({"max_value": -1}, "max_value"),
        ({"max_elements": "1 MiB"}, "max_elements"),
        ({"max_value": {}}, "no threshold is set"),
        ({"max_value": {"warn": 10, "reject": 5}}, "warn = 10 is above reject = 5"),
        ({"max_value": {"refuse": 5}}, "unknown key"),
        ({"mode": "explode"}, "mode.*observe.*warn.*reject"),
        ({"max_valu": 5}, "did you mean 'max_value'"),
        ({"rules": [{"keys": "a:*"}]}, "the rule sets nothing"),
        ({"rules": [{"keys": "", "ttl": 5}]}, "empty key pattern"),
        ({"rules": [{"keys": "[a", "ttl": 5}]}, "never closed"),
        ({"rules": [{"commands": ["HSTE"], "ttl": 5}]}, "did you mean 'HS"),
        ({"rules": [{"ttl": 0}]}, "ttl"),
        ({"rules": [{"max_length": 0}]}, "max_length"),
        ({"sampling": 2}, "sampling"),
        ({"page_size": 0}, "page_size"),
    ],
)
def test_nonsense_is_refused_with_a_reason(table: dict[str, Any], message: str) -> None:
    """The message has the key, the value seen and what is allowed."""
    with pytest.raises(SettingsError, match=f"(?s){message}"):
        _settings(table)


def test_the_first_rule_that_sets_something_decides_it() -> None:
    """Each limit is looked for by itself; rules are for keys, commands and classes of them."""
    table = {
        "mode": "reject",
        "max_value": 100,
        "rules": [
            {"keys": "a:*", "commands": ["SETEX"], "max_value": 10},
            {"keys": "a:*", "max_value": 50, "mode": "warn"},
            {"keys": "a:b:*", "max_value": 5},
            {"keys": "log:*", "commands": ["list"], "max_element": 7},
        ],
    }
    script = Script(SizeGuard(_settings(table))).answers(lambda command: 1)
    for args in (
        ("SET", "other", "x" * 100),
        ("SET", "a:1", "x" * 60),
        ("SET", "a:b:1", "x" * 60),
        ("RPUSH", "log:1", "x" * 7),
        ("SADD", "log:1", "x" * 8),
    ):
        assert script.run(*args) == 1
    with pytest.raises(ValueTooLarge) as error:
        script.run("SET", "other", "x" * 101)
    assert error.value.place == "[size_guard] max_value, the default"
    with pytest.raises(ValueTooLarge):
        script.run("RPUSH", "log:1", "x" * 8)
    guard = script.plugins["size_guard"]
    assert [finding.action for finding in guard.counts].count("warn") == 1


def test_a_rule_that_never_decides_anything_is_told(tmp_path: Path, install: Installer) -> None:
    """``redis-middleware check`` warns of a rule behind one that decides all that it sets."""
    if "size_guard" not in installed_plugins():
        install("shop", {"size_guard": "redis_middleware_plugins.size_guard:SizeGuard"})
    file = tmp_path / "redis-middleware.toml"
    file.write_text(
        'plugins = ["size_guard"]\n'
        '[[size_guard.rules]]\nkeys = "*"\nmax_value = "1 kB"\n'
        '[[size_guard.rules]]\nkeys = "session:*"\nmax_value = "5 kB"\n'
    )
    result = CliRunner().invoke(app, ["check", str(file)])
    assert '#2, keys = "session:*": it never decides anything' in result.output.replace("\n", " ")


def test_settings_change_while_the_client_runs(clean_standalone: Server, tmp_path: Path) -> None:
    """Known sizes and counts stay; limits and the commands that are wanted are the new ones."""
    file = tmp_path / "redis-middleware.toml"
    file.write_text('[size_guard]\nmode = "reject"\nmax_elements = 10\n')
    with wrap(redis.Redis(port=clean_standalone.port), file, plugins=[SizeGuard]) as client:
        client.rpush("k", *range(9))
        guard = middleware_of(client).plugins["size_guard"]
        file.write_text(
            '[size_guard]\nmode = "reject"\nmax_elements = 5\n'
            '[[size_guard.rules]]\ncommands = ["GET"]\nreply_bytes = { warn = 3 }\n'
        )
        middleware_of(client).reload()
        assert middleware_of(client).plugins["size_guard"] is guard
        assert guard.known_size(b"k") == 9
        with pytest.raises(ValueTooLarge) as error:
            client.rpush("k", 1)
        assert error.value.allowed == 5
        client.set("s", "12345")
        client.get("s")
        assert {finding.limit for finding in guard.counts} == {"max_elements", "reply_bytes"}


def test_a_limit_below_what_is_there_lets_it_shrink(clean_standalone: Server) -> None:
    """What is over a new limit is refused to grow, and may shrink until it fits."""
    with clean_standalone.connect() as bare:
        bare.hset("k", mapping={str(n): n for n in range(20)})
    with guarded(clean_standalone, max_elements=10, sampling=1.0) as client:
        client.hset("k", "0", "same")
        with pytest.raises(ValueTooLarge):
            client.hset("k", "new", 1)
        assert client.hdel("k", *range(11)) == 11
        assert client.hset("k", "new", 1) == 1


def test_findings_are_an_opentelemetry_counter(clean_standalone: Server) -> None:
    """Findings are counted by limit, action and command, without keys."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with (
        pytest.MonkeyPatch.context() as patch,
        guarded(clean_standalone, max_value=10) as client,
    ):
        patch.setattr(metrics, "get_meter", provider.get_meter)
        middleware = middleware_of(client)
        middleware.remove("size_guard")
        middleware.add(SizeGuard)
        with pytest.raises(ValueTooLarge):
            client.set("secret-key", b"x" * 11 * 2**20)
    data: Any = reader.get_metrics_data()
    (metric,) = [
        each
        for each in data.resource_metrics[0].scope_metrics[0].metrics
        if each.name.endswith("findings")
    ]
    (point,) = metric.data.data_points
    assert metric.name == "redis_middleware.size_guard.findings"
    assert point.value == 1
    assert dict(point.attributes) == {
        "limit": "max_value",
        "action": "reject",
        "db.operation.name": "SET",
    }


def test_warnings_have_the_key_and_no_values(clean_standalone: Server, caplog: Any) -> None:
    """A warning tells the key, and nothing of the value."""
    with (
        guarded(clean_standalone, mode="warn", max_value=10) as client,
        caplog.at_level(logging.WARNING),
    ):
        client.set("the-key", "the-value-of-it")
    assert "the-key" in caplog.text
    assert "the-value" not in caplog.text
