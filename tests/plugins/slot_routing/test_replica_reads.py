"""Reading from the replicas of real clusters, with clients of every kind."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Cluster, Server, cluster
from redis_middleware.readings import Reading
from redis_middleware_plugins.slot_routing import SlotRouting

KEYS = [f"key:{number}" for number in range(60)]
EVENTUALLY = 15.0


@contextmanager
def reading(
    servers: Cluster, kind: str = "plain", *, socket_timeout: float | None = None, **table: Any
) -> Iterator[Any]:
    """A sync client of a kind, with ``[slot_routing.reading]``."""
    server = servers.nodes[0]
    make: Any = redis.Redis if kind == "plain" else redis.RedisCluster
    client = make(host=server.host, port=server.port, socket_timeout=socket_timeout)
    try:
        yield wrap(client, {"slot_routing": {"reading": table}}, plugins=[SlotRouting])
    finally:
        client.close()


@asynccontextmanager
async def reading_async(servers: Cluster, kind: str, **table: Any) -> AsyncIterator[Any]:
    """The same for redis.asyncio."""
    server = servers.nodes[0]
    make: Any = redis.asyncio.Redis if kind == "plain" else redis.asyncio.RedisCluster
    client = make(host=server.host, port=server.port)
    try:
        yield wrap(client, {"slot_routing": {"reading": table}}, plugins=[SlotRouting])
    finally:
        await client.aclose()


def _calls(server: Server, *names: str) -> int:
    with server.connect() as client:
        statistics: Any = client.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {}).get("calls", 0) for name in names)


class Reads:
    """How many reads the primaries and the replicas have served since it was made."""

    def __init__(self, servers: Cluster, *names: str) -> None:
        self._servers = servers
        self._names = names or ("get", "mget")
        self._before = {node: _calls(node, *self._names) for node in servers.nodes}

    def at(self, *nodes: Server) -> int:
        """How many these servers have served."""
        return sum(_calls(node, *self._names) - self._before[node] for node in nodes)

    @property
    def shares(self) -> tuple[int, int]:
        """How many the primaries, and how many the replicas have served."""
        return self.at(*self._servers.primaries), self.at(*self._servers.replicas)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + EVENTUALLY
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _filled(servers: Cluster) -> None:
    client = redis.RedisCluster.from_url(servers.url)
    for key in KEYS:
        client.set(key, key)
    client.close()
    for replica in servers.replicas:
        _wait_until(lambda replica=replica: _has_all(replica))  # type: ignore[misc]


def _has_all(replica: Server) -> bool:
    with replica.connect() as client:
        facts: Any = client.info("replication")
        primary = redis.Redis(host=facts["master_host"], port=facts["master_port"])
        offset: Any = primary.info("replication")
        primary.close()
    return bool(facts["slave_repl_offset"] >= offset["master_repl_offset"])


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_reads_go_to_replicas_and_writes_to_primaries(clean_cluster: Cluster, kind: str) -> None:
    """Single commands, pipelines and commands of several keys; the replies are right."""
    _filled(clean_cluster)
    with reading(clean_cluster, kind, policy="prefer_replica") as client:
        reads = Reads(clean_cluster)
        assert [client.get(key) for key in KEYS] == [key.encode() for key in KEYS]
        with client.pipeline(transaction=False) as pipeline:
            for key in KEYS:
                pipeline.get(key)
            assert pipeline.execute() == [key.encode() for key in KEYS]
        assert reads.shares == (0, 2 * len(KEYS))
        writes = Reads(clean_cluster, "set")
        client.set(KEYS[0], "new")
        assert writes.at(*clean_cluster.primaries) == 1


@pytest.mark.parametrize("kind", ["plain", "cluster"])
async def test_the_same_holds_for_asyncio(clean_cluster: Cluster, kind: str) -> None:
    """With the clients of redis.asyncio."""
    _filled(clean_cluster)
    async with reading_async(clean_cluster, kind, policy="prefer_replica") as client:
        reads = Reads(clean_cluster)
        assert [await client.get(key) for key in KEYS] == [key.encode() for key in KEYS]
        async with client.pipeline(transaction=False) as pipeline:
            for key in KEYS:
                pipeline.get(key)
            assert await pipeline.execute() == [key.encode() for key in KEYS]
        assert reads.shares == (0, 2 * len(KEYS))


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_parts_of_split_commands_go_to_replicas(clean_cluster: Cluster, kind: str) -> None:
    """An MGET over all slots, in the order of its keys."""
    _filled(clean_cluster)
    with reading(clean_cluster, kind, policy="prefer_replica") as client:
        reads = Reads(clean_cluster)
        assert client.mget(KEYS) == [key.encode() for key in KEYS]
        primaries, replicas = reads.shares
        assert primaries == 0
        assert replicas >= 3


def test_transactions_stay_at_the_primary(clean_cluster: Cluster) -> None:
    """Reads in them, too, and reads under WATCH."""
    _filled(clean_cluster)
    with reading(clean_cluster, policy="prefer_replica") as client:
        reads = Reads(clean_cluster)
        with client.pipeline() as pipeline:
            pipeline.watch(KEYS[0])
            assert pipeline.get(KEYS[0]) == KEYS[0].encode()
            pipeline.multi()
            pipeline.get(KEYS[0])
            assert pipeline.execute() == [KEYS[0].encode()]
        assert reads.shares == (2, 0)


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_what_was_just_written_is_read(clean_cluster: Cluster, kind: str) -> None:
    """However it was written: by a command, a pipeline, a transaction, a script."""
    with reading(clean_cluster, kind, policy="prefer_replica", after_write="1 min") as client:
        reads = Reads(clean_cluster)
        for key in KEYS:
            client.set(key, "1")
            assert client.get(key) == b"1"
        for key in KEYS[:20]:
            with client.pipeline(transaction=kind == "plain") as pipeline:
                pipeline.incr(f"{{{key}}}:p")
                pipeline.execute()
            assert client.get(f"{{{key}}}:p") == b"1"
            client.eval("redis.call('SET', KEYS[1], ARGV[1])", 1, f"{{{key}}}:s", "2")
            assert client.get(f"{{{key}}}:s") == b"2"
        assert reads.shares == (len(KEYS) + 40, 0)
        client.get("never written")
        assert reads.shares[1] == 1


def test_a_read_behind_a_write_in_one_pipeline_sees_it(clean_cluster: Cluster) -> None:
    """They go out at once: the read must not go to a replica that does not know yet."""
    with reading(clean_cluster, policy="prefer_replica") as client:
        for number in range(20):
            with client.pipeline(transaction=False) as pipeline:
                for key in KEYS:
                    pipeline.set(key, f"{number}")
                    pipeline.get(key)
                replies = pipeline.execute()
            assert replies[1::2] == [str(number).encode()] * len(KEYS)


def test_after_the_time_a_written_key_is_read_from_replicas_again(clean_cluster: Cluster) -> None:
    """The primary is not read for ever."""
    with reading(clean_cluster, policy="prefer_replica", after_write="0.1 s") as client:
        client.set("k", "v")
        reads = Reads(clean_cluster)

        def is_read_from_a_replica() -> bool:
            assert client.get("k") == b"v"
            return reads.shares[1] > 0

        _wait_until(is_read_from_a_replica)


@pytest.mark.parametrize("policy", ["any", "lowest_latency", "same_zone"])
def test_the_other_policies_read_what_is_there(clean_cluster: Cluster, policy: str) -> None:
    """Whichever node they choose; ``any`` and ``lowest_latency`` use primaries too."""
    _filled(clean_cluster)
    zones = {f"127.0.0.1:{node.port}": "here" for node in clean_cluster.replicas}
    with reading(clean_cluster, policy=policy, zone="here", zones=zones) as client:
        reads = Reads(clean_cluster)
        for _ in range(5):
            assert [client.get(key) for key in KEYS] == [key.encode() for key in KEYS]
        primaries, replicas = reads.shares
        assert primaries + replicas == 5 * len(KEYS)
        assert replicas > 0
        assert (primaries > 0) == (policy != "same_zone")


def test_zones_are_those_that_the_servers_tell(clean_cluster: Cluster) -> None:
    """Each server knows its own, and the cluster tells all of them."""
    _filled(clean_cluster)
    try:
        for replica in clean_cluster.replicas:
            replica.command("CONFIG SET", "availability-zone", "near")
    except redis.ResponseError:
        pytest.skip("servers of this version have no availability zones")
    try:
        asked = clean_cluster.nodes[0]
        _wait_until(lambda: str(asked.command("CLUSTER SLOTS")).count("near") == 3)
        with reading(clean_cluster, policy="same_zone", zone="near") as client:
            reads = Reads(clean_cluster)
            assert [client.get(key) for key in KEYS] == [key.encode() for key in KEYS]
            assert reads.shares == (0, len(KEYS))
        with reading(clean_cluster, policy="same_zone", zone="elsewhere") as client:
            assert client.get(KEYS[0]) == KEYS[0].encode()
    finally:
        for replica in clean_cluster.replicas:
            replica.command("CONFIG SET", "availability-zone", "")


def test_bounded_staleness_is_measured(clean_cluster: Cluster) -> None:
    """Primaries serve until the replicas are known to be in step, then replicas do."""
    _filled(clean_cluster)
    bounds: dict[str, Any] = {"max_lag_bytes": 0, "max_lag_seconds": 5, "check_every": 0.1}
    with reading(clean_cluster, policy="prefer_replica", **bounds) as client:
        reads = Reads(clean_cluster)

        def replicas_serve() -> bool:
            return client.get(KEYS[0]) == KEYS[0].encode() and reads.shares[1] > 0

        _wait_until(replicas_serve)
        plugin = middleware_of(client).plugins["slot_routing"]
        lags = {metric.name: metric.readings for metric in plugin.metrics()}
        assert _values(lags["slot_routing.replica.lag"]) == [0, 0, 0]
        assert all(0 <= age < 5 for age in _values(lags["slot_routing.replica.age"]))


def _values(readings: Any) -> list[float]:
    return [reading.value for reading in readings if isinstance(reading, Reading)]


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_a_replica_that_is_killed_or_cut_off_is_not_read(kind: str) -> None:
    """Reads go on without a failure, at the primary; and return to the replica afterwards."""
    with cluster(primaries=1, replicas=1) as servers:
        (primary,), (replica,) = servers.primaries, servers.replicas
        _filled(servers)
        table: dict[str, Any] = {
            "policy": "prefer_replica",
            "check_every": 0.1,
            "after_write": 0,
        }
        with reading(servers, kind, **table) as client:
            reads = Reads(servers)
            assert client.get(KEYS[0]) == KEYS[0].encode()
            assert reads.shares == (0, 1)

            # Its link to the primary is down, and it would serve what it had.
            replica.command("CONFIG SET", "masteruser", "nobody")
            replica.command("CONFIG SET", "masterauth", "wrong")
            primary.command("CLIENT KILL", "TYPE", "replica")
            client.set(KEYS[0], "changed")
            _wait_until(lambda: client.get(KEYS[0]) == b"changed")
            _wait_until(lambda: _is_read_at(client, servers, primary))

            replica.command("CONFIG SET", "masteruser", "")
            replica.command("CONFIG SET", "masterauth", "")
            _wait_until(lambda: _is_read_at(client, servers, replica))

            replica.kill()
            for _ in range(20):
                assert client.get(KEYS[0]) == b"changed"
            assert _calls(primary, "get") > 0
            replica.restart()
            _wait_until(lambda: _is_read_at(client, servers, replica))


def _is_read_at(client: Any, servers: Cluster, server: Server) -> bool:
    """Whether five reads all go to one server."""
    reads = Reads(servers)
    for _ in range(5):
        client.get(KEYS[0])
    return reads.at(server) == 5


def test_no_read_is_older_than_its_bound() -> None:
    """While somebody else writes the time all the time, and the replica is paused now and then.

    The writer is another client, so that its keys do not count as just written.
    """
    bound = 0.5
    with cluster(primaries=1, replicas=1) as servers:
        (replica,) = servers.replicas
        writer = redis.Redis(port=servers.primaries[0].port)
        writer.set("time", time.monotonic())
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                writer.set("time", time.monotonic())

        def pause() -> None:
            while not ended.wait(0.2):
                replica.pause()
                ended.wait(0.4)
                replica.resume()

        threads = [threading.Thread(target=write), threading.Thread(target=pause)]
        table: dict[str, Any] = {
            "policy": "prefer_replica",
            "max_lag_seconds": bound,
            "check_every": 0.05,
        }
        try:
            with reading(servers, socket_timeout=0.1, **table) as client:
                reads = Reads(servers)
                for thread in threads:
                    thread.start()
                oldest = 0.0
                until = time.monotonic() + 2
                while time.monotonic() < until:
                    began = time.monotonic()
                    oldest = max(oldest, began - float(client.get("time")))
                ended.set()
                for thread in threads:
                    thread.join()
                assert reads.shares[1] > 0
        finally:
            ended.set()
            writer.close()
    # What is read was written by then; the writer itself needs a moment for each write.
    assert oldest <= bound + 0.1


def _works_in_the_background() -> bool:
    """Whether a thread measures replicas, of any client."""
    return any(":replicas" in thread.name for thread in threading.enumerate())


def test_reading_primaries_asks_for_nothing(clean_cluster: Cluster) -> None:
    """The default has no background work, and replicas are not connected to."""
    with reading(clean_cluster, policy="primary") as client:
        client.get("k")
        assert not _works_in_the_background()
    with reading(clean_cluster, policy="any") as client:
        client.get("k")
        assert _works_in_the_background()


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_several_keys_that_were_just_written_are_read(clean_cluster: Cluster, kind: str) -> None:
    """By commands that are split, in transactions, and under WATCH."""
    with reading(clean_cluster, kind, policy="prefer_replica", after_write="1 min") as client:
        reads = Reads(clean_cluster)
        same = [f"{{tag}}:{number}" for number in range(4)]
        client.mset(dict.fromkeys(same, "1"))
        assert client.mget(same) == [b"1"] * 4
        client.mset(dict.fromkeys(KEYS, "1"))
        assert client.mget(KEYS) == [b"1"] * len(KEYS)
        if kind == "plain":
            with client.pipeline() as pipeline:
                pipeline.watch("watched")
                pipeline.set("watched", "1")
            assert client.get("watched") == b"1"
        with client.pipeline(transaction=True) as pipeline:
            pipeline.set("{t}:a", "1").set("{t}:b", "1").execute()
        assert client.mget("{t}:a", "{t}:b") == [b"1", b"1"]
        assert reads.shares[1] == 0


async def test_the_same_holds_for_asyncio_after_writes(clean_cluster: Cluster) -> None:
    """What a task wrote it reads."""
    async with reading_async(clean_cluster, "plain", policy="any", after_write="1 min") as client:
        reads = Reads(clean_cluster)
        for key in KEYS:
            await client.set(key, "1")
            assert await client.get(key) == b"1"
        assert reads.shares == (len(KEYS), 0)
