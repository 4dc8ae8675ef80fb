"""What is reported of clusters that are not whole."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
import redis

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.embedded import Server, cluster, standalone
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

NEWCOMER = {"cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1"}


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


def test_every_node_is_told_with_its_problem() -> None:
    """A replica that was killed, and a primary that has no slots yet."""
    with (
        cluster(primaries=2, replicas=1) as servers,
        standalone(config=NEWCOMER) as newcomer,
    ):
        with closing(redis.RedisCluster.from_url(servers.url)) as client:
            for number in range(200):
                client.set(f"key:{number}", number)
        known = servers.nodes[0]
        bus_port = known.command("CONFIG GET", "cluster-port")["cluster-port"]
        newcomer.command("CLUSTER MEET", known.host, known.port, bus_port)
        servers.replicas[-1].kill()
        deadline = time.monotonic() + 20
        while len((report := examine(servers.url)).nodes) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    by_port = {node.address.port: node for node in report.nodes}
    assert by_port[newcomer.port].slot_count == 0
    assert by_port[newcomer.port].keys == 0
    assert by_port[newcomer.port].problem is None
    killed = by_port[servers.replicas[-1].port]
    assert killed.problem is not None
    assert killed.keys is None
    assert by_port[servers.replicas[0].port].problem is None
    assert sum(report.measures[KEYS]) == 200
    # One without slots is none to compare with.
    imbalance = report.imbalance(KEYS)
    assert imbalance is not None
    assert imbalance < 2
