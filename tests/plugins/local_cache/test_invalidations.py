"""The connection for invalidations: what comes on it, how it is lost, who refuses it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)

from redis_middleware import Command, Flow, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Cluster, Server, cluster, standalone
from redis_middleware_plugins.local_cache import LocalCache, LocalCacheSettings
from redis_middleware_plugins.local_cache.messages import invalidated_keys
from redis_middleware_plugins.local_cache.reports import Reports
from redis_middleware_plugins.local_cache.rules import Rules
from redis_middleware_plugins.local_cache.store import Store


def _kill_listener(server: redis.Redis) -> None:
    """End the connections that nobody but a listener has: those that are told of keys."""
    for each in server.client_list():
        if "B" in each["flags"] or "t" in each["flags"]:
            server.client_kill_filter(_id=each["id"])


def test_flush_drops_everything(clean_standalone: Server) -> None:
    """FLUSHALL by another client, whose message names no keys, drops everything."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client))
        for number in range(10):
            client.get(f"k{number}")
        wait_until(lambda: len(cache_of(client).store) == 10)
        with redis.Redis(port=clean_standalone.port) as other:
            other.set("x", 1)
            other.flushall()
        wait_until(lambda: len(cache_of(client).store) == 0, "dropped")


def test_lost_connection(clean_standalone: Server) -> None:
    """When the connection is lost everything is dropped; it comes back, and the loss is counted."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client))
        client.get("k")
        wait_until(lambda: client.get("k") is None and len(cache_of(client).store) == 1)
        with redis.Redis(port=clean_standalone.port) as other:
            _kill_listener(other)
            wait_until(lambda: cache_of(client).statistics().losses == 1, "noticed")
            wait_until(is_on(client), "back")
            assert len(cache_of(client).store) == 0
            other.set("k", "new")
        wait_until(lambda: client.get("k") == b"new")


def test_last_values_outlive_the_server() -> None:
    """With stale_if_error a read is answered while the server is down, and marked."""
    with standalone() as server:
        rules = [{"keys": "*", "stale_if_error": 60}]
        bare = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
        with cached(bare, rules, check_every=0.1) as client:
            wait_until(is_on(client))
            client.set("k", "last")
            wait_until(lambda: cache_of(client).statistics().messages, "the write was reported")
            wait_until(lambda: client.get("k") == b"last" and len(cache_of(client).store) == 1)
            server.kill()
            wait_until(lambda: cache_of(client).state == "lost")
            for _ in range(30):
                # For longer than it takes until nobody is trusted to have heard of writes.
                assert client.get("k") == b"last"
                time.sleep(0.01)
            with pytest.raises(redis.ConnectionError):
                client.mget("k", "never read")
            assert client.get("k") == b"last"
            assert cache_of(client).statistics().rules["*"].served_on_error >= 30
            with pytest.raises(redis.ConnectionError):
                client.get("never read")
            server.restart()
            wait_until(is_on(client), "on again")
            assert client.get("k") is None


@pytest.mark.parametrize("falls_back", [True, False])
def test_refused_by_acl(falls_back: bool) -> None:
    """A user who may not CLIENT TRACKING gets a clear message, or caches by TTL if allowed."""
    with standalone() as server:
        with redis.Redis(port=server.port) as admin:
            admin.acl_setuser(
                "app",
                enabled=True,
                nopass=True,
                keys=["*"],
                categories=["+@all"],
                commands=["-client|tracking"],
            )
        bare = redis.Redis(port=server.port, username="app", password="any")
        with cached(bare, fall_back_to_ttl=falls_back) as client:
            plugin = cache_of(client)
            if falls_back:
                wait_until(is_on(client))
                client.set("k", "v")
                wait_until(lambda: client.get("k") == b"v" and len(plugin.store) == 1)
            else:
                wait_until(lambda: plugin.state == "refused")
                assert "client|tracking" in plugin.statistics().reason
                assert client.get("k") is None
                assert len(plugin.store) == 0


@pytest.mark.parametrize(
    "message",
    [[b"invalidate"], [b"invalidate", b"k"], [b"invalidate", [1]], [b"message", b"other", [b"k"]]],
)
def test_broken_messages(message: list[Any]) -> None:
    """A message that makes no sense is told from those that do, and drops everything."""
    with pytest.raises(ValueError, match="expected"):
        invalidated_keys(message)
    (rule,) = Rules(LocalCacheSettings.model_validate({"rules": [{"keys": "*"}]}).rules)
    store, reports = Store(10, 10_000, "lru", lambda: 0.0, lambda: 0.0), Reports()
    store.open()
    flight = store.begin(("GET", b"k"), b"k", rule)
    assert flight is not None
    store.keep(flight, b"v")
    reports.handle(message, store)
    assert (len(store), reports.messages, reports.malformed) == (0, 1, 1)


def test_settings_file_is_the_emergency_answer(clean_standalone: Server, tmp_path: Path) -> None:
    """A rule added to the file takes effect in a running client, and others' entries stay."""
    path = tmp_path / "redis-middleware.toml"
    path.write_text('[[local_cache.rules]]\nkeys = "a*"\n')
    # Over RESP2, the default of redis-py 7, the connection for invalidations is made anew for it.
    bare = redis.Redis(port=clean_standalone.port, protocol=3)
    client = wrap(bare, path, plugins=[LocalCache])
    with client, redis.Redis(port=clean_standalone.port) as other:
        wait_until(is_on(client))
        client.get("a")
        wait_until(lambda: client.get("a") is None and len(cache_of(client).store) == 1)
        path.write_text(
            '[[local_cache.rules]]\nkeys="a*"\n[[local_cache.rules]]\nkeys="hot"\nttl=10'
        )
        changed = time.monotonic()
        counts = cache_of(client).statistics
        wait_until(lambda: client.get("hot") is None and len(cache_of(client).store) == 2)
        assert time.monotonic() - changed < 5
        assert counts().rules["a*"].stored == 1
        other.set("hot", "v")
        wait_until(lambda: client.get("hot") == b"v", "reported")


def test_fork(clean_standalone: Server) -> None:
    """A forked child begins with an empty cache, counts of its own and a connection of its own."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client))
        client.set("k", "old")
        wait_until(lambda: client.get("k") == b"old" and len(cache_of(client).store) == 1)
        child = os.fork()
        if child == 0:
            try:
                assert len(cache_of(client).store) == 0
                assert not any(cache_of(client).statistics().rules["*"].as_dict().values())
                wait_until(is_on(client), "on in the child")
                wait_until(lambda: client.get("k") == b"old" and len(cache_of(client).store) == 1)
                with redis.Redis(port=clean_standalone.port) as other:
                    other.set("k", "new")
                wait_until(lambda: client.get("k") == b"new", "reported to the child")
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0
        wait_until(lambda: client.get("k") == b"new", "reported to the parent")


def test_stampede_of_threads(clean_standalone: Server) -> None:
    """Threads that miss the same key at once make one request of it."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client))
        with redis.Redis(port=clean_standalone.port) as other:
            for _ in range(16):
                client.connection_pool.release(client.connection_pool.get_connection())
            other.config_resetstat()
            other.client_pause(300, all=True)
            threads = [threading.Thread(target=client.get, args=("k",)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            calls: Any = other.info("commandstats")
        assert calls["cmdstat_get"]["calls"] <= 2


async def test_stampede_of_tasks(clean_standalone: Server) -> None:
    """So do tasks."""
    async with cached(redis.asyncio.Redis(port=clean_standalone.port)) as client:
        await client.ping()
        await wait_until_async(is_on(client))
        async with redis.asyncio.Redis(port=clean_standalone.port) as other:
            await other.config_resetstat()
            await asyncio.gather(*[client.get("k") for _ in range(50)])
            calls = await other.info("commandstats")
        assert calls["cmdstat_get"]["calls"] == 1


@pytest.mark.parametrize(
    "rule",
    [
        {"ttl": 0.3, "ttl_jitter": 0, "refresh_ahead": 0.25},
        {"ttl": 0.1, "ttl_jitter": 0, "stale_while_revalidate": 30},
    ],
)
def test_renewal_in_the_background(clean_standalone: Server, rule: dict[str, Any]) -> None:
    """An entry is renewed beside the reads, which go on being hits."""
    rules = [{"keys": "*", **rule}]
    with cached(redis.Redis(port=clean_standalone.port), rules, invalidation="ttl") as client:
        client.get("k")
        with redis.Redis(port=clean_standalone.port) as other:
            other.set("k", "new")
        counts = cache_of(client).statistics().rules["*"]
        wait_until(lambda: client.get("k") == b"new", "renewed")
        wait_until(lambda: client.get("k") == b"new" and counts.refreshes >= 1)


async def test_renewal_beside_async_client(clean_standalone: Server) -> None:
    """So it is beside an asyncio client."""
    rules = [{"keys": "*", "ttl": 0.1, "ttl_jitter": 0, "stale_while_revalidate": 30}]
    bare = redis.asyncio.Redis(port=clean_standalone.port)
    async with cached(bare, rules, invalidation="ttl") as client:
        await client.get("k")
        counts = cache_of(client).statistics().rules["*"]
        await asyncio.sleep(0.15)
        await client.get("k")
        assert counts.stale_hits == 1
        await wait_until_async(lambda: counts.refreshes == 1)


def test_background_work_ends_with_the_plugin(clean_standalone: Server) -> None:
    """Also work that a change of the settings started ends when the plugin is taken out."""
    table = {"rules": [{"keys": "*", "stale_while_revalidate": 9}], "fleet": {"enabled": True}}
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client))
        before = len(middleware_of(client).background)
        cache_of(client).reconfigure(LocalCacheSettings.model_validate(table))
        assert len(middleware_of(client).background) == before + 2
        middleware_of(client).remove("local_cache")
        assert len(middleware_of(client).background) == 0


def test_close_and_use_again(clean_standalone: Server) -> None:
    """After close nothing is served from memory; with the next use it connects again."""
    client = cached(redis.Redis(port=clean_standalone.port))
    wait_until(is_on(client))
    client.get("k")
    client.close()
    wait_until(lambda: not cache_of(client).store.is_open, "closed")
    assert client.get("k") is None
    wait_until(is_on(client), "on again")
    client.close()


def _gets(server: redis.Redis) -> int:
    calls: Any = server.info("commandstats")
    return sum(calls.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("get", "mget"))


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
def test_replies_of_mget_are_kept(clean_standalone: Server, mode: str, protocol: int) -> None:
    """What MGET has read is kept, shared with GET, and dropped when another client changes it."""
    bare = redis.Redis(port=clean_standalone.port, protocol=protocol)
    with (
        cached(bare, invalidation=mode) as client,
        redis.Redis(port=clean_standalone.port) as other,
    ):
        other.mset({"a": "1", "b": "2"})
        wait_until(is_on(client), "on")
        wait_until(lambda: client.mget("a", "b", "c") and len(cache_of(client).store) == 3, "kept")
        asked = _gets(other)
        assert client.mget("c", "a", "b") == [None, b"1", b"2"]
        assert client.get("a") == b"1"
        assert _gets(other) == asked
        for key in ("b", "c"):
            other.set(key, "new")
        wait_until(lambda: client.mget("a", "b", "c") == [b"1", b"new", b"new"], "reported")


@pytest.mark.parametrize("mode", ["broadcast", "tracking"])
async def test_replies_of_mget_are_kept_async(clean_cluster: Cluster, mode: str) -> None:
    """So it is on an asyncio cluster, for keys of one slot."""
    bare = redis.asyncio.RedisCluster.from_url(clean_cluster.url)
    async with (
        cached(bare, invalidation=mode) as client,
        redis.asyncio.RedisCluster.from_url(clean_cluster.url) as other,
    ):
        await client.ping()
        await wait_until_async(is_on(client), "on")
        while len(cache_of(client).store) < 2:
            assert await client.mget("{k}a", "{k}b") == [None, None]
        hits = cache_of(client).statistics().hits
        assert await client.mget("{k}a", "{k}b") == [None, None]
        assert cache_of(client).statistics().hits == hits + 2
        await other.set("{k}b", "new")
        while await client.mget("{k}a", "{k}b") != [None, b"new"]:
            await asyncio.sleep(0.001)


def test_keys_that_redis_py_refuses(clean_standalone: Server) -> None:
    """The application gets the error that it gets without the plugin."""
    bare = redis.Redis(port=clean_standalone.port)
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("get", ("\ud800",)),
            ("get", (None,)),
            ("get", ([],)),
            ("set", ("\ud800", 1)),
            ("mget", ("a", "\ud800")),
            ("hget", ("k", [])),
            ("execute_command", ("GET",)),
        ]
        for method, args in calls:
            with pytest.raises(Exception) as expected:  # noqa: PT011
                getattr(bare, method)(*args)
            with pytest.raises(type(expected.value)):
                getattr(client, method)(*args)
    bare.close()


def test_notes_for_plugins_that_come_later(clean_standalone: Server) -> None:
    """A plugin that is added to the running client learns what came from memory too."""
    seen = []

    class Watcher:
        name = "watcher"

        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            reply = yield command
            seen.append(command.notes.get("redis_middleware.cache"))
            return reply

    bare = redis.Redis(port=clean_standalone.port)
    with cached(bare, invalidation="ttl") as client:
        client.get("a")
        middleware_of(client).add(Watcher(), before="local_cache")
        for key in ("b", "b"):
            client.get(key)
    assert seen == ["miss", "hit"]


def test_notes_of_reads_past_the_cache(clean_standalone: Server) -> None:
    """What is asked of the server on purpose is noted so: in a transaction, while it is off."""
    seen: list[Any] = []

    class Watch:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            reply = yield command
            if command.name == "GET":
                seen.append(command.notes.get("redis_middleware.cache"))
            return reply

    bare = redis.Redis(port=clean_standalone.port)
    with cached(bare, "k*", plugins=[Watch, LocalCache]) as client:
        wait_until(is_on(client))
        client.get("k")
        client.get("k")
        with client.pipeline() as transaction:
            transaction.get("k").get("other").execute()
        client.select(1)
        client.get("k")
        assert seen == ["miss", "hit", "bypass", None, "bypass"]


def test_moved_slots() -> None:
    """What moved to another node is dropped, and the other node's reports are heard."""
    with cluster(primaries=2, replicas=0) as servers:
        _check_moved_slot(servers)


def _check_moved_slot(servers: Cluster) -> None:
    bare = redis.RedisCluster.from_url(servers.url)
    with cached(bare, check_every=0.1) as client:
        wait_until(is_on(client))
        client.set("k", "old")
        wait_until(lambda: client.get("k") == b"old" and len(cache_of(client).store) == 1)
        slot = client.keyslot("k")
        source = servers.primary_of(slot)
        servers.migrate([slot], next(node for node in servers.nodes if node is not source))
        wait_until(lambda: len(cache_of(client).store) == 0, "dropped")
        wait_until(lambda: client.get("k") == b"old" and len(cache_of(client).store) == 1)
        with redis.RedisCluster.from_url(servers.url) as other:
            other.set("k", "new")
        wait_until(lambda: client.get("k") == b"new", "the new node reports")
