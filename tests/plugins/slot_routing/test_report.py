"""What is reported of clusters that are not whole."""

from __future__ import annotations

from contextlib import closing

import pytest
import redis

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.embedded import Cluster, Server, cluster
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.heat_map import LEVELS, text_lines, to_svg
from redis_middleware_plugins.slot_routing.refreshing import NotAClusterError
from redis_middleware_plugins.slot_routing.report import (
    KEYS,
    ClusterReport,
    NodeReport,
    examine,
    ranges_of,
)


def _report(*ranges: tuple[int, int], **counts: int) -> ClusterReport:
    """Primaries with a range each, and the keys of some slots, such as ``s7=3``."""
    owners: list[int | None] = [None] * SLOT_COUNT
    for index, (first, last) in enumerate(ranges):
        owners[first : last + 1] = [index] * (last + 1 - first)
    values = [0] * SLOT_COUNT
    for name, count in counts.items():
        values[int(name[1:])] = count
    nodes = tuple(
        NodeReport(ServerAddress(f"host{index}", 1), "", None, (span,))
        for index, span in enumerate(ranges)
    )
    uncovered = ranges_of([slot for slot, owner in enumerate(owners) if owner is None])
    return ClusterReport(nodes, uncovered, {KEYS: values}, "", tuple(owners))


def test_ranges_are_put_together() -> None:
    """Neighbours into one, single slots by themselves."""
    assert ranges_of([0, 1, 2, 7, 9, 10]) == ((0, 2), (7, 7), (9, 10))
    assert ranges_of([]) == ()


def test_imbalance_is_the_largest_over_the_smallest() -> None:
    """Infinite where one has none; unknown where nobody has, or there is one node only."""
    halves = ((0, 8191), (8192, SLOT_COUNT - 1))
    assert _report(*halves, s0=30, s9000=10).imbalance(KEYS) == 3.0
    assert _report(*halves, s0=30).imbalance(KEYS) == float("inf")
    assert _report(*halves).imbalance(KEYS) is None
    assert _report((0, SLOT_COUNT - 1), s0=30).imbalance(KEYS) is None


def test_slots_that_nobody_serves_are_told() -> None:
    """In the report, and left blank in the heat map."""
    report = _report((0, 99), (200, SLOT_COUNT - 1), s50=1)
    assert report.uncovered == ((100, 199),)
    assert report.serving(150) == (None, [])
    first = next(text_lines(report, KEYS))
    assert first.cells[14] is None
    assert first.cells[6] is LEVELS[-1]
    assert first.cells[0] is LEVELS[0]
    assert "not served" in to_svg(report, KEYS, "T")


def test_titles_are_written_as_text() -> None:
    """Whatever is in a URL, the image stays well-formed."""
    assert "a&lt;b&amp;c" in to_svg(_report((0, SLOT_COUNT - 1)), KEYS, "a<b&c")


def test_a_server_that_is_no_cluster_is_told_apart(clean_standalone: Server) -> None:
    """From all that could go wrong."""
    with pytest.raises(NotAClusterError, match="is no node of a cluster"):
        examine(clean_standalone.url)


def test_nodes_that_are_gone_have_their_problem_told() -> None:
    """A replica that was killed and a primary: the others are reported all the same."""
    with cluster(primaries=2, replicas=1) as servers:
        with closing(redis.RedisCluster.from_url(servers.url)) as client:
            for number in range(200):
                client.set(f"key:{number}", number)
        _kill_last_replica(servers)
        report = examine(servers.url)
    by_address = {node.address.port: node for node in report.nodes}
    assert len(report.primaries) == 2
    assert sum(report.measures[KEYS]) == 200
    lost = by_address.get(servers.replicas[-1].port)
    # Depending on how far the cluster has noticed, it is reported with its problem or left out.
    assert lost is None or lost.problem is not None
    assert by_address[servers.replicas[0].port].problem is None


def _kill_last_replica(servers: Cluster) -> None:
    servers.replicas[-1].kill()
