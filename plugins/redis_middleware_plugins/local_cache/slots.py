"""The slots of a cluster: who serves them now, and of which nothing is heard."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from redis_middleware import ClientView, ServerAddress
from redis_middleware.redispy.dedicated import reads_from_replicas
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.topology import Topology, parse_topology

__all__ = ["Slots"]

logger = logging.getLogger("redis_middleware.local_cache")

Nodes = Iterable[ServerAddress | None]


class Slots:
    """Lets a store keep replies of the keys only whose nodes are heard.

    Args:
        store: the store.
        view: the client.

    Attributes:
        topology: what a node told last; ``None`` before the first time, and outside of a cluster.
    """

    def __init__(self, store: Store, view: ClientView) -> None:
        self._store = store
        self._view = view
        self._heard: tuple[Topology, frozenset[ServerAddress | None]] | None = None
        self._unheard: frozenset[int] = frozenset()
        self.topology: Topology | None = None

    def nodes(self) -> list[ServerAddress]:
        """Those that are to be heard."""
        assert self.topology is not None
        return self.topology.nodes(with_replicas=reads_from_replicas(self._view))

    def hear(self, standing: Nodes) -> None:
        """Keep nothing of the slots whose nodes are not among those that are heard."""
        if self.topology is None:
            return
        heard = (self.topology, frozenset(standing))
        if heard != self._heard:
            # It takes a millisecond, and there may be thousands of messages in a second.
            self._heard = heard
            self._unheard = self.topology.not_served_by(
                heard[1], with_replicas=reads_from_replicas(self._view)
            )
        self._store.open(but=self._unheard)

    def follow(self, reply: list[Any], address: ServerAddress, standing: Nodes) -> None:
        """Drop what moved to another node, and go on with the nodes that there are now.

        Args:
            reply: a node's reply to CLUSTER SLOTS.
            address: the node.
            standing: the nodes that are heard.
        """
        before = self.topology
        if before is None or reply == before.reply:
            return
        self.topology = parse_topology(reply, address)
        self.hear(standing)
        moved = self.topology.moved(before)
        if moved:
            dropped = self._store.invalidate_slots(moved)
            logger.info("%d slots moved; %d entries dropped", len(moved), dropped)
