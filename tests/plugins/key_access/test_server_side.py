"""What servers know of hot keys, and the commands of the command line."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from redis_middleware import middleware_of, wrap
from redis_middleware.cli.application import app
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.key_access import KeyAccess
from redis_middleware_plugins.key_access.server_side import (
    by_frequency,
    by_hotkeys,
    by_monitor,
    by_slot_stats,
)

runner = CliRunner()


class AnsweringHotkeys:
    """Answers HOTKEYS as Redis 8.6 documents it; no server at hand has it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def execute_command(self, *args: Any) -> Any:
        """Answer a command."""
        self.sent.append(args)
        if args != ("HOTKEYS GET",) or not any(sent[1:2] == ("START",) for sent in self.sent):
            return []
        by_cpu = [b"hot", 120, b"warm", 20]
        return [[b"tracking-active", 1, b"by-cpu-time-us", by_cpu, b"by-net-bytes", [b"hot", 900]]]


def test_hotkeys_where_the_server_has_it() -> None:
    """A session runs only when asked for, ends, and its two lists become one."""
    server = AnsweringHotkeys()
    assert "--measure" in by_hotkeys(server, "node", 5, None).note
    finding = by_hotkeys(server, "node", 5, 3, sleep=lambda seconds: None)
    assert finding.was_used
    assert [(row.subject, dict(row.values)) for row in finding.rows] == [
        (b"hot", {"cpu-time-us": 120.0, "net-bytes": 900.0}),
        (b"warm", {"cpu-time-us": 20.0}),
    ]
    assert server.sent[-2:] == [("HOTKEYS STOP",), ("HOTKEYS RESET",)]


def test_ways_that_a_server_does_not_have(clean_standalone: Server) -> None:
    """Each says why it was not used."""
    client = redis.Redis(port=clean_standalone.port)
    for finding, reason in (
        (by_hotkeys(client, "node", 5, 1), "no such command"),
        (by_slot_stats(client, "node", 5), "cluster"),
        (by_frequency(client, "node", 5, 1e6, lambda done, total: None), "LFU"),
    ):
        assert not finding.was_used
        assert reason in finding.note


def test_object_freq_under_an_lfu_policy(clean_standalone: Server) -> None:
    """The key that was read most has the highest counter; the rate limit makes it wait."""
    client = redis.Redis(port=clean_standalone.port)
    client.config_set("maxmemory-policy", "allkeys-lfu")
    try:
        client.mset({f"key:{number}": "x" for number in range(500)})
        for _ in range(3000):
            client.get("key:7")
        steps: list[tuple[int, int]] = []
        waits: list[float] = []
        finding = by_frequency(
            client,
            "node",
            3,
            1000,
            lambda done, total: steps.append((done, total)),
            clock=lambda: 0.0,
            sleep=waits.append,
        )
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert finding.rows[0].subject == b"key:7"
    assert steps[-1] == (500, 500)
    assert waits
    assert waits[0] == pytest.approx(0.2, abs=0.1)


def test_monitor_ends_by_itself(clean_standalone: Server) -> None:
    """It counts what others send, and ends in time even when nobody sends anything."""
    client = redis.Redis(port=clean_standalone.port)
    other = redis.Redis(port=clean_standalone.port)

    def send() -> None:
        for _ in range(50):
            other.get("watched")
            time.sleep(0.005)

    thread = threading.Thread(target=send)
    thread.start()
    finding = by_monitor(client, "node", 5, 0.5)
    thread.join()
    assert finding.rows[0].subject == b"watched"
    began = time.monotonic()
    assert by_monitor(client, "node", 5, 0.2).was_used
    assert time.monotonic() - began < 5


def test_the_command_hotkeys_on_a_cluster(clean_cluster: Cluster) -> None:
    """Every primary is asked, and the slots that cost most are shown."""
    client = redis.RedisCluster.from_url(clean_cluster.url)
    client.config_set("cluster-slot-stats-enabled", "yes", target_nodes="primaries")
    for _ in range(50):
        client.set("hot", "x")
    result = runner.invoke(app, ["hotkeys", clean_cluster.url, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    findings = json.loads(result.stdout)
    assert {finding["way"] for finding in findings} == {
        "HOTKEYS",
        "CLUSTER SLOT-STATS",
        "OBJECT FREQ",
    }
    assert len({finding["node"] for finding in findings}) == 3
    used = [finding for finding in findings if finding["used"]]
    assert {finding["way"] for finding in used} == {"CLUSTER SLOT-STATS"}
    slots = [row["subject"] for finding in used for row in finding["rows"]]
    assert str(client.keyslot("hot")) in slots
    shown = runner.invoke(app, ["hotkeys", clean_cluster.url, "--quiet", "--no-scan"])
    assert "CLUSTER SLOT-STATS" in shown.output
    assert "HOTKEYS was not used" in shown.output


def test_the_command_top(clean_standalone: Server) -> None:
    """It shows what processes share, one of them alone, and says what to do where none does."""
    url = f"redis://127.0.0.1:{clean_standalone.port}"
    nobody = runner.invoke(app, ["top", url, "--once"])
    assert nobody.exit_code == 1
    assert "fleet.enabled" in nobody.output
    settings = {"fleet": {"enabled": True, "every": "200 ms"}}
    client = wrap(
        redis.Redis(port=clean_standalone.port), {"key_access": settings}, plugins=[KeyAccess]
    )
    plugin = middleware_of(client).plugins["key_access"]
    end = time.monotonic() + 20
    report: dict[str, Any] = {}
    while time.monotonic() < end:
        client.get("user:1:profile")
        result = runner.invoke(app, ["top", url, "--once", "--json"])
        report = json.loads(result.stdout) if result.exit_code == 0 else {}
        if report and report["windows"][0]["keys"] and report["fleet"]["members"]:
            break
        time.sleep(0.05)
    assert report["windows"][0]["keys"][0]["name"] == "user:1:profile"
    for columns in ("160", "80"):
        page = runner.invoke(app, ["top", url, "--once"], env={"COLUMNS": columns})
        assert "user:1:profile" in page.output
        assert "1 process, " in page.output
    listed = runner.invoke(app, ["top", url, "--list"])
    assert plugin.report().fleet.member.startswith(f"{listed.output.strip()}:")
    alone = runner.invoke(app, ["top", url, "--once", "--json", "--process", listed.output.strip()])
    assert json.loads(alone.stdout)["fleet"]["members"] == 1
    client.close()
