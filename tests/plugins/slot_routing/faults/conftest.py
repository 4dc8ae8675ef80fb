"""Clusters that faults happen to, and what each run reports at the end of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from tests.plugins.slot_routing.faults.load import Load, Way
from tests.plugins.slot_routing.faults.report import Report
from tests.plugins.slot_routing.faults.routed import Witness, routed

from redis_middleware.embedded import Cluster, cluster

_SLACK = 2.0
_reports: dict[str, Report] = {}

Disturb = Callable[[Load, Witness], None]


@pytest.fixture(scope="package")
def steady_cluster() -> Iterator[Cluster]:
    """Run a cluster whose changes are all planned: a busy machine makes no node seem dead."""
    with cluster(primaries=3, replicas=1, config={"cluster-node-timeout": "15000"}) as servers:
        yield servers


@pytest.fixture(scope="package")
def watchful_cluster() -> Iterator[Cluster]:
    """Run a cluster whose replicas take over soon after their primary is gone."""
    with cluster(primaries=3, replicas=1, config={"cluster-node-timeout": "1000"}) as servers:
        yield servers


@pytest.fixture(params=["threads", "tasks"])
def way(request: pytest.FixtureRequest) -> Way:
    """Name the workers: threads on a sync client, or tasks on an async one."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
def run(request: pytest.FixtureRequest, way: Way) -> Callable[..., Report]:
    """Return what runs workers on a routed client while a function disturbs the servers.

    It checks what must hold whatever happens, and keeps the report for the end of the tests.
    """

    def run_disturbed(
        servers: Cluster, disturb: Disturb, *, deadline: float, socket_timeout: float
    ) -> Report:
        servers.flush()
        witness = Witness()
        client = routed(servers, way, witness, deadline=deadline, socket_timeout=socket_timeout)
        load = Load(client)
        load.report.redirections = witness.redirections
        _reports[request.node.name] = load.report
        load.run(lambda load: disturb(load, witness))
        _read_by_others(servers, load)
        report = load.report
        assert not report.foreign, f"replies of another key, or of no write: {report.foreign}"
        assert report.found["doubled"] == 0, report
        assert report.found["writes"] > 500, report
        assert report.longest <= deadline + socket_timeout + _SLACK, report
        return report

    return run_disturbed


def _read_by_others(servers: Cluster, load: Load) -> None:
    """A client without the plugin finds every value where the workers last saw it."""
    with redis.RedisCluster.from_url(servers.url) as client:
        for worker in load.workers:
            expected = worker.last_values()
            assert client.mget_nonatomic(*expected) == list(expected.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what each run counted."""
    if _reports:
        terminalreporter.section("slot_routing under faults")
        for name, report in _reports.items():
            terminalreporter.write_line(f"{name}: {report}")
