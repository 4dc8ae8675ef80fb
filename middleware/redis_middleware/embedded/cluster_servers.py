"""A cluster of several servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from redis_middleware.embedded.binary import find_server
from redis_middleware.embedded.cluster_state import ClusterState, missing_in_cluster
from redis_middleware.embedded.ports import HOST
from redis_middleware.embedded.server import Server
from redis_middleware.embedded.slot_migration import SlotMigration
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
    """The servers of a cluster, and what can be changed about it while it runs.

    Attributes:
        primaries: the servers that were primaries when the cluster was formed.
        replicas: the servers that were replicas then.
        nodes: all servers that are part of it now, the first primaries first.
    """

    def __init__(
        self, primaries: Sequence[Server], replicas: Sequence[Server], start: Callable[[], Server]
    ) -> None:
        self.primaries = tuple(primaries)
        self.replicas = tuple(replicas)
        self.nodes = [*primaries, *replicas]
        self._start = start

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every server."""
        return [(node.host, node.port) for node in self.nodes]

    @property
    def url(self) -> str:
        """The URL of the first server, for ``RedisCluster.from_url``."""
        return self.nodes[0].url

    def primary_of(self, slot: int) -> Server:
        """The server that is the primary of a slot now, as the first node that runs knows it.

        Raises:
            LookupError: it knows none.
        """
        asked = self._running[0]
        port = ClusterState.at(asked).owner_of(slot)
        for node in self.nodes:
            if node.port == port:
                return node
        raise LookupError(f"{asked!r} knows no server of the cluster for slot {slot}")

    def slots_of(self, primary: Server) -> set[int]:
        """The slots that a server serves now, by its own account; none if it is a replica."""
        return ClusterState.at(primary).slots_of(primary.port)

    def replicas_of(self, primary: Server) -> list[Server]:
        """The servers that follow a server now, by its own account; none if it is a replica."""
        role, *details = primary.command("ROLE")
        ports = {int(port) for _, port, _ in details[1]} if role == "master" else set()
        return [node for node in self.nodes if node.port in ports]

    def migration(self, slot: int, to: Server) -> SlotMigration:
        """Prepare to move a slot with its keys in steps, to look at what happens in between."""
        return SlotMigration(slot, self.primary_of(slot), to, self.nodes)

    def migrate(self, slots: Iterable[int], to: Server) -> None:
        """Move slots with their keys; those that are there already stay."""
        for slot in slots:
            migration = self.migration(slot, to)
            if migration.source is not to:
                migration.start()
                migration.finish()

    def add_node(self, *, replica_of: Server | None = None) -> Server:
        """Start another server and let it join; return it when every node knows it.

        Args:
            replica_of: the primary that it follows; without it, it is a primary without slots.

        Raises:
            ServerStartError: it does not come up, or does not join.
        """
        node = self._start()
        node.wait_until_ready()
        for other in self._running:
            _introduce(other, node)
        self.nodes.append(node)
        if replica_of is not None:
            _follow(node, replica_of, self.nodes)
        self.wait_until_ok()
        return node

    def remove_node(self, node: Server) -> None:
        """Let every other server forget a server, and end it.

        Raises:
            ValueError: it serves slots, or has replicas.
        """
        served, replicas = len(self.slots_of(node)), len(self.replicas_of(node))
        if served or replicas:
            raise ValueError(
                f"{node.host}:{node.port} serves {served} slots and has {replicas} replicas: "
                "migrate its slots and remove its replicas, or let one take over, before it is "
                "removed"
            )
        identity = node.command("CLUSTER MYID")
        self.nodes.remove(node)
        for other in self._running:
            other.command("CLUSTER FORGET", identity)
        node.kill()

    def fail_over(self, replica: Server, *, even_without_primary: bool = False) -> None:
        """Let a replica take over from its primary, by CLUSTER FAILOVER; wait until it has.

        Others hear of it a little later: `wait_until_ok` waits for them.

        Args:
            replica: the replica.
            even_without_primary: whether it does so without the primary's consent (``FORCE``), as
                it has to when the primary is down. Writes that it has not yet got are lost then.

        Raises:
            ServerStartError: it has not taken over in time.
        """
        replica.command("CLUSTER FAILOVER", *(["FORCE"] if even_without_primary else []))

        def missing() -> str | None:
            return None if replica.command("ROLE")[0] == "master" else "it is still a replica"

        wait_until_nothing_missing(missing, timeout=_FORMED_WITHIN, servers=self.nodes)

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
        wait_until_nothing_missing(
            lambda: missing_in_cluster(self.nodes), timeout=timeout, servers=self.nodes
        )

    @property
    def _running(self) -> list[Server]:
        return [node for node in self.nodes if node.running]


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
        numbers = itertools.count()

        def start(port: int | None = None) -> Server:
            return Server(
                workspace,
                binary,
                f"node-{next(numbers)}",
                port=port,
                config={**_BASE_CONFIG, **(config or {})},
            )

        nodes = [
            start(None if port is None else port + index)
            for index in range(primaries * (1 + replicas))
        ]
        for node in nodes:
            node.wait_until_ready()
        formed = Cluster(nodes[:primaries], nodes[primaries:], start)
        _form(formed)
        yield formed


def _form(servers: Cluster) -> None:
    for node in servers.nodes:
        node.command("CONFIG SET", "cluster-node-timeout", _NODE_TIMEOUT_WHILE_FORMING)
    _share_slots(servers.primaries)
    first, *others = servers.nodes
    for node in others:
        _introduce(first, node)
    for index, replica in enumerate(servers.replicas):
        _follow(replica, servers.primaries[index % len(servers.primaries)], servers.nodes)
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


def _introduce(node: Server, newcomer: Server) -> None:
    bus_port = newcomer.command("CONFIG GET", "cluster-port")["cluster-port"]
    node.command("CLUSTER MEET", newcomer.host, newcomer.port, bus_port)


def _follow(replica: Server, primary: Server, nodes: Sequence[Server]) -> None:
    identity = primary.command("CLUSTER MYID")

    def missing() -> None:
        # An error until the replica has heard of its primary.
        replica.command("CLUSTER REPLICATE", identity)

    wait_until_nothing_missing(missing, timeout=_FORMED_WITHIN, servers=nodes)
