"""Nodes are killed or paused: calls fail in time, and all is well again when a replica took over.

Replication is asynchronous: writes that the primary acknowledged and had not yet passed on are lost
with it. That is counted, and shown by the report; nothing else may go wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.plugins.slot_routing.faults.load import Load
from tests.plugins.slot_routing.faults.report import Report
from tests.plugins.slot_routing.faults.routed import Witness
from tests.plugins.slot_routing.faults.workload import TAGS, slot_of

from redis_middleware.embedded import Cluster, Server

pytestmark = pytest.mark.server

# Short: a paused node is noticed by a reply that does not come.
_TIMES = {"deadline": 1.0, "socket_timeout": 0.5}
_ERRORS_OF_LOST_NODES = {"ConnectionError", "TimeoutError", "ClusterDownError"}


def _is_primary(server: Server) -> bool:
    return bool(server.command("ROLE")[0] == "master")


def _assert_failed_in_time(report: Report) -> None:
    # A replica waits for longer than the deadline before it takes over.
    assert report.errors, report
    assert report.errors.keys() <= _ERRORS_OF_LOST_NODES, report


def _primary_with_replica(servers: Cluster) -> tuple[Server, Server]:
    primary = servers.primary_of(slot_of(TAGS[0]))
    (replica,) = servers.replicas_of(primary)
    return primary, replica


def test_primary_is_killed(watchful_cluster: Cluster, run: Callable[..., Report]) -> None:
    """A primary is killed with SIGKILL, its replica takes over, later it returns as a replica."""
    servers = watchful_cluster

    def disturb(load: Load, witness: Witness) -> None:
        primary, replica = _primary_with_replica(servers)
        primary.kill()
        load.wait_until(lambda: _is_primary(replica), "the replica took over")
        load.wait_until_calm()
        primary.restart()
        servers.wait_until_ok()
        load.wait_until_calm()

    _assert_failed_in_time(run(servers, disturb, **_TIMES))


def test_primary_is_paused(watchful_cluster: Cluster, run: Callable[..., Report]) -> None:
    """A primary stops answering with SIGSTOP, its replica takes over, later it goes on."""
    servers = watchful_cluster

    def disturb(load: Load, witness: Witness) -> None:
        primary, replica = _primary_with_replica(servers)
        primary.pause()
        try:
            load.wait_until(lambda: _is_primary(replica), "the replica took over")
            load.wait_until_calm()
        finally:
            primary.resume()
        servers.wait_until_ok()
        load.wait_until_calm()

    _assert_failed_in_time(run(servers, disturb, **_TIMES))


def test_primary_pauses_for_a_moment(steady_cluster: Cluster, run: Callable[..., Report]) -> None:
    """A primary pauses for longer than calls wait and shorter than others do to replace it.

    It does then what it was sent before; what timed out is not sent again, or it would be done
    twice, and late replies are nobody's.
    """
    servers = steady_cluster

    def disturb(load: Load, witness: Witness) -> None:
        primary, _ = _primary_with_replica(servers)
        primary.pause()
        try:
            load.wait_until(lambda: load.report.errors.total() >= 8, "calls failed")
        finally:
            primary.resume()
        load.wait_until_calm()

    report = run(servers, disturb, **_TIMES)
    _assert_failed_in_time(report)
    assert report.found["lost"] == 0, report
