"""Counting on real servers, with every kind of client and every way to send."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_middleware import Middleware, middleware_of, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.key_access import KeyAccess, KeyReport, Report


def _wrapped(client: Any, **settings: Any) -> tuple[Any, KeyAccess]:
    wrapped = wrap(client, {"key_access": {**settings}}, plugins=[KeyAccess])
    plugin = middleware_of(wrapped).plugins["key_access"]
    assert isinstance(plugin, KeyAccess)
    return wrapped, plugin


def _counts(report: Report) -> dict[bytes, tuple[int, int]]:
    return {
        key.key: (int(key.reads.estimate), int(key.writes.estimate))
        for key in report.windows[0].keys
    }


def _of(report: Report, key: bytes) -> KeyReport:
    return next(found for found in report.windows[0].keys if found.key == key)


def _bugs(client: Any) -> int:
    handle: Middleware = middleware_of(client)
    return sum(sum(bugs.values()) for bugs in handle.bugs.values())


def _use(client: Any) -> None:
    client.set("{t}a", "x" * 100)
    client.get("{t}a")
    client.get("{t}none")
    client.mget("{t}a", "{t}b", "{t}a")
    client.mset({"{t}b": "1", "{t}c": "2"})
    pipe = client.pipeline(transaction=False)
    pipe.incr("{t}n").get("{t}a").hset("{t}h", "f", "v")
    pipe.execute()
    client.eval("return redis.call('GET', KEYS[1])", 1, "{t}a")
    client.ping()


EXPECTED = {
    b"{t}a": (3, 2),
    b"{t}none": (1, 0),
    b"{t}b": (1, 1),
    b"{t}c": (0, 1),
    b"{t}n": (0, 1),
    b"{t}h": (0, 1),
}


def test_every_access_is_counted(clean_standalone: Server) -> None:
    """Single commands, pipelines, scripts and commands of several keys, each key once."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    _use(client)
    counts = _counts(plugin.report())
    # What the script does with its key is not known: EVAL may write.
    assert counts == EXPECTED
    assert _bugs(client) == 0


def test_every_access_is_counted_on_a_cluster(clean_cluster: Cluster) -> None:
    """The same with a cluster client, which knows the node of each key."""
    client, plugin = _wrapped(redis.RedisCluster.from_url(clean_cluster.url))
    _use(client)
    for number in range(60):
        client.get(f"key:{number}")
    report = plugin.report(1000)
    counts = _counts(report)
    assert {key: counts[key] for key in EXPECTED} == EXPECTED
    assert len(report.nodes) == 3
    assert {node.name for node in report.nodes} == {
        f"{server.host}:{server.port}" for server in clean_cluster.primaries
    }
    assert report.imbalance is not None
    assert report.imbalance > 1
    key = _of(report, b"key:7")
    owner = client.get_node_from_key("key:7")
    assert key.slot == client.keyslot("key:7")
    assert key.node == f"{owner.host}:{owner.port}"
    assert _bugs(client) == 0


@pytest.mark.parametrize("is_cluster", [False, True])
async def test_every_access_is_counted_by_async_clients(
    clean_standalone: Server, clean_cluster: Cluster, is_cluster: bool
) -> None:
    """The same with the clients of redis.asyncio."""
    made: Any = (
        redis.asyncio.RedisCluster.from_url(clean_cluster.url)
        if is_cluster
        else redis.asyncio.Redis(port=clean_standalone.port)
    )
    client, plugin = _wrapped(made)
    await client.set("{t}a", "x")
    await client.mget("{t}a", "{t}b", "{t}a")
    pipe = client.pipeline(transaction=False)
    pipe.get("{t}a")
    pipe.incr("{t}n")
    await pipe.execute()
    assert _counts(plugin.report()) == {b"{t}a": (2, 1), b"{t}b": (1, 0), b"{t}n": (0, 1)}
    assert _bugs(client) == 0
    await client.aclose()


def test_transactions_are_counted(clean_standalone: Server) -> None:
    """Commands between MULTI and EXEC, those under WATCH, and one that the server refuses."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    client.set("list", "no list")

    def change(pipe: Any) -> None:
        value = int(pipe.get("n") or 0)
        pipe.multi()
        pipe.set("n", value + 1)
        pipe.get("n")

    client.transaction(change, "n")
    pipe = client.pipeline()
    pipe.lpush("list", "x").get("other")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        pipe.execute()
    counts = _counts(plugin.report())
    assert counts[b"n"][0] >= 2
    assert counts[b"n"][1] == 1
    assert counts[b"list"] == (0, 2)
    assert counts[b"other"] == (1, 0)
    assert _bugs(client) == 0


def test_bytes_are_those_of_arguments_and_replies(clean_standalone: Server) -> None:
    """Keys, values and replies add up; MGET's values go to their keys."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    client.set("big", "x" * 1000)
    client.set("small", "y")
    client.get("big")
    client.mget("big", "small")
    client.hset("hash", mapping={f"field:{number:04}": "z" * 90 for number in range(1000)})
    client.hgetall("hash")
    report = plugin.report()
    assert _of(report, b"big").size.estimate == pytest.approx(3 * 1000 + 4 * 3, abs=10)
    assert _of(report, b"small").size.estimate < 40
    assert _of(report, b"hash").size.estimate == pytest.approx(200_000, rel=0.02)
    assert report.windows[0].by_size[0].key == b"hash"


def test_many_threads_lose_nothing(clean_standalone: Server) -> None:
    """Eight threads, each with its share of the same keys: the sums are exact."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))

    def work() -> None:
        for number in range(500):
            client.get(f"key:{number % 5}")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _counts(plugin.report()) == {b"key:%d" % number: (800, 0) for number in range(5)}


def test_keys_of_any_kind(clean_standalone: Server) -> None:
    """Keys that are no text, empty, very long, integers, memoryviews: counted, never an error."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    long_key = b"long:" + b"x" * 1_000_000
    # redis-py 7 with hiredis refuses a bytearray.
    array = bytearray(b"array") if redis.__version__ >= "8" else b"array"
    for key in (b"\xff\xfe", b"", 12, 1.5, memoryview(b"view"), array, long_key):
        client.get(key)
    client.get(long_key)
    report = plugin.report()
    counts = _counts(report)
    for expected in (b"\xff\xfe", b"", b"12", b"1.5", b"view", b"array"):
        assert counts[expected] == (1, 0)
    (long_one,) = [key for key in report.windows[0].keys if key.key.startswith(b"long:")]
    assert long_one.accesses.estimate == 2
    assert len(long_one.key) < 200
    assert report.to_json()
    assert _bugs(client) == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
async def test_other_encodings(clean_standalone: Server, encoding: str) -> None:
    """A client whose text is not UTF-8 on the wire is counted by what it sends."""
    client, plugin = _wrapped(redis.asyncio.Redis(port=clean_standalone.port, encoding=encoding))
    async with client:
        await client.set(b"key", 1)
        await client.get("text")
    assert _counts(plugin.report()) == {b"key": (0, 1), "text".encode(encoding): (1, 0)}


def test_what_was_never_sent_is_not_counted(clean_standalone: Server) -> None:
    """Arguments that redis-py refuses, commands without keys and unknown commands."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    with pytest.raises(redis.DataError):
        client.set("key", None)
    with pytest.raises(redis.DataError):
        client.get(object())
    with pytest.raises(UnicodeEncodeError):
        client.get("\ud800")
    client.ping()
    client.dbsize()
    with pytest.raises(redis.ResponseError):
        client.execute_command("NO.SUCH", "key")
    with pytest.raises(redis.ResponseError):
        client.execute_command("NO.SUCH", "key", keys=["key"])
    with pytest.raises(redis.ResponseError):
        client.execute_command("GET")
    # redis-py names the key of an unknown command: it was accessed, for all that is known.
    assert _counts(plugin.report()) == {b"key": (0, 1)}
    assert _bugs(client) == 0


def test_lost_connections_count_as_accesses() -> None:
    """The application did access the key, though no server answered."""
    client, plugin = _wrapped(redis.Redis(port=1, retry=Retry(NoBackoff(), 0)))
    with pytest.raises(redis.ConnectionError):
        client.get("key")
    assert _counts(plugin.report()) == {b"key": (1, 0)}


def test_a_bug_in_statistics_breaks_no_command(
    clean_standalone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command goes on, the bug is counted."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))

    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("redis_middleware_plugins.key_access.counter.arguments_size", fail)
    client.set("key", "value")
    assert client.get("key") == b"value"
    assert middleware_of(client).bugs["key_access"]["ZeroDivisionError"] == 2
    assert _counts(plugin.report()) == {}


def test_sampling_in_pipelines(clean_standalone: Server) -> None:
    """Of a pipeline's commands, too, only one in ten is counted on average."""
    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port), sampling=10)
    for _ in range(10):
        pipe = client.pipeline(transaction=False)
        for _ in range(500):
            pipe.get("key")
        pipe.execute()
    found = _of(plugin.report(), b"key").accesses
    assert found.lower <= 5000 <= found.upper
    assert 3500 <= found.estimate <= 6500


def test_the_breakdown(clean_standalone: Server) -> None:
    """Groups by rule and by words, commands, and what there is no room for as overflow."""
    client, plugin = _wrapped(
        redis.Redis(port=clean_standalone.port), groups=["cart:{who}"], most_groups=2
    )
    for number in range(10):
        client.get(f"user:{number}:profile")
        client.get(f"cart:name{number}")
    client.set("first", 1)
    client.set("second", 1)
    report = plugin.report()
    assert {part.name: part.accesses for part in report.groups} == {
        "user:*:profile": 10,
        "cart:{who}": 10,
        "overflow": 2,
    }
    assert {part.name: part.accesses for part in report.commands} == {"GET": 20, "SET": 2}
    assert {part.error for part in report.groups} == {0.0}
    assert _of(report, b"user:3:profile").group == "user:*:profile"


def test_a_forked_process_counts_by_itself(clean_standalone: Server) -> None:
    """The child begins with nothing counted, and its clients go on."""
    import os

    client, plugin = _wrapped(redis.Redis(port=clean_standalone.port))
    client.get("parent")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        client.get("child")
        os.write(writing, repr(sorted(_counts(plugin.report()))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1000) == b"[b'child']"
    os.close(reading)
    os.close(writing)
    assert _counts(plugin.report()) == {b"parent": (1, 0)}
