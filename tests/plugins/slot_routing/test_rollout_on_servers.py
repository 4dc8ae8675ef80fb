"""Routes, a rollout and a mirror between a single server and a cluster, both real."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.plugins.slot_routing.routed import plugin_of
from tests.reload.running import SettingsFile

from redis_middleware import middleware_of, wrap
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server
from redis_middleware.settings import watching
from redis_middleware_plugins.slot_routing import SlotRouting, SlotRoutingSettings
from redis_middleware_plugins.slot_routing.routes import CrossDeploymentError

KEYS = [f"key:{number}" for number in range(300)]
EVENTUALLY = 15.0
_SCRIPT = "return redis.call('INCR', KEYS[1])"


class Sides:
    """A single server that the client points at, the old side, and a cluster, the new one.

    Attributes:
        old: the single server.
        new: the cluster.
    """

    def __init__(self, old: Server, new: Cluster) -> None:
        self.old = old
        self.new = new
        self._old: Any = old.connect()
        self._new: Any = redis.RedisCluster.from_url(new.url)

    def close(self) -> None:
        """Close the connections that look at them."""
        self._old.close()
        self._new.close()

    def deployments(self) -> dict[str, Any]:
        """The table ``[slot_routing.deployments]``."""
        return {"cluster": {"url": self.new.url, "cluster": True}}

    def has(self, key: str) -> set[str]:
        """On which sides a key is."""
        sides = {"old": self._old, "new": self._new}
        return {name for name, client in sides.items() if client.exists(key)}

    def where(self) -> dict[str, set[str]]:
        """On which sides each of the keys is."""
        return {key: self.has(key) for key in KEYS}

    def set(self, key: str, value: str, *, new: str | None = None) -> None:
        """Set a key on both sides, past the client under test."""
        self._old.execute_command("SET", key, value)
        self._new.set(key, value if new is None else new)


@pytest.fixture
def sides(clean_standalone: Server, clean_cluster: Cluster) -> Iterator[Sides]:
    """The run's single server and its cluster, without keys."""
    made = Sides(clean_standalone, clean_cluster)
    yield made
    made.close()


def _wrapped(sides: Sides, **table: Any) -> Any:
    client = redis.Redis(port=sides.old.port)
    return wrap(client, {"slot_routing": _table(sides, **table)}, plugins=[SlotRouting])


def _table(sides: Sides, **table: Any) -> dict[str, Any]:
    return {"cluster": False, "deployments": sides.deployments(), **table}


ROUTES = [{"keys": "sessions:*", "to": "cluster"}]


def test_prefix_routes_send_keys_to_their_deployment(sides: Sides) -> None:
    """Single commands, pipelines, transactions, scripts and commands on several keys."""
    with _wrapped(sides, routes=ROUTES) as client:
        assert client.set("sessions:1", "s")
        assert client.set("user:1", "u")
        assert sides.has("sessions:1") == {"new"}
        assert sides.has("user:1") == {"old"}
        assert client.mget("user:1", "sessions:1", "sessions:2") == [b"u", b"s", None]
        with client.pipeline(transaction=False) as pipeline:
            for number in range(20):
                pipeline.set(f"sessions:{number}", number).set(f"user:{number}", number)
            assert all(pipeline.execute())
        assert sides.has("sessions:7") == {"new"}
        assert sides.has("user:7") == {"old"}
        with client.pipeline(transaction=True) as pipeline:
            pipeline.incr("{sessions:t}x").incr("{sessions:t}x")
            assert pipeline.execute() == [1, 2]
            pipeline.incr("sessions:t").incr("sessions:t")
            assert pipeline.execute() == [1, 2]
        assert sides.has("sessions:t") == {"new"}
        script = client.register_script("return redis.call('INCR', KEYS[1])")
        assert script(keys=["sessions:counter"]) == 1
        assert script(keys=["counter"]) == 1
        assert sides.has("sessions:counter") == {"new"}
        assert client.delete("user:1", "sessions:1", "sessions:2") == 3


def test_a_transaction_without_keys_is_of_the_deployment_that_is_watched(sides: Sides) -> None:
    """Keys of a route are watched: what has no keys of its own is carried out there too."""
    with (
        _wrapped(sides, routes=[{"keys": "c:*", "to": "cluster"}]) as client,
        client.pipeline() as pipe,
    ):
        pipe.watch("c:1")
        pipe.multi()
        pipe.info("cluster")
        (information,) = pipe.execute()
        assert information["cluster_enabled"] == 1


def test_watched_keys_are_of_one_deployment(sides: Sides) -> None:
    """A connection under WATCH is one to the deployment of its keys."""
    with _wrapped(sides, routes=ROUTES) as client, client.pipeline() as pipeline:
        pipeline.watch("sessions:w")
        assert pipeline.get("sessions:w") is None
        pipeline.multi()
        pipeline.set("sessions:w", "1")
        assert pipeline.execute() == [True]
        assert sides.has("sessions:w") == {"new"}
        with pytest.raises(CrossDeploymentError):
            pipeline.watch("sessions:w", "user:w")


def test_scripts_run_with_keys_of_any_deployment(sides: Sides) -> None:
    """By themselves, in pipelines and in transactions, also where only one side has them yet."""
    with _wrapped(sides, routes=[{"keys": "c:*", "to": "cluster"}]) as client:
        client.script_flush()
        script = client.register_script(_SCRIPT)
        sides.old.command("SCRIPT LOAD", _SCRIPT)
        for is_transaction in (False, True):
            client.delete("c:1")
            pipe = client.pipeline(transaction=is_transaction)
            script(keys=["c:1"], client=pipe)
            assert pipe.execute() == [1]
            client.script_flush()
            with client.pipeline(transaction=is_transaction) as pipe:
                pipe.watch("c:1")
                pipe.multi()
                script(keys=["c:1"], client=pipe)
                assert pipe.execute() == [2]
        assert [script(keys=["c:1"]), script(keys=["a"])] == [3, 1]


async def test_async_scripts_run_with_keys_of_any_deployment(sides: Sides) -> None:
    """The same for redis.asyncio."""
    bare = redis.asyncio.Redis(host=sides.old.host, port=sides.old.port)
    settings = {"slot_routing": _table(sides, routes=[{"keys": "c:*", "to": "cluster"}])}
    async with wrap(bare, settings, plugins=[SlotRouting]) as client:
        await client.script_flush()
        script = client.register_script(_SCRIPT)
        sides.old.command("SCRIPT LOAD", _SCRIPT)
        for is_transaction in (False, True):
            await client.delete("c:1")
            pipe = client.pipeline(transaction=is_transaction)
            await script(keys=["c:1"], client=pipe)
            await script(keys=["c:1"], client=pipe)
            assert await pipe.execute() == [1, 2]


def test_what_cannot_be_split_is_refused_and_not_sent(sides: Sides) -> None:
    """The client works on afterwards."""
    with _wrapped(sides, routes=ROUTES) as client:
        client.set("sessions:1", "s")
        with pytest.raises(CrossDeploymentError, match="RENAME was not sent"):
            client.rename("sessions:1", "user:1")
        with client.pipeline() as pipeline, pytest.raises(CrossDeploymentError):
            pipeline.set("sessions:1", "changed").set("user:1", "u").execute()
        assert client.get("sessions:1") == b"s"
        assert sides.has("user:1") == set()


async def test_routes_work_for_asyncio(sides: Sides) -> None:
    """The same flows."""
    client: Any = redis.asyncio.Redis(port=sides.old.port)
    table = _table(sides, routes=ROUTES)
    async with wrap(client, {"slot_routing": table}, plugins=[SlotRouting]):
        await client.set("sessions:1", "s")
        await client.set("user:1", "u")
        assert await client.mget("user:1", "sessions:1") == [b"u", b"s"]
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.get("sessions:1").get("user:1")
            assert await pipeline.execute() == [b"s", b"u"]
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.incr("sessions:t").incr("sessions:t")
            assert await pipeline.execute() == [1, 2]
    assert sides.has("sessions:1") == sides.has("sessions:t") == {"new"}
    assert sides.has("user:1") == {"old"}


def test_a_cluster_client_may_have_routes_too(sides: Sides) -> None:
    """From its own cluster to a single server."""
    client: Any = redis.RedisCluster.from_url(sides.new.url)
    table = {
        "routes": [{"keys": "sessions:*", "to": "single"}],
        "deployments": {"single": {"url": sides.old.url}},
    }
    with wrap(client, {"slot_routing": table}, plugins=[SlotRouting]):
        client.set("sessions:1", "s")
        client.set("user:1", "u")
        assert client.get("sessions:1") == b"s"
        assert client.get("user:1") == b"u"
    assert sides.has("sessions:1") == {"old"}
    assert sides.has("user:1") == {"new"}


class RolloutFile(SettingsFile):
    """A settings file with a rollout, which is changed while a client runs."""

    def __init__(self, path: Path, sides: Sides) -> None:
        super().__init__(path)
        self._sides = sides

    def roll_out(self, percent: float, mirror: float = 0) -> None:
        """Let so many percent of the keys be on the new side."""
        self.write(f"""
[slot_routing]
cluster = false

[slot_routing.deployments.cluster]
url = "{self._sides.new.url}"
cluster = true

[slot_routing.rollout]
to = "cluster"
percent = {percent}
mirror = {{ percent = {mirror} }}
""")


@pytest.fixture
def file(tmp_path: Path, sides: Sides, monkeypatch: pytest.MonkeyPatch) -> RolloutFile:
    """A settings file that is looked at with nearly every command."""
    monkeypatch.setattr(watching, "CHECK_INTERVAL", 0.001)
    return RolloutFile(tmp_path / "redis-middleware.toml", sides)


def _percent_in_force(client: Any) -> float:
    client.ping()
    rollout = plugin_of(client).settings.rollout
    assert rollout is not None
    return rollout.percent


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + EVENTUALLY
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_the_percentage_grows_in_the_file_while_the_client_runs(
    sides: Sides, file: RolloutFile
) -> None:
    """Keys move one way only; what is written goes to one side; both sides are counted."""
    file.roll_out(0)
    with redis.Redis(port=sides.old.port) as client:
        wrap(client, file.path, plugins=[SlotRouting])
        moved: set[str] = set()
        counted: Counter[str] = Counter()
        for percent in (0, 5, 25, 50, 100):
            file.roll_out(percent)
            _wait_until(lambda percent=percent: _percent_in_force(client) == percent)  # type: ignore[misc]
            sides.old.flush()
            sides.new.flush()
            for key in KEYS:
                client.set(key, percent)
                assert client.get(key) == str(percent).encode()
            where = sides.where()
            assert all(len(on) == 1 for on in where.values())
            new = {key for key, on in where.items() if on == {"new"}}
            assert moved <= new
            assert len(new) == pytest.approx(len(KEYS) * percent / 100, abs=25)
            moved = new
            counted["client"] += 2 * (len(KEYS) - len(new))
            counted["cluster"] += 2 * len(new)
        assert moved == set(KEYS)
        routes = plugin_of(client).counters.routes
        assert {name: routes[name].commands for name in routes} == counted
        assert all(counts.seconds > 0 and not counts.errors for counts in routes.values())
        (latency,) = [
            metric
            for metric in plugin_of(client).metrics()
            if metric.name == "slot_routing.route.latency"
        ]
        assert {reading.attributes["route"] for reading in latency.readings} == set(routes)


def test_keys_with_one_hash_tag_can_be_used_together_at_any_percentage(sides: Sides) -> None:
    """What a cluster allows never meets two deployments."""
    with _wrapped(sides, rollout={"to": "cluster", "percent": 50}) as client:
        for number in range(50):
            tag = f"{{user:{number}}}"
            client.sadd(f"{tag}:a", 1, 2)
            client.sadd(f"{tag}:b", 2, 3)
            assert client.sinterstore(f"{tag}:c", [f"{tag}:a", f"{tag}:b"]) == 1
            client.rename(f"{tag}:c", f"{tag}:d")
            assert client.smembers(f"{tag}:d") == {b"2"}
        counts = plugin_of(client).counters.routes
        assert set(counts) == {"client", "cluster"}


def test_failures_of_a_side_are_its_own(sides: Sides) -> None:
    """The new side refuses writes: its errors are counted there, the old side has none."""
    with _wrapped(sides, rollout={"to": "cluster", "percent": 50}) as client:
        failed = 0
        for key in KEYS[:100]:
            client.set(key, "text")
            try:
                if sides.has(key) == {"new"}:
                    client.incr(key)
            except redis.ResponseError:
                failed += 1
        routes = plugin_of(client).counters.routes
        assert failed > 20
        assert routes["cluster"].errors == {"ResponseError": failed}
        assert routes["client"].errors == {}


def test_reads_are_mirrored_and_compared_beside_the_commands(sides: Sides) -> None:
    """All of them at 100%; a key that differs on the new side is found and named."""
    for key in KEYS[:40]:
        sides.set(key, "same")
    sides.set("odd", "old", new="new")
    rollout = {"to": "cluster", "percent": 0, "mirror": {"percent": 100}}
    with _wrapped(sides, rollout=rollout) as client:
        for key in KEYS[:40]:
            assert client.get(key) == b"same"
        assert client.get("odd") == b"old"
        mirror = plugin_of(client).mirror
        assert mirror is not None
        _wait_until(lambda: mirror.waiting == 0 and sum(mirror.counts.values()) == 41)
        assert mirror.counts["same"] == 40
        assert mirror.counts["different"] == 1
        assert [difference.keys for difference in mirror.differences] == [(b"odd",)]
        outcomes = next(
            metric
            for metric in plugin_of(client).metrics()
            if metric.name == "slot_routing.mirror.reads"
        )
        assert {r.attributes["outcome"]: r.value for r in outcomes.readings}["same"] == 40


async def test_reads_are_mirrored_beside_asyncio_too(sides: Sides) -> None:
    """In a task of the loop."""
    for key in KEYS[:20]:
        sides.set(key, "same")
    rollout = {"to": "cluster", "percent": 0, "mirror": {"percent": 100}}
    client: Any = redis.asyncio.Redis(port=sides.old.port)
    table = _table(sides, rollout=rollout)
    async with wrap(client, {"slot_routing": table}, plugins=[SlotRouting]):
        for key in KEYS[:20]:
            assert await client.get(key) == b"same"
        mirror = plugin_of(client).mirror
        assert mirror is not None
        deadline = time.monotonic() + EVENTUALLY
        while sum(mirror.counts.values()) < 20:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert mirror.counts["same"] == 20


def test_a_new_side_that_is_gone_holds_nobody_up(sides: Sides) -> None:
    """Nothing listens there: reads of the old side are as before, failures are counted."""
    sides.set("k", "v")
    table = {
        "cluster": False,
        "deployments": {"gone": {"url": "redis://127.0.0.1:1"}},
        "rollout": {"to": "gone", "percent": 0, "mirror": {"percent": 100}},
    }
    client = redis.Redis(port=sides.old.port)
    with wrap(client, {"slot_routing": table}, plugins=[SlotRouting]):
        began = time.perf_counter()
        for _ in range(50):
            assert client.get("k") == b"v"
        assert time.perf_counter() - began < 2.0
        mirror = plugin_of(client).mirror
        assert mirror is not None
        _wait_until(lambda: mirror.counts["failed"] > 0)


def test_a_rollout_can_be_switched_off_in_the_file(sides: Sides, file: RolloutFile) -> None:
    """Back to 0: everything goes to the old side again, and mirroring ends."""
    file.roll_out(100, mirror=100)
    with redis.Redis(port=sides.old.port) as client:
        wrap(client, file.path, plugins=[SlotRouting])
        client.set("k", "v")
        assert sides.has("k") == {"new"}
        file.roll_out(0)
        _wait_until(lambda: _percent_in_force(client) == 0)
        client.set("k", "v")
        assert sides.has("k") == {"old", "new"}
        assert middleware_of(client).plugins["slot_routing"] is plugin_of(client)


def test_slots_of_keys_decide_whatever_their_type(sides: Sides) -> None:
    """A key as text, bytes or number is on the same side."""
    with _wrapped(sides, rollout={"to": "cluster", "percent": 50}) as client:
        for number in range(60):
            client.set(number, "int")
            assert client.get(str(number)) == b"int"
            assert client.get(str(number).encode()) == b"int"
            assert 0 <= key_slot(str(number).encode()) < 16_384


def test_which_metrics_there_are_never_changes(sides: Sides) -> None:
    """Exporters ask once for names: before a client is attached there are all of them."""
    before = {metric.name for metric in SlotRouting(SlotRoutingSettings()).metrics()}
    rollout = {"to": "cluster", "percent": 50, "mirror": {"percent": 100}}
    with _wrapped(sides, rollout=rollout, reading={"policy": "any"}) as client:
        for key in KEYS[:10]:
            client.get(key)
        metrics = list(plugin_of(client).metrics())
    assert {metric.name for metric in metrics} == before
    assert len(before) == len(metrics)
    for metric in metrics:
        labels = [tuple(sorted(reading.attributes.items())) for reading in metric.readings]
        assert len(set(labels)) == len(labels), metric.name
