"""A cluster of several servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from redis_middleware.embedded.binary import find_server
from redis_middleware.embedded.ports import HOST
from redis_middleware.embedded.server import Server
from redis_middleware.embedded.waiting import wait_until_nothing_missing
from redis_middleware.embedded.workspace import Workspace

__all__ = ["Cluster", "cluster"]

_SLOTS = 16_384
_FORMED_WITHIN = 30.0
_BASE_CONFIG = {
    "cluster-enabled": "yes",
    # A node learns its own address from the others, and alone never.
    "cluster-announce-ip": HOST,
    # Short enough for tests that wait for a failover, long enough for a machine that is busy.
    "cluster-node-timeout": "5000",
    "cluster-allow-replica-migration": "no",
}
# Nodes ping each other at least every half of their time-out, and news travels with the pings.
_NODE_TIMEOUT_WHILE_FORMING = 500


class Cluster:
    """The servers of a cluster.

    Attributes:
        primaries: the servers that were primaries when the cluster was formed.
        replicas: the servers that were replicas then.
    """

    def __init__(self, primaries: Sequence[Server], replicas: Sequence[Server]) -> None:
        self.primaries = tuple(primaries)
        self.replicas = tuple(replicas)

    @property
    def nodes(self) -> tuple[Server, ...]:
        """All servers, the first primaries first."""
        return self.primaries + self.replicas

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every server."""
        return [(node.host, node.port) for node in self.nodes]

    @property
    def url(self) -> str:
        """The URL of the first server, for ``RedisCluster.from_url``."""
        return self.nodes[0].url

    def flush(self) -> None:
        """Remove every key, on replicas too."""
        for node in self.nodes:
            node.flush()

    def wait_until_ok(self, timeout: float = _FORMED_WITHIN) -> None:
        """Wait until all agree: every slot is served, every node is up, every replica in step.

        Args:
            timeout: seconds to wait.

        Raises:
            ServerStartError: it is not so in time; the message says what is missing.
        """
        wait_until_nothing_missing(self._missing, timeout=timeout, servers=self.nodes)

    def _missing(self) -> str | None:
        for node in self.nodes:
            problem = self._missing_at(node)
            if problem is not None:
                return f"cluster node {node.host}:{node.port}: {problem}"
        return None

    def _missing_at(self, node: Server) -> str | None:
        with node.connect() as client:
            information = client.execute_command("CLUSTER INFO")
            if information["cluster_state"] != "ok":
                return f"its cluster_state is {information['cluster_state']}"
            ranges = client.execute_command("CLUSTER SLOTS")
            role, *details = client.execute_command("ROLE")
        served = sum(end - start + 1 for start, end, *_ in ranges)
        if served != _SLOTS:
            return f"it knows the servers of {served} of {_SLOTS} slots"
        known = {(host, port) for _, _, *servers in ranges for host, port, *_ in servers}
        if unknown := set(self.addresses) - known:
            return f"it does not list {sorted(unknown)}"
        if role == "slave" and details[2] != "connected":
            return f"its link to its primary is in state {details[2]!r}"
        return None


@contextmanager
def cluster(
    primaries: int = 3,
    replicas: int = 1,
    *,
    port: int | None = None,
    config: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Run a cluster for the duration of the block; all its slots are served at the start.

    Args:
        primaries: how many primaries share the slots.
        replicas: how many replicas each primary has.
        port: the first server's TCP port, the others follow it one by one; without it, free ones.
        config: directives of every server's configuration file.

    Raises:
        ServerStartError: there is no server binary, or the cluster does not form.
    """
    binary = find_server()
    with Workspace() as workspace:
        nodes = [
            Server(
                workspace,
                binary,
                f"node-{index}",
                port=None if port is None else port + index,
                config={**_BASE_CONFIG, **(config or {})},
            )
            for index in range(primaries * (1 + replicas))
        ]
        for node in nodes:
            node.wait_until_ready()
        formed = Cluster(nodes[:primaries], nodes[primaries:])
        _form(formed)
        yield formed


def _form(servers: Cluster) -> None:
    for node in servers.nodes:
        node.command("CONFIG SET", "cluster-node-timeout", _NODE_TIMEOUT_WHILE_FORMING)
    _share_slots(servers.primaries)
    first, *others = servers.nodes
    for node in others:
        bus_port = node.command("CONFIG GET", "cluster-port")["cluster-port"]
        first.command("CLUSTER MEET", node.host, node.port, bus_port)
    _follow_primaries(servers)
    servers.wait_until_ok()
    for node in servers.nodes:
        node.command("CONFIG SET", "cluster-node-timeout", node.configured("cluster-node-timeout"))


def _share_slots(primaries: Sequence[Server]) -> None:
    for index, node in enumerate(primaries):
        first = index * _SLOTS // len(primaries)
        last = (index + 1) * _SLOTS // len(primaries) - 1
        # Different epochs from the start, else the nodes have to settle which of them yields.
        node.command("CLUSTER SET-CONFIG-EPOCH", index + 1)
        node.command("CLUSTER ADDSLOTSRANGE", first, last)


def _follow_primaries(servers: Cluster) -> None:
    for index, replica in enumerate(servers.replicas):
        primary = servers.primaries[index % len(servers.primaries)]
        identity = primary.command("CLUSTER MYID")

        wait_until_nothing_missing(
            partial(_replicate, replica, identity),
            timeout=_FORMED_WITHIN,
            servers=servers.nodes,
        )


def _replicate(replica: Server, primary_identity: str) -> None:
    # An error until the replica has heard of its primary.
    replica.command("CLUSTER REPLICATE", primary_identity)
