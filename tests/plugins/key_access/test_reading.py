"""Reports, JSON, privacy, groups, metrics and settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from redis_middleware import SettingsError
from redis_middleware.settings import load_settings
from redis_middleware.testing import FakeClock, Script
from redis_middleware_plugins.key_access import KeyAccess, KeyAccessSettings
from redis_middleware_plugins.key_access.groups import KeyGroups


def _script(**settings: Any) -> tuple[Script, KeyAccess]:
    clock = FakeClock(100.0)
    plugin = KeyAccess(KeyAccessSettings(**{"metrics": False, **settings}), clock=clock)
    return Script(plugin, clock=clock).answers(lambda command: b"value"), plugin


@pytest.mark.parametrize(
    ("key", "group", "mask"),
    [
        (b"user:123:profile", "user:*:profile", "user:*:*"),
        (b"config", "config", "*"),
        (b"12", "*", "*"),
        (b"", "", "*"),
        (b"user:alice", "user:alice", "user:*"),
        (b"\xff\xfe:x", "*:x", "*:*"),
        (b"a:b:c:d:e:f:g", "a:b:c:d:e:...", "a:*:*:*:*"),
        (b"{user1}:cart", "*:cart", "*:*"),
    ],
)
def test_automatic_groups_and_masks(key: bytes, group: str, mask: str) -> None:
    """Words stay in groups; in masks only the first word does, if others follow."""
    groups = KeyGroups()
    assert groups.group_of(key) == group
    assert groups.mask(key) == mask


def test_rules_of_groups() -> None:
    """The first rule that matches the whole key counts, for groups and masks."""
    groups = KeyGroups(["user:{id}:profile", "user:*", "a.b"])
    assert groups.group_of(b"user:alice:profile") == "user:{id}:profile"
    assert groups.group_of(b"user:a:b:profile") == "user:*"
    assert groups.mask(b"user:alice:profile") == "user:{id}:profile"
    assert groups.group_of(b"a.b") == "a.b"
    assert groups.group_of(b"axb") == "axb"


def test_the_report_as_json() -> None:
    """All of the report is there in plain values, keys by name, bounds with three numbers."""
    script, plugin = _script()
    for _ in range(40):
        script.run("GET", b"\xffhot")
    script.clock.advance(1.0)
    report = json.loads(plugin.report().to_json())
    key = report["windows"][0]["keys"][0]
    assert key["name"] == "\\xffhot"
    assert key["accesses"] == {"lower": 40, "estimate": 40, "upper": 40}
    assert key["share"]["estimate"] == 1.0
    assert "key" not in key
    assert report["fleet"] is None
    assert report["commands"] == [{"name": "GET", "accesses": 40.0, "share": 1.0, "error": 0.0}]


@pytest.mark.parametrize("form", ["masked", "hashed"])
def test_names_hide_keys(form: str) -> None:
    """Masked or hashed, no key is in the JSON; code still gets it."""
    script, plugin = _script(keys=form)
    script.run("GET", "user:alice")
    report = plugin.report()
    assert "alice" not in json.dumps(report.as_dict()["windows"])
    assert report.windows[0].keys[0].key == b"user:alice"


def test_hashes_depend_on_the_secret() -> None:
    """The same secret gives the same name in every process, another one another."""
    names = []
    for secret in ("one", "one", "two"):
        script, plugin = _script(keys="hashed", hash_secret=secret)
        script.run("GET", "key")
        names.append(plugin.report().windows[0].keys[0].name)
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"counters": 1}, "greater than or equal to 64"),
        ({"sampling": 0}, "sampling"),
        ({"windows": ["1 s"]}, "at least 2 seconds"),
        ({"fleet": {"enabled": True}, "keys": "hashed"}, "hash_secret"),
        ({"hot": {"share": 0.001}}, "set counters to at least 16000"),
        ({"hot": {"shar": 0.1}}, "unknown key"),
    ],
)
def test_settings_that_cannot_be_used(table: dict[str, Any], message: str) -> None:
    """What is wrong is said, with what to do."""
    settings = load_settings({"plugins": [], "key_access": table}, environ={})
    with pytest.raises(SettingsError, match=message):
        settings.for_plugin("key_access", KeyAccessSettings)


def test_metrics_do_not_grow_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand keys: ten ranks, the groups that there is room for, and no key as an attribute."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr("redis_middleware_plugins.key_access.metrics.get_meter", provider.get_meter)
    assert api.get_meter_provider() is not provider
    scripts = []
    for _ in range(2):
        script, plugin = _script(metrics=True, most_groups=3, label="app")
        scripts.append((script, plugin))
        for number in range(1000):
            script.run("GET", f"{'abcdefghij'[number % 10]}:{number}")
        script.clock.advance(1.5)
        plugin.report()
    points: dict[str, list[Any]] = {}
    data = reader.get_metrics_data()
    assert data is not None
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                name = metric.name.removeprefix("redis_middleware.key_access.")
                points.setdefault(name, []).extend(metric.data.data_points)
    clients = {point.attributes["client"] for point in points["hot_keys"]}
    assert clients == {"app", "app-2"}
    ranks = [p.attributes["rank"] for p in points["rank.share"] if p.attributes["client"] == "app"]
    assert ranks == [str(rank) for rank in range(1, 11)]
    groups = {
        point.attributes["group"]: point.value
        for point in points["group.accesses"]
        if point.attributes["client"] == "app"
    }
    assert len(groups) == 4
    assert groups["overflow"] == 700
    assert "key.rate" not in points
    assert all("key" not in point.attributes for found in points.values() for point in found)


def test_changed_settings_keep_subscribers() -> None:
    """Counting begins anew, subscribers stay and are told that what was hot is so no more."""
    script, plugin = _script()
    events: list[str] = []
    plugin.subscribe(lambda event: events.append(event.change))
    for number in range(200):
        script.run("GET", "hot")
        script.run("GET", f"key:{number}")
    script.run_in_background("watch", sleeps=1)
    assert events == ["became hot"]
    plugin.reconfigure(KeyAccessSettings(metrics=False, keys="masked"))
    assert events == ["became hot", "cooled down"]
    assert not plugin.hot_keys
    script.run("GET", "key:1")
    assert plugin.report().windows[0].keys[0].name == "key:*"
