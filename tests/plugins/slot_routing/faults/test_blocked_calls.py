"""Calls that wait at a server when it stops being the right one wait on at the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.plugins.slot_routing.faults.waiting import wait_until
from tests.plugins.slot_routing.routed import routed

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server

pytestmark = pytest.mark.server

_KEY = "queue"
_SLOT = key_slot(_KEY.encode())


def _to_replica(servers: Cluster, primary: Server) -> Server:
    (replica,) = servers.replicas_of(primary)
    servers.fail_over(replica)
    return replica


def _to_other_primary(servers: Cluster, primary: Server) -> Server:
    other = _other_primary(servers, primary)
    servers.migrate([_SLOT], other)
    return other


def _other_primary(servers: Cluster, primary: Server) -> Server:
    return next(
        node
        for node in servers.nodes
        if node is not primary and node.command("ROLE")[0] == "master"
    )


def _waits_at(server: Server) -> bool:
    return bool(server.command("INFO", "clients")["blocked_clients"] == 1)


@pytest.mark.parametrize("hand_over", [_to_replica, _to_other_primary])
def test_blocked_call(
    steady_cluster: Cluster, hand_over: Callable[[Cluster, Server], Server]
) -> None:
    """BLPOP gets what is pushed after its slot went to another server."""
    primary = steady_cluster.primary_of(_SLOT)
    with routed(steady_cluster) as client, ThreadPoolExecutor() as threads:
        client.delete(_KEY)
        waiting = threads.submit(client.blpop, _KEY, 20)
        wait_until(lambda: _waits_at(primary), "BLPOP waits")
        successor = hand_over(steady_cluster, primary)
        wait_until(lambda: _waits_at(successor), "BLPOP waits at the next server")
        client.rpush(_KEY, "value")
        assert list(waiting.result()) == [_KEY.encode(), b"value"]
    steady_cluster.wait_until_ok()


def _asked_to_try_again(server: Server) -> int:
    error = server.command("INFO", "errorstats").get("errorstat_TRYAGAIN", {"count": 0})
    return int(error["count"])


def test_call_whose_keys_are_apart(steady_cluster: Cluster) -> None:
    """While a slot is half migrated MGET waits, however often it is redirected meanwhile."""
    moved, missing = f"{{{_KEY}}}:moved", f"{{{_KEY}}}:missing"
    table = {"max_redirections": 2, "deadline": 30}
    with routed(steady_cluster, table=table) as client, ThreadPoolExecutor() as threads:
        client.set(moved, "value")
        source = steady_cluster.primary_of(_SLOT)
        target = _other_primary(steady_cluster, source)
        migration = steady_cluster.migration(_SLOT, target)
        migration.start()
        migration.move_keys()
        before = _asked_to_try_again(target)
        waiting = threads.submit(client.mget, [moved, missing])
        wait_until(
            lambda: waiting.done() or _asked_to_try_again(target) >= before + 4,
            "MGET is tried again",
        )
        migration.finish()
        assert waiting.result() == [b"value", None]
    steady_cluster.wait_until_ok()
