"""Sharing statistics through a real server."""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_middleware import middleware_of, wrap
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, standalone
from redis_middleware_plugins.key_access import HotKeyEvent, KeyAccess
from redis_middleware_plugins.key_access.breakdown import DIMENSIONS, Parts
from redis_middleware_plugins.key_access.fleet_merge import FleetMerge
from redis_middleware_plugins.key_access.fleet_payload import Payload, decode, encode
from redis_middleware_plugins.key_access.fleet_reading import FleetReader
from redis_middleware_plugins.key_access.hot import Thresholds
from redis_middleware_plugins.key_access.report import FleetStatus
from redis_middleware_plugins.key_access.summary import empty_summary

PREFIX = "redis-middleware:key_access"
# Hot for the fleet is less than hot for one process, so that each can be told from the other.
FLEET: dict[str, Any] = {
    "keys": "plain",
    "hot": {"share": 0.1, "least_rate": 25, "times_average": 2},
    "fleet": {"enabled": True, "every": "200 ms"},
}


def _joined(client: Any, **settings: Any) -> tuple[Any, KeyAccess]:
    wrapped = wrap(client, {"key_access": {**FLEET, **settings}}, plugins=[KeyAccess])
    plugin = middleware_of(wrapped).plugins["key_access"]
    assert isinstance(plugin, KeyAccess)
    return wrapped, plugin


def _until(condition: Callable[[], object], work: Callable[[], object] = lambda: None) -> bool:
    """Work until a condition holds, for at most 20 seconds."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        work()
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def lonely_server() -> Iterator[Server]:
    """A server that the test may end."""
    with standalone() as server:
        yield server


def test_a_key_that_no_process_finds_hot_is_found(clean_standalone: Server) -> None:
    """Three processes, each below the threshold: together they find the key, and tell each."""
    joined = [_joined(redis.Redis(port=clean_standalone.port)) for _ in range(3)]
    events: list[HotKeyEvent] = []
    joined[0][1].subscribe(events.append)
    number = 0

    def work() -> None:
        # About 15 accesses of the key per second and process, and three times as many of others.
        nonlocal number
        for client, _ in joined:
            client.get("shared")
            for _ in range(3):
                number += 1
                client.get(f"key:{number}")
        time.sleep(0.045)

    found = _until(lambda: all(b"shared" in plugin.hot_keys for _, plugin in joined), work)
    assert found, [plugin.report().fleet for _, plugin in joined]
    assert {event.hot_key.source for event in events} == {"fleet"}
    assert joined[0][1].hot_keys[b"shared"].rate.lower > 25
    statuses = [plugin.report().fleet for _, plugin in joined]
    assert [status.members for status in statuses if status] == [3, 3, 3]
    assert sum(status.leads for status in statuses if status) == 1
    for client, _ in joined:
        client.close()


def test_statistics_are_spread_and_end_by_themselves(clean_standalone: Server) -> None:
    """Every key that is written has an end, and none is a sorted set."""
    client, _ = _joined(redis.Redis(port=clean_standalone.port))
    control = redis.Redis(port=clean_standalone.port)
    client.get("key")
    keys: list[bytes] = []

    def all_are_written() -> bool:
        keys[:] = control.scan_iter(f"{PREFIX}:*")
        return len(keys) >= 11

    assert _until(all_are_written)
    for key in keys:
        assert 0 < control.pttl(key) <= 90_000
        assert control.type(key) in (b"string", b"set")
    client.close()


def test_any_reader_can_merge(clean_standalone: Server) -> None:
    """Where nothing is merged yet a reader does it itself; one process can be read alone."""
    client, plugin = _joined(redis.Redis(port=clean_standalone.port))
    control = redis.Redis(port=clean_standalone.port)
    for _ in range(30):
        client.get("key")
    assert FleetReader(control, "another prefix").read() is None
    reader = FleetReader(control, PREFIX)
    assert _until(
        lambda: (reader.read() or {"hot": [], "windows": [{"keys": []}]})["windows"][0]["keys"]
    )
    status = plugin.report().fleet
    assert status is not None
    assert reader.members() == [status.member]
    client.close()
    control.delete(f"{PREFIX}:leader", *[f"{PREFIX}:merged:{copy}" for copy in range(8)])
    alone = FleetReader(control, PREFIX, member=status.member).read()
    assert alone is not None
    assert alone["fleet"]["members"] == 1


def test_shares_are_of_all_accesses(clean_standalone: Server) -> None:
    """A key with a quarter of the accesses has a quarter in its slot, however many others share."""
    client, plugin = _joined(redis.Redis(port=clean_standalone.port))
    reader = FleetReader(redis.Redis(port=clean_standalone.port), PREFIX)
    numbers = count()

    def work() -> None:
        client.get("hot")
        for _ in range(3):
            client.get(f"{string.ascii_lowercase[next(numbers) % 26]}:{next(numbers)}")

    def told() -> bool:
        report = reader.read()
        return bool(report and report["slots"] and report["slots"][0]["accesses"] > 200)

    assert _until(told, work)
    report = reader.read()
    assert report is not None
    slot, group = report["slots"][0], report["groups"][0]
    assert slot["name"] == str(key_slot(b"hot"))
    assert group["name"] == "hot"
    own = plugin.report()
    assert slot["share"] == pytest.approx(own.slots[0].share, abs=0.03)
    assert group["share"] == pytest.approx(own.groups[0].share, abs=0.03)
    assert slot["share"] == pytest.approx(0.25, abs=0.03)
    client.close()


def test_every_node_counts_for_the_imbalance() -> None:
    """Of a cluster of many nodes the least accessed one is told too, with its share."""
    counts = {f"10.0.0.{number}:6379": float(number) for number in range(1, 51)}
    total = sum(counts.values())
    parts = Parts({name: {} for name in DIMENSIONS} | {"nodes": counts}, round(total), total)
    payloads = [
        decode(encode(Payload(member, 1, "plain", empty_summary(0, 1), parts)))
        for member in ("a", "b")
    ]
    merge = FleetMerge(10.0, Thresholds(), lambda slot: None, time.time)
    merge.add(payloads, 1.0)
    report = merge.report(100, FleetStatus("a", 0, 0, leads=True, members=2))
    assert report.imbalance == 50
    assert len(report.nodes) == 50
    assert report.nodes[0].share == pytest.approx(50 / total)


def test_when_redis_is_gone_statistics_are_dropped(lonely_server: Server) -> None:
    """The drops are counted, and the commands fail or go on as they would without the plugin."""
    client, plugin = _joined(redis.Redis(port=lonely_server.port, retry=Retry(NoBackoff(), 0)))
    assert _until(lambda: (plugin.report().fleet or _NONE).sent)
    lonely_server.kill()
    assert _until(lambda: (plugin.report().fleet or _NONE).dropped)
    with pytest.raises(redis.ConnectionError):
        client.get("key")
    assert sum(middleware_of(client).bugs["key_access"].values()) == 0
    client.close()


def _bytes(reply: Any) -> bytes:
    assert isinstance(reply, bytes)
    return reply


class _NONE:
    sent = dropped = 0


def test_hashed_keys_leave_the_process_as_hashes(clean_standalone: Server) -> None:
    """Neither key nor mask of it is in Redis, and the same secret gives the same hash."""
    settings = {"keys": "hashed", "hash_secret": "pepper"}
    joined = [_joined(redis.Redis(port=clean_standalone.port), **settings) for _ in range(2)]
    control = redis.Redis(port=clean_standalone.port)
    for client, _ in joined:
        for _ in range(50):
            client.get("alice@example.com")

    def told() -> list[Any]:
        members = control.keys(f"{PREFIX}:member:*")
        payloads = [decode(_bytes(control.get(key))) for key in members]
        return [payload for payload in payloads if payload.summary.keys]

    assert _until(lambda: len(told()) == 2)
    assert len({payload.summary.keys for payload in told()}) == 1
    assert _until(lambda: control.exists(f"{PREFIX}:merged:0"))
    for key in control.keys(f"{PREFIX}:m*:*"):
        if control.type(key) == b"string":
            assert b"alice" not in (control.get(key) or b"")
    for client, _ in joined:
        client.close()


def test_statistics_of_strangers_do_no_harm(clean_standalone: Server) -> None:
    """What is no payload under a member's name is left out and counted."""
    client, plugin = _joined(redis.Redis(port=clean_standalone.port))
    control = redis.Redis(port=clean_standalone.port)
    for bucket in range(16):
        control.sadd(f"{PREFIX}:members:{bucket}", f"stranger:{bucket}")
        control.set(f"{PREFIX}:member:stranger:{bucket}", b"[]" if bucket % 2 else b"\xff{")
    assert _until(lambda: (plugin.report().fleet or _NONE).dropped >= 16)
    assert _until(lambda: control.exists(f"{PREFIX}:merged:0"))
    client.close()


def test_a_cluster_shares_too(clean_cluster: Cluster) -> None:
    """With a cluster client the statistics go to the nodes of their keys."""
    client, plugin = _joined(redis.RedisCluster.from_url(clean_cluster.url))
    control = redis.RedisCluster.from_url(clean_cluster.url)
    client.get("key")
    assert _until(lambda: control.exists(f"{PREFIX}:merged:3"))

    def status() -> FleetStatus:
        told = plugin.report().fleet
        assert told is not None
        return told

    # What it merged is written before it is read.
    assert _until(lambda: status().members == 1)
    assert status().dropped == 0
    client.close()


async def test_async_clients_share_too(clean_standalone: Server) -> None:
    """Beside an async client the same work is a task."""
    import asyncio

    client, plugin = _joined(redis.asyncio.Redis(port=clean_standalone.port))
    await client.get("key")
    for _ in range(400):
        await asyncio.sleep(0.05)
        status = plugin.report().fleet
        assert status is not None
        if status.leads and status.members == 1:
            break
    else:
        pytest.fail(f"nothing was merged: {status}")
    await client.aclose()
