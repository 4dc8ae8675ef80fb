"""What other plugins may know of where a client's commands go."""

from __future__ import annotations

from redis_middleware import Command, ServerAddress
from redis_middleware_plugins.slot_routing.deployment import Deployment

__all__ = ["ClientRouting"]


class ClientRouting:
    """The ``routing`` of a plain client's view.

    Args:
        deployment: the client's own deployment.
        leaves_deployment: whether some commands go to others.

    Attributes:
        leaves_deployment: whether some commands go to others.
    """

    def __init__(self, deployment: Deployment, *, leaves_deployment: bool) -> None:
        self._deployment = deployment
        self.leaves_deployment = leaves_deployment

    @property
    def is_cluster(self) -> bool | None:
        """Whether it is a cluster; ``None`` while that is not known."""
        return self._deployment.is_cluster

    @property
    def reads_from_replicas(self) -> bool:
        """Whether some reads go to replicas."""
        return self._deployment.reading is not None

    @property
    def nodes(self) -> list[ServerAddress]:
        """The nodes that are known now, primaries first."""
        topology = self._deployment.table.topology
        if topology is None:
            return []
        nodes = sorted(topology.nodes, key=lambda node: not node.is_primary)
        return [node.address for node in nodes]

    def address_of(self, command: Command) -> ServerAddress | None:
        """The primary of a command's slot; ``None`` where there is none, or it is not known."""
        slot = command.slot
        if slot is None or self.leaves_deployment:
            return None
        endpoint = self._deployment.table.endpoints[slot]
        return None if endpoint is None else endpoint.address
