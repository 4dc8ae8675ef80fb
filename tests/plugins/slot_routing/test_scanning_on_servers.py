"""SCAN over a cluster, through a plain client."""

from __future__ import annotations

import pytest
from tests.plugins.slot_routing.clients import either, run, run_pipeline
from tests.plugins.slot_routing.routed import key_at, routed, routed_async

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster
from redis_middleware_plugins.slot_routing.cursors import ScanCursorError

_KEYS = {f"key:{number}": number for number in range(300)}


def test_everything_is_found(clean_cluster: Cluster) -> None:
    """By steps and by redis-py's iterator, with what it filters by, on the right nodes."""
    with routed(clean_cluster, decode_responses=True) as client:
        client.mset(_KEYS)
        client.sadd("a set", 1)
        assert sorted(client.scan_iter()) == sorted([*_KEYS, "a set"])
        assert sorted(client.scan_iter(count=7)) == sorted([*_KEYS, "a set"])
        assert set(client.scan_iter(match="key:1?")) == {f"key:1{digit}" for digit in range(10)}
        assert list(client.scan_iter(_type="set")) == ["a set"]
        assert list(client.scan_iter(match="missing*")) == []
        cursor, keys = client.scan(count=1000)
        assert type(cursor) is int
        assert type(keys) is list


async def test_everything_is_found_by_async_clients(clean_cluster: Cluster) -> None:
    """The same with redis.asyncio."""
    async with routed_async(clean_cluster) as client:
        await client.mset(_KEYS)
        assert sorted([key async for key in client.scan_iter(count=9)]) == sorted(
            key.encode() for key in _KEYS
        )


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_pipeline_takes_a_step(clean_cluster: Cluster, is_async: bool) -> None:
    """In pipelines too the cursor is that of the whole walk."""
    async with either(clean_cluster, is_async=is_async) as client:
        await run(client, "MSET", *[element for pair in _KEYS.items() for element in pair])
        found: list[bytes] = []
        cursor = 0
        while True:
            _, (cursor, keys) = await run_pipeline(client, ("PING",), ("SCAN", cursor, "COUNT", 50))
            found += keys
            if cursor == 0:
                break
        assert sorted(found) == sorted(key.encode() for key in _KEYS)


def test_other_cursors_are_refused(clean_cluster: Cluster) -> None:
    """A cursor of a single node's is an error, instead of a walk that leaves out keys."""
    with routed(clean_cluster) as client, pytest.raises(ScanCursorError):
        client.scan(17)


@pytest.mark.parametrize("finish", [True, False])
def test_while_slots_move(clean_cluster: Cluster, finish: bool) -> None:
    """Keys that go to a node which was walked before are found, even if their slot stays behind."""
    first, second, _ = clean_cluster.primaries
    moving = [key_at(clean_cluster, second, prefix) for prefix in ("x", "y", "z")]
    slots = {key_slot(key.encode()) for key in moving}
    migrations = [clean_cluster.migration(slot, first) for slot in slots]
    with routed(clean_cluster, decode_responses=True) as client:
        client.mset({**_KEYS, **dict.fromkeys(moving, 0)})
        of_first = {key for key in _KEYS if key_slot(key.encode()) < 5461}
        found: set[str] = set()
        cursor: int | str = "0"
        while not of_first <= found:
            cursor, keys = client.scan(cursor, count=20)
            found.update(keys)
        assert cursor != 0
        try:
            for migration in migrations:
                migration.start()
                migration.move_keys()
                if finish:
                    migration.finish()
            while cursor != 0:
                cursor, keys = client.scan(cursor, count=20)
                found.update(keys)
        finally:
            for migration in migrations:
                migration.finish()
            clean_cluster.migrate(slots, second)
        assert found == {*_KEYS, *moving}


def test_while_a_primary_fails_over(clean_cluster: Cluster) -> None:
    """The walk of a node begins anew at the replica that took its place."""
    old = clean_cluster.primary_of(5)
    replica = clean_cluster.replicas_of(old)[0]
    with routed(clean_cluster, decode_responses=True) as client:
        client.mset(_KEYS)
        clean_cluster.wait_until_ok()
        cursor, keys = client.scan(count=10)
        found = set(keys)
        clean_cluster.fail_over(replica)
        try:
            clean_cluster.wait_until_ok()
            while cursor != 0:
                cursor, keys = client.scan(cursor, count=10)
                found.update(keys)
        finally:
            clean_cluster.fail_over(old)
            clean_cluster.wait_until_ok()
        assert found == set(_KEYS)
