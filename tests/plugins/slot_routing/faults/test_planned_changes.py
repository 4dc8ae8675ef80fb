"""Slots migrate, nodes come and go, replicas take over by command: nobody notices.

Eight workers write and read back numbered values all the while. A planned change loses no
acknowledged write and makes no call fail.
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

# Long: on a busy machine a reply may take its time, and no node is lost here.
_TIMES = {"deadline": 10.0, "socket_timeout": 5.0}


def _other_primary(servers: Cluster, primary: Server) -> Server:
    owners = {servers.primary_of(slot_of(tag)) for tag in TAGS}
    return next(node for node in servers.nodes if node in owners - {primary})


def _assert_unnoticed(report: Report) -> None:
    assert not report.errors, report
    assert report.found["lost"] == 0, report


def _redirected_by(server: Server) -> int:
    """How often a server answered ASK or TRYAGAIN since it started."""
    errors = server.command("INFO", "errorstats")
    return sum(
        errors[name]["count"] for name in ("errorstat_ASK", "errorstat_TRYAGAIN") if name in errors
    )


def _migrate_under_load(load: Load, servers: Cluster, slot: int, target: Server) -> None:
    """Hand over a slot in steps, each of which the workers meet."""
    migration = servers.migration(slot, target)
    before = _redirected_by(migration.source)
    migration.start()
    migration.move_keys(20)
    # Not ASK alone: in the end every worker may be one that waits for keys to come together.
    load.wait_until(lambda: _redirected_by(migration.source) > before + 30, "the source redirects")
    migration.finish()
    load.wait_until_calm()


def test_slots_migrate(steady_cluster: Cluster, run: Callable[..., Report]) -> None:
    """Slots with live keys move to another node and back: ASK and MOVED are seen by the way."""
    servers = steady_cluster

    def disturb(load: Load, witness: Witness) -> None:
        for tag in TAGS[:4]:
            slot = slot_of(tag)
            source = servers.primary_of(slot)
            for target in (_other_primary(servers, source), source):
                _migrate_under_load(load, servers, slot, target)

    report = run(servers, disturb, **_TIMES)
    _assert_unnoticed(report)
    assert report.redirections["ask"] > 40, report
    # A slot is MOVED once for all; ASK leaves the table alone, so none follows from it.
    assert 0 < report.redirections["moved"] < report.redirections["ask"] / 4, report


def test_node_joins_and_leaves(steady_cluster: Cluster, run: Callable[..., Report]) -> None:
    """A new node takes slots over, gives them back and is gone."""
    servers = steady_cluster

    def disturb(load: Load, witness: Witness) -> None:
        new = servers.add_node()
        sources = {slot_of(tag): servers.primary_of(slot_of(tag)) for tag in TAGS[::4]}
        servers.migrate(sources, new)
        load.wait_until_calm()
        for slot, source in sources.items():
            servers.migrate([slot], source)
        # What is under way at a node when it ends is lost: first everybody learns where to go.
        load.wait_until_calm()
        servers.remove_node(new)
        load.wait_until_calm()
        servers.wait_until_ok()

    _assert_unnoticed(run(servers, disturb, **_TIMES))


def test_replica_takes_over_by_command(steady_cluster: Cluster, run: Callable[..., Report]) -> None:
    """A replica takes over with its primary's consent, and gives back."""
    servers = steady_cluster

    def disturb(load: Load, witness: Witness) -> None:
        primary = servers.primary_of(slot_of(TAGS[0]))
        (replica,) = servers.replicas_of(primary)
        for next_primary in (replica, primary):
            servers.fail_over(next_primary)
            load.wait_until_calm()
            servers.wait_until_ok()

    _assert_unnoticed(run(servers, disturb, **_TIMES))
