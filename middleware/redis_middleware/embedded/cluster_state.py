"""What each server of a cluster knows of the others, and what is missing for all to agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from redis_middleware.embedded.server import Server

__all__ = ["ClusterState", "missing_in_cluster"]

_SLOTS = 16_384
_OUT_OF_TOUCH = {"fail", "fail?", "handshake", "noaddr"}


@dataclass(frozen=True)
class ClusterState:
    """The cluster as one of its servers knows it. All are on one host: their ports tell them apart.

    Attributes:
        state: ``"ok"`` or ``"fail"``.
        ranges: first and last slot and the primary of each range, in order.
        listed: the servers that CLUSTER SLOTS tells clients of.
        in_touch: the servers that it reaches, itself among them.
        follows: the primary that it follows, or ``None``.
        in_step: whether it is a primary, or connected to the one it follows.
    """

    state: str
    ranges: tuple[tuple[int, int, int], ...]
    listed: frozenset[int]
    in_touch: frozenset[int]
    follows: int | None
    in_step: bool

    @classmethod
    def at(cls, node: Server) -> Self:
        """Ask a server.

        Raises:
            redis.RedisError: it does not answer.
        """
        with node.connect() as client:
            information = client.execute_command("CLUSTER INFO")
            known = client.execute_command("CLUSTER NODES")
            ranges = client.execute_command("CLUSTER SLOTS")
            role, *details = client.execute_command("ROLE")
        is_replica = role == "slave"
        return cls(
            state=information["cluster_state"],
            ranges=tuple(sorted((first, last, primary[1]) for first, last, primary, *_ in ranges)),
            listed=frozenset(server[1] for _, _, *servers in ranges for server in servers),
            in_touch=frozenset(
                int(address.rpartition(":")[2])
                for address, details in known.items()
                if details["connected"] and not _OUT_OF_TOUCH & set(details["flags"].split(","))
            ),
            follows=int(details[1]) if is_replica else None,
            in_step=not is_replica or details[2] == "connected",
        )

    def owner_of(self, slot: int) -> int | None:
        """The port of a slot's primary."""
        return next((port for first, last, port in self.ranges if first <= slot <= last), None)

    def slots_of(self, port: int) -> set[int]:
        """The slots that a primary serves."""
        return {
            slot
            for first, last, owner in self.ranges
            for slot in range(first, last + 1)
            if owner == port
        }

    @property
    def served(self) -> int:
        """How many slots are served."""
        return sum(last - first + 1 for first, last, _ in self.ranges)


def missing_in_cluster(nodes: Sequence[Server]) -> str | None:
    """Say what is missing until every slot is served, every node up, every replica in step.

    Returns:
        ``None`` where nothing is missing and all agree.

    Raises:
        redis.RedisError: a server does not answer.
    """
    states = {node.port: ClusterState.at(node) for node in nodes}
    for port, state in states.items():
        problem = _missing_at(state, states)
        if problem is not None:
            return f"cluster node {port}: {problem}"
    return None


def _missing_at(state: ClusterState, states: dict[int, ClusterState]) -> str | None:
    if state.state != "ok":
        return f"its cluster_state is {state.state}"
    if state.served != _SLOTS:
        return f"it knows the servers of {state.served} of {_SLOTS} slots"
    if apart := sorted(states.keys() - state.in_touch):
        return f"it is not in touch with {apart}"
    if not state.in_step:
        return f"it is not in step with its primary {state.follows}"
    for port, other in states.items():
        if other.ranges != state.ranges:
            return f"it does not agree with {port} on who serves which slots"
        # A primary without slots is not listed, and neither are its replicas.
        if other.follows in state.listed and port not in state.listed:
            return f"it does not list the replica {port}"
    return None
