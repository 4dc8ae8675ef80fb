"""SCAN over a whole cluster, behind one cursor.

The primaries are walked one after the other with their own SCAN. The cursor tells which slots are
done, not which nodes: a slot is done when a node has been walked that served it at the beginning
and at the end of its walk. Where slots move or primaries change meanwhile, what is not done is
walked at whoever serves it then. A slot whose keys are moving one by one is done when the node that
they go to has been walked after the one that they come from. So a key may be returned several
times, as a single server may do, and a key that is there all the time is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from redis.exceptions import ClusterDownError

from redis_middleware import Command, Flow
from redis_middleware_plugins.slot_routing.cursors import Cursor, mark_of
from redis_middleware_plugins.slot_routing.slot_sets import lowest, slot_set
from redis_middleware_plugins.slot_routing.topology import Node, Topology

__all__ = ["Told", "scan"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a node tells of its cluster.

    Attributes:
        topology: who serves what.
        coming: the slots whose keys are moving to the node, one by one, as a set.
        leaving: the slots whose keys are moving away from it, by the node that they move to. That
            node has confirmed it: a move may have been given up at one end only.
    """

    topology: Topology
    coming: int
    leaving: Mapping[Node, int]


def scan(
    command: Command,
    topology: Topology,
    server_of: Callable[[Node], Any],
    ask: Callable[[Node], Generator[Any, Any, Told]],
) -> Flow:
    """One step of a walk: a flow that sends one SCAN to one node.

    The walk has no other state than the cursor: after a failure the same command can be given to
    it again, with a newer topology.

    Args:
        command: the application's SCAN.
        topology: who serves what, as far as is known.
        server_of: the server of a node, to be a target.
        ask: asks a node how things are now; it is used when the walk of that node is at its end.

    Returns:
        The cursor for the next step, 0 at the end, and the keys: as redis-py gives them.

    Raises:
        ScanCursorError: the cursor is none of such a walk, or would become too long.
        redis.exceptions.ClusterDownError: a shard has no primary at the moment.
    """
    args = command.args
    if len(args) < 2:
        return (yield command)
    cursor = Cursor.decode(args[1])
    node = None if cursor is None else _node_of(cursor, topology)
    if cursor is None or node is None:
        # The beginning, or the node is not a primary any more: its own cursor is of no use.
        cursor = _begin(0 if cursor is None else cursor.walked, topology)
        node = None if cursor is None else _node_of(cursor, topology)
    if cursor is None or node is None:
        return 0, []
    on_node, keys = yield command.replace(
        (args[0], cursor.on_node, *args[2:]), command.options, server_of(node)
    )
    on_node = int(on_node)
    if on_node:
        return replace(cursor, on_node=on_node).encode(), keys
    told = yield from ask(node)
    done = cursor.walking & (_served_by(cursor.node, told.topology) | told.coming)
    leaving = {importer: slots & done for importer, slots in told.leaving.items() if slots & done}
    for slots in leaving.values():
        done &= ~slots
    walked = cursor.walked | done
    if leaving:
        # To one of the nodes; what moves to others stays to be done, from the start.
        importer, slots = next(iter(leaving.items()))
        following: Cursor | None = _walk(importer, walked, told.topology, slots)
    else:
        following = _begin(walked, told.topology)
    return (0 if following is None else following.encode()), keys


def _begin(walked: int, topology: Topology) -> Cursor | None:
    """A cursor at the beginning of the next node; ``None`` where every served slot is done."""
    served = slot_set(slots for shard in topology.shards for slots in shard.ranges)
    left = served & ~walked
    if not left:
        return None
    slot = lowest(left)
    shard = topology.by_slot[slot]
    if shard is None or shard.primary is None:
        raise ClusterDownError(
            f"CLUSTERDOWN slot {slot} has no primary at the moment: SCAN can go on with the same "
            "cursor when it has one"
        )
    return _walk(shard.primary, walked, topology)


def _walk(node: Node, walked: int, topology: Topology, besides: int = 0) -> Cursor:
    """A cursor at the beginning of a node, for what it serves and some slots besides."""
    mark = mark_of(node)
    return Cursor(0, mark, _served_by(mark, topology) & ~walked | besides, walked)


def _node_of(cursor: Cursor, topology: Topology) -> Node | None:
    return next((node for node in topology.primaries if mark_of(node) == cursor.node), None)


def _served_by(node: int, topology: Topology) -> int:
    return slot_set(
        slots
        for shard in topology.shards
        if shard.primary is not None and mark_of(shard.primary) == node
        for slots in shard.ranges
    )
