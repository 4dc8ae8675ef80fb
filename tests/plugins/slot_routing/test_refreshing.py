"""How the topology is asked for: from whom, how often, and by whom."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from typing import Any

import pytest
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    ResponseError,
)
from tests.plugins.slot_routing.pretended import HALVES, A, B, C, Pretended, moved
from tests.plugins.slot_routing.routed import key_at, plugin_of, routed, routed_async

from redis_middleware.embedded import Cluster
from redis_middleware_plugins.slot_routing.refreshing import NotAClusterError

_NO_CLUSTER = ResponseError("This instance has cluster support disabled")
_UNKNOWN = ResponseError("unknown subcommand 'SLOTS'. Try CLUSTER HELP.")


def _refresh(cluster: Pretended) -> Any:
    return cluster.run(cluster.deployment.refreshing.refresh())


def test_seeds_are_asked_in_turn() -> None:
    """Dead ones, such as are no cluster, and such as talk nonsense are passed over."""
    cluster = Pretended(own=C, seeds=[B, A])
    cluster.at(C).plays = [ConnectionError("down")]
    cluster.at(B).plays = [_NO_CLUSTER]
    assert cluster.get("b", b"1") == b"1"
    cluster = Pretended(own=C, seeds=[A])
    cluster.at(C).plays = [b"nonsense"]
    assert cluster.get("b", b"1") == b"1"


def test_a_seed_is_asked_once() -> None:
    """However often it is given."""
    cluster = Pretended(own=C, seeds=[C, C, C], deadline=0.001)
    cluster.at(C).plays = [AuthenticationError("wrong password")]
    with pytest.raises(AuthenticationError):
        cluster.get("b")
    assert cluster.servers[C].asked == 1


def test_every_failure_is_told() -> None:
    """The error names each server and what came of it."""
    cluster = Pretended(own=A, seeds=[B, C], deadline=0.001)
    cluster.at(A).plays = [ConnectionError("refused")]
    cluster.at(B).plays = [NoPermissionError("no permissions to run 'cluster|slots'")]
    cluster.at(C).plays = [_NO_CLUSTER]
    with pytest.raises(ConnectionError) as caught:
        cluster.get("b")
    for told in ("a.test:6379: refused", "b.test:6379: no permissions", "c.test:6379: This"):
        assert told in str(caught.value)


def test_a_failure_is_told_again_and_not_kept() -> None:
    """Who comes a moment later is told the same; frames that the first error led through go."""
    cluster = Pretended()
    cluster.at(A).plays = [_NO_CLUSTER]
    with pytest.raises(NotAClusterError, match="cluster support disabled") as first:
        _refresh(cluster)
    reference = weakref.ref(first.value)
    with pytest.raises(NotAClusterError, match="cluster support disabled") as second:
        _refresh(cluster)
    assert second.value.__cause__ is None
    assert cluster.servers[A].asked == 1
    del first, second
    gc.collect()
    assert reference() is None


def test_a_server_that_comes_up_in_time_is_waited_for() -> None:
    """The first command waits for it within the deadline."""
    cluster = Pretended()
    cluster.at(A).plays = [ConnectionError("refused"), ConnectionError("refused"), HALVES]
    assert cluster.get("b", b"1") == b"1"


def test_what_is_no_cluster_is_known_for_good() -> None:
    """Commands go where the client sends them, and nothing is asked any more."""
    cluster = Pretended()
    cluster.at(A).plays = [_NO_CLUSTER]
    assert cluster.get("b", b"1") == b"1"
    assert cluster.get("b", b"2") == b"2"
    assert cluster.sent == ["None", "None"]
    assert cluster.servers[A].asked == 1


def test_a_client_that_must_point_at_a_cluster() -> None:
    """``cluster = true``: a server that is none is an error."""
    cluster = Pretended(cluster=True)
    cluster.at(A).plays = [_NO_CLUSTER]
    with pytest.raises(ResponseError, match="cluster support disabled"):
        cluster.get("b")


def test_a_client_that_is_told_to_point_at_none() -> None:
    """``cluster = false``: nothing is asked, as a proxy might close the connection for it."""
    cluster = Pretended(cluster=False)
    assert cluster.get("b", b"1") == b"1"
    assert cluster.servers == {}


def test_cluster_shards_is_asked_where_there_are_no_slots() -> None:
    """For servers that have CLUSTER SLOTS, which is deprecated, no more."""
    cluster = Pretended()
    cluster.at(A).pool = _Plain()
    node = {"id": "c", "port": 6379, "endpoint": "c.test", "role": "master", "health": "online"}
    cluster.at(A).plays = [_UNKNOWN, [{"slots": [0, 16383], "nodes": [node]}]]
    assert cluster.get("b", b"1") == b"1"
    assert cluster.sent == ["c.test"]


class _Plain:
    """A pool."""

    class connection_class:
        """A connection without TLS."""


def test_the_most_complete_answer_is_taken() -> None:
    """A node that has just joined, or hears of nothing, does not hide what others know."""
    cluster = Pretended(own=C, seeds=[B, A])
    cluster.at(C).plays = [[]]
    cluster.at(B).plays = [HALVES[1:]]
    assert cluster.get("b", b"1") == b"1"
    assert cluster.sent == ["a.test"]


def test_nobody_serves_any_slot() -> None:
    """A cluster in the making: commands with keys wait, and fail in time with CLUSTERDOWN."""
    cluster = Pretended(deadline=0.5)
    cluster.at(A).plays = [[]]
    with pytest.raises(ClusterDownError, match="in slot 3300"):
        cluster.get("b")


def test_refreshes_keep_their_distance() -> None:
    """At most one in an interval, whoever asks; what was requested meanwhile is not forgotten."""
    cluster = Pretended(refresh_interval=1)
    cluster.get("b", b"1")
    for _ in range(100):
        cluster.get("b", moved(3300, B), b"1")
        cluster.get("b", moved(3300, A), b"1")
        assert _refresh(cluster) is False
    assert len(cluster.background) == 1
    assert sum(server.asked for server in cluster.servers.values()) == 1
    cluster.run_background()
    assert cluster.slept == [pytest.approx(1)]
    assert sum(server.asked for server in cluster.servers.values()) == 2


def test_one_refreshes_for_all() -> None:
    """Who comes while another one asks does not ask."""
    cluster = Pretended()
    first = cluster.deployment.refreshing.refresh()
    next(first)
    assert _refresh(cluster) is False
    with pytest.raises(StopIteration, match="True"):
        first.send(HALVES)


def test_who_is_interrupted_leaves_the_way_free() -> None:
    """A cancelled caller that was asking does not stop others from asking."""
    cluster = Pretended(refresh_interval=0.1)
    first = cluster.deployment.refreshing.refresh()
    next(first)
    first.close()
    cluster.clock.advance(0.1)
    assert _refresh(cluster) is True


def test_lost_servers_are_asked_last() -> None:
    """So that a refresh does not wait for the one that it is about; until they answer again."""
    cluster = Pretended()
    cluster.get("b", b"1")
    cluster.clock.advance(1)
    cluster.deployment.refreshing.lost(A)
    _refresh(cluster)
    assert (cluster.servers[A].asked, cluster.servers[B].asked) == (1, 1)
    cluster.clock.advance(1)
    _refresh(cluster)
    assert (cluster.servers[A].asked, cluster.servers[B].asked) == (1, 2)
    cluster.servers[B].plays = [ConnectionError("down")]
    for _ in range(2):
        cluster.clock.advance(1)
        _refresh(cluster)
    assert (cluster.servers[A].asked, cluster.servers[B].asked) == (3, 3)


def test_threads_share_the_first_refresh(clean_cluster: Cluster) -> None:
    """Twenty threads begin at once: the topology is asked for once, and all get their replies."""
    with routed(clean_cluster) as client:
        barrier = threading.Barrier(20)
        replies: list[Any] = []

        def work(number: int) -> None:
            barrier.wait()
            replies.append(client.set(f"key:{number}", number))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert replies == [True] * 20
        assert plugin_of(client).deployments["client"].refreshing.count == 1


async def test_tasks_share_the_first_refresh(clean_cluster: Cluster) -> None:
    """The same for tasks, one of which is cancelled."""
    async with routed_async(clean_cluster) as client:
        setting: Any = client.set
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(setting(f"key:{number}", 1)) for number in range(20)
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
        replies = await asyncio.gather(*tasks, return_exceptions=True)
        assert replies[1:] == [True] * 19
        assert plugin_of(client).deployments["client"].refreshing.count <= 2


def test_a_forked_child_has_connections_of_its_own(clean_cluster: Cluster) -> None:
    """Parent and child go on with every node at the same time, without mixing replies up."""
    keys = [key_at(clean_cluster, server) for server in clean_cluster.primaries]
    with routed(clean_cluster) as client:
        for key in keys:
            client.set(key, key)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(200):
                    for key in keys:
                        assert client.get(key) == key.encode()
                status = 0
            finally:
                os._exit(status)
        for _ in range(200):
            for key in keys:
                assert client.get(key) == key.encode()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_while_the_topology_is_asked_for() -> None:
    """The child asks itself: the thread that was at it is not in it."""
    cluster = Pretended()
    refresh = cluster.deployment.refreshing.refresh()
    next(refresh)
    cluster.deployment.refreshing.after_fork()
    assert cluster.get("b", b"1") == b"1"


def test_a_server_that_may_not_be_asked(caplog: pytest.LogCaptureFixture) -> None:
    """A user without the right to CLUSTER, a proxy without the command: it is left alone."""
    for refusal in (NoPermissionError("no permissions"), ResponseError("unsupported command")):
        caplog.clear()
        caplog.set_level("INFO", "redis_middleware.slot_routing")
        cluster = Pretended()
        cluster.at(A).plays = [refusal]
        assert cluster.get("b", b"1") == b"1"
        assert cluster.sent == ["None"]
        assert str(refusal) in caplog.text
