"""Transactions and WATCH on a cluster: one slot, one node, redirected as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import CrossSlotTransactionError, ResponseError, WatchError
from tests.plugins.slot_routing.routed import key_at, routed, routed_async

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, cluster
from redis_middleware.embedded.slot_migration import SlotMigration


@pytest.fixture(scope="module")
def moving_cluster() -> Iterator[Cluster]:
    """Run a cluster of two primaries whose slots move."""
    with cluster(primaries=2, replicas=0) as servers:
        yield servers


@pytest.fixture
def migration(moving_cluster: Cluster) -> SlotMigration:
    """Prepare to move the slot of the hash tag ``{t}`` from one primary to the other."""
    moving_cluster.flush()
    slot = key_slot(b"t")
    source = moving_cluster.primary_of(slot)
    target = next(node for node in moving_cluster.primaries if node is not source)
    return moving_cluster.migration(slot, target)


def test_a_transaction_runs_on_the_node_of_its_keys(clean_cluster: Cluster) -> None:
    """On each node, sync."""
    with routed(clean_cluster) as client:
        for server in clean_cluster.primaries:
            key = key_at(clean_cluster, server)
            pipe = client.pipeline()
            pipe.set(key, 1).incr(key).get(key)
            assert pipe.execute() == [True, 2, b"2"]


async def test_an_async_transaction_runs_on_the_node_of_its_keys(clean_cluster: Cluster) -> None:
    """On each node, asyncio."""
    async with routed_async(clean_cluster) as client:
        for server in clean_cluster.primaries:
            key = key_at(clean_cluster, server)
            pipe: Any = client.pipeline()
            pipe.set(key, 1).incr(key).get(key)
            assert await pipe.execute() == [True, 2, b"2"]


def test_a_transaction_without_keys_runs_somewhere(clean_cluster: Cluster) -> None:
    """PING and ECHO between MULTI and EXEC."""
    with routed(clean_cluster) as client:
        assert client.pipeline().ping().echo("x").execute() == [True, b"x"]


def test_several_slots_are_refused_and_nothing_is_sent(clean_cluster: Cluster) -> None:
    """The error is redis-py's, and names keys, slots and hash tags."""
    with routed(clean_cluster) as client:
        pipe = client.pipeline()
        pipe.set("a", 1).set("b", 2)
        with pytest.raises(CrossSlotTransactionError, match=r"b'a' in slot 15495.*hash tag"):
            pipe.execute()
        assert client.dbsize() == 0


@pytest.mark.parametrize("command", ["DBSIZE", "FLUSHDB", "FLUSHALL", "RANDOMKEY", "KEYS *"])
def test_what_is_for_the_whole_database_is_refused(clean_cluster: Cluster, command: str) -> None:
    """One server would do it for its own part only; outside of the transaction all do."""
    with routed(clean_cluster) as client:
        for number in range(20):
            client.set(f"k{number}", 1)
        pipe = client.pipeline()
        pipe.set("k1", 2)
        pipe.execute_command(*command.split())
        name = command.split()[0]
        with pytest.raises(CrossSlotTransactionError, match=f"^{name} is refused.*only its own"):
            pipe.execute()
        assert client.get("k1") == b"1"
        assert client.dbsize() == 20


def test_an_error_within_a_transaction_is_the_servers(clean_cluster: Cluster) -> None:
    """The others are carried out, as on a single server."""
    with routed(clean_cluster) as client:
        pipe = client.pipeline()
        replies = pipe.set("{t}a", "x").incr("{t}a").set("{t}b", 1).execute(raise_on_error=False)
    assert isinstance(replies[1], ResponseError)
    assert [replies[0], replies[2]] == [True, True]


def test_a_moved_transaction_is_sent_again_as_a_whole(migration: SlotMigration) -> None:
    """A slot that moved since its owner was last asked for: MOVED for every command, once."""
    with routed(migration.source) as client:
        client.set("{t}a", 1)
        migration.start()
        migration.finish()
        assert client.pipeline().incr("{t}a").incr("{t}a").execute() == [2, 3]
        assert client.get("{t}a") == b"3"


def test_a_transaction_follows_its_keys_to_an_importing_node(migration: SlotMigration) -> None:
    """While a slot is moving, with its keys gone already: ASKING goes before MULTI."""
    with routed(migration.source) as client:
        client.set("{t}a", 1)
        migration.start()
        migration.move_keys()
        assert client.pipeline().incr("{t}a").get("{t}a").execute() == [2, b"2"]
        migration.finish()
        assert client.get("{t}a") == b"2"


def test_watched_keys_guard_a_transaction(clean_cluster: Cluster) -> None:
    """WATCH, reads, MULTI and EXEC are all on the node of the key; a change from outside is seen.

    Here the client's own node is another one.
    """
    key = key_at(clean_cluster, clean_cluster.primaries[1])
    with routed(clean_cluster) as client, client.pipeline() as pipe:
        client.set(key, 1)
        pipe.watch(key)
        assert pipe.get(key) == b"1"
        pipe.multi()
        pipe.incr(key)
        assert pipe.execute() == [2]
        pipe.watch(key)
        client.set(key, 10)
        pipe.multi()
        pipe.incr(key)
        with pytest.raises(WatchError):
            pipe.execute()
        assert client.get(key) == b"10"


async def test_watched_keys_guard_an_async_transaction(clean_cluster: Cluster) -> None:
    """The same for redis.asyncio."""
    key = key_at(clean_cluster, clean_cluster.primaries[1])
    async with routed_async(clean_cluster) as client, client.pipeline() as pipe:
        await client.set(key, 1)
        await pipe.watch(key)
        assert await pipe.get(key) == b"1"
        pipe.multi()
        pipe.incr(key)
        assert await pipe.execute() == [2]
        await pipe.watch(key)
        await client.set(key, 10)
        pipe.multi()
        pipe.incr(key)
        with pytest.raises(WatchError):
            await pipe.execute()


def test_a_transaction_without_keys_runs_where_keys_are_watched(clean_cluster: Cluster) -> None:
    """It is guarded by them like any other."""
    key = key_at(clean_cluster, clean_cluster.primaries[1])
    with routed(clean_cluster) as client, client.pipeline() as pipe:
        pipe.watch(key)
        pipe.multi()
        assert pipe.ping().eval("return 1", 0).execute() == [True, 1]
        pipe.watch(key)
        client.set(key, 1)
        pipe.multi()
        pipe.ping()
        with pytest.raises(WatchError):
            pipe.execute()


async def test_an_async_transaction_without_keys_runs_where_keys_are_watched(
    clean_cluster: Cluster,
) -> None:
    """The same for redis.asyncio."""
    key = key_at(clean_cluster, clean_cluster.primaries[1])
    async with routed_async(clean_cluster) as client, client.pipeline() as pipe:
        await pipe.watch(key)
        pipe.multi()
        pipe.ping()
        assert await pipe.execute() == [True]


def test_keys_of_two_servers_are_not_watched_together(clean_cluster: Cluster) -> None:
    """The second WATCH is refused: its server is another one."""
    first, second = (key_at(clean_cluster, server) for server in clean_cluster.primaries[:2])
    with routed(clean_cluster) as client, client.pipeline() as pipe:
        pipe.watch(first)
        with pytest.raises(redis.RedisError, match="hash tag"):
            pipe.watch(second)
        with pytest.raises(CrossSlotTransactionError, match="hash tag"):
            pipe.watch(first, second)


def test_a_slot_that_moves_while_its_keys_are_watched(migration: SlotMigration) -> None:
    """The application's function runs again, on the other node, and nothing is lost."""
    rounds: list[Any] = []

    def add_one(pipe: Any) -> None:
        rounds.append(pipe.get("{t}a"))
        if len(rounds) == 1:
            migration.start()
            migration.finish()
        pipe.multi()
        pipe.set("{t}a", int(rounds[-1]) + 1)

    with routed(migration.source) as client:
        client.set("{t}a", 1)
        assert client.transaction(add_one, "{t}a") == [True]
        assert client.get("{t}a") == b"2"
    assert rounds == [b"1", b"1"]


def test_a_key_is_watched_where_its_slot_is_by_now(migration: SlotMigration) -> None:
    """A WATCH that is sent to the old owner goes to the new one."""
    with routed(migration.source) as client, client.pipeline() as pipe:
        client.set("{t}a", 1)
        migration.start()
        migration.finish()
        pipe.watch("{t}a")
        assert pipe.get("{t}a") == b"1"
        pipe.multi()
        pipe.incr("{t}a")
        assert pipe.execute() == [2]


def test_locks_are_taken_and_given_back(clean_cluster: Cluster) -> None:
    """redis-py's lock works by a script and its own key."""
    with routed(clean_cluster) as client:
        for number in range(5):
            with client.lock(f"lock:{number}", timeout=5):
                assert client.exists(f"lock:{number}") == 1
            assert client.exists(f"lock:{number}") == 0
