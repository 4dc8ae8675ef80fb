"""slow_log around real clients: what it says of servers, pipelines and changing settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from tests.plugins.forking import works_in_a_child

from redis_middleware import middleware_of, wrap
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.slow_log import SlowEntry, SlowLog, SlowLogSettings

ALL = {"slow_log": {"threshold": 0, "batch_threshold": 0}}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("redis_middleware.slow_log")
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(logging.NOTSET)


def entries_of(client: object) -> tuple[SlowEntry, ...]:
    """What the client's slow_log has."""
    plugin: SlowLog = middleware_of(client).plugins["slow_log"]
    return plugin.entries()


def test_a_sync_client(clean_standalone: Server) -> None:
    """Single commands, pipelines, transactions and commands under WATCH each have their place."""
    with redis.Redis.from_url(clean_standalone.url) as client:
        wrap(client, ALL, plugins=[SlowLog])
        client.set("k", "123")
        with client.pipeline(transaction=False) as pipe:
            pipe.get("k").incr("k").execute()
        with client.pipeline() as pipe:
            pipe.watch("k")
            pipe.get("k")
            pipe.multi()
            pipe.incr("k")
            pipe.execute()
        entries = entries_of(client)
    assert [(entry.name, entry.place) for entry in entries] == [
        ("SET", "single"),
        ("PIPELINE", "pipeline"),
        ("WATCH", "watch"),
        ("GET", "watch"),
        ("TRANSACTION", "transaction"),
    ]
    assert all(entry.keys == ("k",) for entry in entries)
    address = f"{clean_standalone.host}:{clean_standalone.port}"
    assert all(entry.servers == (address,) for entry in entries)
    assert entries[1].commands == {"GET": 1, "INCRBY": 1}


async def test_an_async_client(clean_standalone: Server) -> None:
    """The same plugin serves redis.asyncio."""
    async with redis.asyncio.Redis.from_url(clean_standalone.url) as client:
        wrap(client, ALL, plugins=[SlowLog])
        await client.set("k", "123")
        async with client.pipeline() as pipe:
            pipe.get("k")
            pipe.incr("k")
            await pipe.execute()
        entries = entries_of(client)
    assert [entry.name for entry in entries] == ["SET", "TRANSACTION"]
    assert entries[1].reply_size == 6


def test_on_a_cluster_the_primaries_are_named(clean_cluster: Cluster) -> None:
    """A command names the primary of its slot, a pipeline all that it went to."""
    keys = [f"k{number}" for number in range(50)]
    with redis.RedisCluster.from_url(clean_cluster.url) as client:
        wrap(client, ALL, plugins=[SlowLog])
        client.set(keys[0], 1)
        with client.pipeline() as pipe:
            for key in keys:
                pipe.get(key)
            pipe.execute()
        node = client.nodes_manager.slots_cache[key_slot(keys[0].encode())][0]
        primaries = {f"{node.host}:{node.port}" for node in client.get_primaries()}
        single, pipeline = entries_of(client)
    assert single.servers == (f"{node.host}:{node.port}",)
    assert set(pipeline.servers) == primaries
    assert len(primaries) == 3


def test_an_error_of_the_server_keeps_values_out(
    clean_standalone: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A server quotes arguments in some errors; neither entry nor log has them."""
    logging.getLogger("redis_middleware.slow_log").setLevel(logging.WARNING)
    with redis.Redis.from_url(clean_standalone.url) as client:
        wrap(client, ALL, plugins=[SlowLog])
        with pytest.raises(redis.ResponseError, match="hunter2"):
            client.execute_command("NOSUCH", "hunter2")
        (entry,) = entries_of(client)
    assert entry.errors == {"ResponseError": 1}
    assert "hunter2" not in str(entry.as_dict())
    assert "NOSUCH took" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_changed_file_changes_the_running_plugin(
    clean_standalone: Server, tmp_path: Path
) -> None:
    """Another threshold, and now and then a command that it wants: the entries stay."""
    file = tmp_path / "redis-middleware.toml"
    file.write_text("[slow_log]\nthreshold = 0\n")
    with redis.Redis.from_url(clean_standalone.url) as client:
        wrap(client, file, plugins=[SlowLog])
        client.set("k", 1)
        client.blpop("list", timeout=0.01)
        file.write_text("[slow_log]\nthreshold = 60\nthresholds = { BLPOP = 0 }\n")
        middleware_of(client).reload()
        client.get("k")
        client.blpop("list", timeout=0.01)
        assert [entry.name for entry in entries_of(client)] == ["SET", "BLPOP"]


class _Halting(float):
    """Seconds that hold up the thread in which they are forgotten, until told to go on."""

    forgotten = threading.Event()
    goes_on = threading.Event()

    def __sub__(self, other: float) -> _Halting:
        return self

    def __del__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.forgotten.set()
            assert self.goes_on.wait(60)


def test_a_forked_process_logs_by_itself(clean_standalone: Server) -> None:
    """Forked off while another thread drops an old entry, a child begins with none and logs on."""
    readings = iter([0.0, _Halting(1)])
    settings = SlowLogSettings(threshold=0, keep=1)
    slow_log = SlowLog(settings, clock=lambda: next(readings, 0.0))
    with redis.Redis.from_url(clean_standalone.url) as client:
        wrap(client, {}, plugins=[slow_log])
        client.get("first")
        thread = threading.Thread(target=client.get, args=("second",), daemon=True)
        thread.start()
        try:
            assert _Halting.forgotten.wait(60)

            def log() -> None:
                assert slow_log.total == 0
                client.get("third")
                assert [entry.keys for entry in slow_log.entries()] == [("third",)]
                assert slow_log.total == 1

            assert works_in_a_child(log)
        finally:
            _Halting.goes_on.set()
            thread.join(60)
        assert [entry.keys for entry in slow_log.entries()] == [("second",)]
        assert slow_log.total == 2
