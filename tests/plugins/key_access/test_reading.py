"""Reports, JSON, privacy, groups, metrics and settings."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from redis_middleware import SettingsError
from redis_middleware.settings import load_settings
from redis_middleware.testing import FakeClock, Script
from redis_middleware_plugins.key_access import (
    Bounds,
    HotKey,
    HotKeyEvent,
    KeyAccess,
    KeyAccessSettings,
)
from redis_middleware_plugins.key_access.groups import KeyGroups
from redis_middleware_plugins.key_access.hot import Source
from redis_middleware_plugins.key_access.subscribers import Subscribers


def _script(**settings: Any) -> tuple[Script, KeyAccess]:
    clock = FakeClock(100.0)
    plugin = KeyAccess(KeyAccessSettings(**settings), clock=clock)
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


def test_metrics_do_not_grow_with_keys() -> None:
    """A thousand keys: ten ranks, the groups that there is room for, and no key as an attribute."""
    script, plugin = _script(most_groups=3)
    for number in range(1000):
        script.run("GET", f"{'abcdefghij'[number % 10]}:{number}")
    script.clock.advance(1.5)
    plugin.report()
    readings = {metric.name: list(metric.readings) for metric in plugin.metrics()}
    ranks = [reading.attributes["rank"] for reading in readings["key_access.rank.share"]]
    assert ranks == [str(rank) for rank in range(1, 11)]
    groups = {
        reading.attributes["group"]: reading.value
        for reading in readings["key_access.group.accesses"]
    }
    assert len(groups) == 4
    assert groups["overflow"] == 700
    assert readings["key_access.key.rate"] == []
    assert all("key" not in reading.attributes for found in readings.values() for reading in found)


def test_key_names_as_attributes_are_capped() -> None:
    """Opted in, only so many of the top keys are named."""
    script, plugin = _script(metrics_keys=2, keys="masked")
    for number in range(50):
        script.run("GET", f"user:{number}")
    script.clock.advance(1.5)
    (rates,) = [metric for metric in plugin.metrics() if metric.name == "key_access.key.rate"]
    assert [reading.attributes for reading in rates.readings] == [{"key": "user:*"}] * 2


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
    plugin.reconfigure(KeyAccessSettings(keys="masked"))
    assert events == ["became hot", "cooled down"]
    assert not plugin.hot_keys
    script.run("GET", "key:1")
    assert plugin.report().windows[0].keys[0].name == "key:*"


def test_a_key_hot_for_two_reasons_is_told_once() -> None:
    """Hot by the process and by the fleet: it has cooled down when it is hot by neither."""
    subscribers = Subscribers()
    told: list[str] = []
    subscribers.add(lambda event: told.append(event.change))
    none = Bounds(0, 0, 0)

    def change(what: Literal["became hot", "cooled down"], source: Source) -> None:
        key = HotKey(b"key", "key", "read", none, none, 1, None, source)
        subscribers.tell([HotKeyEvent(what, key, 0.0)])

    change("became hot", "process")
    change("became hot", "fleet")
    change("cooled down", "process")
    assert told == ["became hot"]
    change("cooled down", "fleet")
    assert told == ["became hot", "cooled down"]
