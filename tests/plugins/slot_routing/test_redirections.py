"""Redirections by real servers: MOVED, ASK, TRYAGAIN, CLUSTERDOWN, and what is told of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ClusterDownError, ClusterError, TryAgainError
from tests.plugins.slot_routing.routed import Noting, plugin_of, routed, routed_async

from redis_middleware import middleware_of, notes
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, cluster
from redis_middleware.embedded.slot_migration import SlotMigration

_SLOT = key_slot(b"t")


@pytest.fixture(scope="module")
def moving_cluster() -> Iterator[Cluster]:
    """Run a cluster of two primaries whose slots move."""
    with cluster(primaries=2, replicas=0) as servers:
        yield servers


@pytest.fixture
def migration(moving_cluster: Cluster) -> Iterator[SlotMigration]:
    """Prepare to move the slot of the hash tag ``{t}``; in the end it has moved."""
    moving_cluster.flush()
    source = moving_cluster.primary_of(_SLOT)
    target = next(node for node in moving_cluster.primaries if node is not source)
    migration = moving_cluster.migration(_SLOT, target)
    yield migration
    if moving_cluster.primary_of(_SLOT) is source:
        migration.start()
        migration.finish()


def _owner(client: Any) -> Any:
    endpoint = plugin_of(client).deployments["client"].table.endpoints[_SLOT]
    return None if endpoint is None else endpoint.address.port


def _counts(client: Any, kind: str) -> int:
    nodes = plugin_of(client).counters.nodes.values()
    return sum(counts.redirections.get(kind, 0) for counts in nodes)  # type: ignore[call-overload]


def test_moved_is_learnt_from(migration: SlotMigration) -> None:
    """After one MOVED the slot's commands go to the new owner at once."""
    with routed(migration.source) as client:
        client.set("{t}a", 1)
        migration.start()
        migration.finish()
        assert client.get("{t}a") == b"1"
        assert _owner(client) == migration.target.port
        assert client.get("{t}a") == b"1"
        assert _counts(client, "moved") == 1


async def test_moved_is_learnt_from_async(migration: SlotMigration) -> None:
    """The same for redis.asyncio."""
    async with routed_async(migration.source) as client:
        await client.set("{t}a", 1)
        migration.start()
        migration.finish()
        assert await client.get("{t}a") == b"1"
        assert _owner(client) == migration.target.port
        assert _counts(client, "moved") == 1


def test_ask_is_followed_once_and_not_learnt_from(migration: SlotMigration) -> None:
    """While a slot moves its keys are found on either side, and the table stays as it is."""
    with routed(migration.source) as client:
        client.mset({"{t}a": 1, "{t}b": 2})
        migration.start()
        migration.move_keys(1)
        assert (client.get("{t}a"), client.get("{t}b")) == (b"1", b"2")
        assert client.set("{t}new", 3) is True
        assert client.get("{t}new") == b"3"
        assert _owner(client) == migration.source.port
        assert _counts(client, "ask") == 3
        assert _counts(client, "moved") == 0


def test_a_pipeline_follows_redirections_in_a_second_round(migration: SlotMigration) -> None:
    """Replies stay in order; the same pipeline has keys here, there and elsewhere."""
    with routed(migration.source) as client:
        client.mset({"{t}a": 1, "{t}b": 2, "elsewhere": 3})
        migration.start()
        migration.move_keys(1)
        pipe = client.pipeline(transaction=False)
        pipe.incr("{t}a").incr("{t}b").get("elsewhere").incr("{t}a").incr("{t}b")
        assert pipe.execute() == [2, 3, b"3", 3, 4]
        migration.finish()
        pipe.incr("{t}a").incr("{t}b").get("elsewhere")
        assert pipe.execute() == [4, 5, b"3"]


async def test_an_async_pipeline_follows_redirections(migration: SlotMigration) -> None:
    """The same for redis.asyncio."""
    async with routed_async(migration.source) as client:
        await client.mset({"{t}a": 1, "{t}b": 2, "elsewhere": 3})
        migration.start()
        migration.move_keys(1)
        pipe: Any = client.pipeline(transaction=False)
        pipe.incr("{t}a").incr("{t}b").get("elsewhere").incr("{t}a").incr("{t}b")
        assert await pipe.execute() == [2, 3, b"3", 3, 4]


def test_several_keys_wait_until_they_are_together(migration: SlotMigration) -> None:
    """TRYAGAIN: one of two keys has moved; the command waits for the other one."""
    with routed(migration.source) as client:
        client.mset({"{t}a": 1, "{t}b": 2})
        migration.start()
        migration.move_keys(1)
        finishing = threading.Timer(0.1, migration.finish)
        finishing.start()
        try:
            assert client.mget("{t}a", "{t}b") == [b"1", b"2"]
        finally:
            finishing.join()
        assert _counts(client, "tryagain") >= 1


async def test_several_keys_wait_until_they_are_together_async(migration: SlotMigration) -> None:
    """The same for redis.asyncio; other tasks run meanwhile."""
    async with routed_async(migration.source) as client:
        await client.mset({"{t}a": 1, "{t}b": 2})
        migration.start()
        migration.move_keys(1)
        reading: Any = client.mget("{t}a", "{t}b")
        waiting: asyncio.Task[Any] = asyncio.create_task(reading)
        while not _counts(client, "tryagain"):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(migration.finish)
        assert await waiting == [b"1", b"2"]


def test_the_deadline_ends_the_wait(migration: SlotMigration) -> None:
    """The error keeps redis-py's type, and names the slot, the nodes that were tried, the time."""
    with routed(migration.source, table={"deadline": "200 ms"}) as client:
        client.mset({"{t}a": 1, "{t}b": 2})
        migration.start()
        migration.move_keys(1)
        with pytest.raises(TryAgainError) as caught:
            client.mget("{t}a", "{t}b")
    message = str(caught.value)
    assert f"MGET in slot {_SLOT} after 0." in message
    assert f"127.0.0.1:{migration.source.port} (TryAgainError" in message
    assert "the deadline has passed" in message


def test_a_slot_that_nobody_serves(moving_cluster: Cluster) -> None:
    """CLUSTERDOWN is waited for within the deadline; then the slot is served, or the error raised.

    Commands for other slots are not disturbed.
    """
    owner = moving_cluster.primary_of(_SLOT)
    config = [node.command("CONFIG GET", "cluster-require-full-coverage") for node in
              moving_cluster.primaries]  # fmt: skip
    for node in moving_cluster.primaries:
        node.command("CONFIG SET", "cluster-require-full-coverage", "no")
        node.command("CLUSTER DELSLOTS", _SLOT)
    try:
        with routed(moving_cluster, table={"deadline": "300 ms"}) as client:
            assert client.set("elsewhere", 1) is True
            with pytest.raises(ClusterDownError, match=f"SET in slot {_SLOT} after"):
                client.set("{t}a", 1)
        with routed(moving_cluster, table={"deadline": "10 s"}) as client:
            client.ping()
            serving = threading.Timer(0.1, owner.command, ("CLUSTER ADDSLOTS", _SLOT))
            serving.start()
            try:
                assert client.set("{t}a", 1) is True
            finally:
                serving.join()
    finally:
        for node, setting in zip(moving_cluster.primaries, config, strict=True):
            for name, value in setting.items():
                node.command("CONFIG SET", name, value)
        moving_cluster.wait_until_ok()


def test_redirections_without_end_are_ended(migration: SlotMigration) -> None:
    """Two nodes that both say that the slot is the other one's: the limit ends it."""
    with routed(migration.source, table={"max_redirections": 3}) as client:
        client.set("{t}a", 1)
        migration.start()
        # The source now sends everything to the target, which sends it back without ASKING.
        migration.target.command("CLUSTER SETSLOT", _SLOT, "STABLE")
        with pytest.raises(ClusterError, match="redirected 4 times"):
            client.get("{t}other")


def test_other_plugins_are_told(migration: SlotMigration) -> None:
    """Slot and node of a command are known to plugins outside, redirections are noted."""
    noting = Noting()
    with routed(migration.source) as client:
        middleware_of(client).add(noting, before="slot_routing")
        client.set("{t}a", 1)
        migration.start()
        migration.finish()
        client.get("{t}a")
        first, second = noting.commands
        view = middleware_of(client).client
    assert first.slot == second.slot == _SLOT
    assert view.address_of(first) == ("127.0.0.1", migration.source.port)
    assert view.address_of(second) == ("127.0.0.1", migration.target.port)
    assert notes.MOVED not in first.notes
    assert second.notes[notes.MOVED] == 1
    assert second.notes[notes.NODE] == f"127.0.0.1:{migration.target.port}"
