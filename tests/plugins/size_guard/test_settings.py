"""The table ``[size_guard]``: limits, rules, what is wrong with them, and changing them."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.discovery.conftest import install
from tests.discovery.distributions import Installer
from tests.plugins.size_guard.guarded import guard_of, guarded
from typer.testing import CliRunner

from redis_middleware import SettingsError, middleware_of, wrap
from redis_middleware.cli.application import app
from redis_middleware.discovery import installed_plugins
from redis_middleware.embedded import Server
from redis_middleware.readings import Reading
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


@pytest.mark.parametrize(
    ("rules", "idle"),
    [
        ([{"keys": "user:*", "ttl": 5}, {"keys": "user:1:*", "ttl": 9}], "#2"),
        ([{"commands": ["rpush"], "ttl": 5}, {"commands": ["RPUSH"], "ttl": 9}], "#2"),
        ([{"commands": ["GET"], "max_value": 5}], "the guard does nothing about GET"),
        ([{"keys": "user:1:*", "ttl": 5}, {"keys": "user:*", "ttl": 9}], None),
        ([{"keys": "u?er:*", "ttl": 5}, {"keys": "user:*", "ttl": 9}], None),
        ([{"keys": "user:*", "ttl": 5}, {"keys": "user:*", "max_value": 9}], None),
        ([{"commands": ["RPUSH"], "ttl": 5}, {"ttl": 9}], None),
        ([{"commands": ["GET"], "reply_bytes": 5}], None),
        ([{"commands": ["hash", "read"], "max_read": 5}], None),
    ],
)
def test_what_is_an_idle_rule(rules: list[dict[str, Any]], idle: str | None, caplog: Any) -> None:
    """One behind another that is for all its keys and commands, or of commands that are not
    guarded; of what may be useful nothing is said."""
    with caplog.at_level(logging.WARNING):
        SizeGuard(_settings({"rules": rules}))
    assert (idle is not None) == ("never decides anything" in caplog.text)
    assert idle is None or idle in caplog.text


def test_set_is_a_command_and_a_class() -> None:
    """In upper case the command is meant, in lower case the commands of sets."""
    rules = [
        {"commands": ["SET"], "max_value": 10},
        {"commands": ["set"], "max_element": 5},
    ]
    script = Script(SizeGuard(_settings({"mode": "reject", "rules": rules}))).answers(lambda _: 1)
    assert script.run("SADD", "k", *["x"] * 20) == 1
    assert script.run("SET", "k", "x" * 10) == 1
    for args in (("SET", "k", "x" * 11), ("SADD", "k", "x" * 6)):
        with pytest.raises(ValueTooLarge):
            script.run(*args)


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


def test_counts_are_metrics(clean_standalone: Server) -> None:
    """Findings by limit, what was done and command, and what was sent unasked; never a key."""
    with guarded(clean_standalone, max_value=10, unlink="always") as client:
        for _ in range(2):
            with pytest.raises(ValueTooLarge):
                client.set("secret-key", "x" * 11)
        client.delete("secret-key")
        findings, commands = guard_of(client).metrics()
    assert (findings.name, commands.name) == ("size_guard.findings", "size_guard.commands")
    assert findings.readings == [
        Reading(2, {"limit": "max_value", "action": "reject", "db.operation.name": "SET"})
    ]
    assert commands.readings == [
        Reading(1, {"sent": "unlink", "action": "sent", "db.operation.name": "DEL"})
    ]


def test_the_alert_is_for_warnings_and_refusals() -> None:
    """What is only observed, or answered in pages, wakes nobody up."""
    rules = (files("redis_middleware_plugins.otel") / "dashboards" / "alerts.yml").read_text()
    alert = rules.partition("RedisBigKey")[2].partition("- alert")[0]
    assert 'size_guard_findings_total{action=~"warn|reject"}' in alert


def test_warnings_have_the_key_and_no_values(clean_standalone: Server, caplog: Any) -> None:
    """A warning tells the key, and nothing of the value."""
    with (
        guarded(clean_standalone, mode="warn", max_value=10) as client,
        caplog.at_level(logging.WARNING),
    ):
        client.set("the-key", "the-value-of-it")
    assert "the-key" in caplog.text
    assert "the-value" not in caplog.text
