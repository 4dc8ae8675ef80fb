"""Over which connections of the pool was read, for ``invalidation = "tracking"``."""

from __future__ import annotations

from redis_middleware import ServerAddress

__all__ = ["Readers"]

Node = ServerAddress | None


class Readers:
    """By node, the connections that the server remembers reads of.

    The server forgets what a connection read when that ends, and tells nobody: so it is asked from
    time to time whether they are still there.
    """

    def __init__(self) -> None:
        self._ids: dict[Node, frozenset[int]] = {}
        self._asked_for: dict[Node, frozenset[int]] = {}

    def add(self, node: Node, connection_id: int) -> None:
        """Something was read over this connection."""
        ids = self._ids.get(node, frozenset())
        if connection_id not in ids:
            self._ids[node] = ids | {connection_id}

    def forget(self, node: Node) -> None:
        """Nothing is kept of what was read from this node."""
        self._ids.pop(node, None)
        self._asked_for.pop(node, None)

    def ask_for(self, node: Node) -> frozenset[int]:
        """Those to ask the node about."""
        ids = self._ids.get(node, frozenset())
        self._asked_for[node] = ids
        return ids

    def gone(self, node: Node, there: set[int]) -> frozenset[int]:
        """Those asked for that are not there any more; they are forgotten."""
        gone = self._asked_for.pop(node, frozenset()) - there
        if gone:
            self._ids[node] = self._ids.get(node, frozenset()) - gone
        return gone
