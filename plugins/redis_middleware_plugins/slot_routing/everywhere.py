"""Commands that go to every node, or to every primary, and the one reply for all of them.

Where they go and how replies are put together is what the server says itself, by the command tips
``request_policy`` and ``response_policy``
(https://valkey.io/topics/command-tips/, https://redis.io/docs/latest/develop/reference/command-tips/).
For what the server calls ``special``, and for some commands that it has no tips for though each
node knows its own part only, ``_OF_OUR_OWN`` tells. The reply has the shape that a single server
gives it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from redis_middleware import NIL, Command
from redis_middleware.commands import CommandSpec
from redis_middleware_plugins.slot_routing import merging
from redis_middleware_plugins.slot_routing.info import merged_info, merged_memory_stats
from redis_middleware_plugins.slot_routing.outcomes import raise_first
from redis_middleware_plugins.slot_routing.topology import Node, Topology

__all__ = ["Everywhere", "everywhere_of"]

Nodes = Literal["all_nodes", "all_shards"]


@dataclass(frozen=True, slots=True)
class Everywhere:
    """How a command goes to many nodes.

    Attributes:
        nodes: ``"all_nodes"``, replicas too, or ``"all_shards"``, each shard's primary.
        merge: from the command and the replies of the nodes to the one reply.
        may_fail: whether ``merge`` deals with failures; else any of them is the outcome.
    """

    nodes: Nodes
    merge: merging.Merge
    may_fail: bool = False

    def nodes_of(self, topology: Topology) -> list[Node] | None:
        """The nodes that it goes to; ``None`` where a shard has no primary at the moment.

        Replicas that have failed or are loading are left out.
        """
        if any(shard.primary is None and shard.ranges for shard in topology.shards):
            return None
        if self.nodes == "all_shards":
            nodes = list(topology.primaries)
        else:
            nodes = [node for node in topology.nodes if node.is_primary or node.health == "online"]
        return list({node.address: node for node in nodes}.values())

    def reply(self, command: Command, nodes: Sequence[str], replies: Sequence[Any]) -> Any:
        """The one reply, as a flow returns it.

        Args:
            command: the command.
            nodes: the address of each node that it was sent to.
            replies: the nodes' replies, failures as exceptions.

        Raises:
            Exception: the first failure; it tells on which nodes the command was done, see
                :func:`~redis_middleware_plugins.slot_routing.outcomes.partly_done`.
        """
        if not self.may_fail:
            raise_first(command.name, replies, [[node] for node in nodes])
        reply = self.merge(command, replies)
        return NIL if reply is None else reply


def everywhere_of(
    spec: CommandSpec, choose: Callable[[Sequence[Any]], Any] = random.choice
) -> Everywhere | None:
    """How a command goes to many nodes; ``None`` where it goes to one.

    Args:
        spec: the command's specification.
        choose: picks one of several, for RANDOMKEY.
    """
    if spec.name == "RANDOMKEY":
        return Everywhere("all_shards", partial(merging.random_key, choose))
    own = _OF_OUR_OWN.get(spec.name)
    nodes = _NODES.get(spec.request_policy)
    if own is not None or nodes is None:
        return own
    if spec.response_policy == "one_succeeded":
        return Everywhere(nodes, merging.first_success, may_fail=True)
    merge = _BY_POLICY.get(spec.response_policy)
    return None if merge is None else Everywhere(nodes, merge)


_NODES: Final[dict[str | None, Nodes]] = {"all_nodes": "all_nodes", "all_shards": "all_shards"}

_BY_POLICY: Final[dict[str | None, merging.Merge]] = {
    "all_succeeded": merging.first,
    "agg_sum": merging.column_by_column(sum),
    "agg_min": merging.column_by_column(min),
    "agg_max": merging.column_by_column(max),
    "agg_logical_and": merging.column_by_column(min),
    "agg_logical_or": merging.column_by_column(max),
    None: merging.together,
}

_OF_OUR_OWN: Final = {
    "CLIENT KILL": Everywhere("all_nodes", merging.killed, may_fail=True),
    "CLIENT LIST": Everywhere("all_nodes", merging.together),
    "CLIENT PAUSE": Everywhere("all_nodes", merging.first),
    "CLIENT UNPAUSE": Everywhere("all_nodes", merging.first),
    "COMMANDLOG GET": Everywhere("all_nodes", merging.latest_entries),
    "FUNCTION STATS": Everywhere("all_shards", merging.running_script),
    "INFO": Everywhere("all_shards", merged_info),
    "KEYS": Everywhere("all_shards", merging.union),
    "LATENCY DOCTOR": Everywhere("all_nodes", merging.texts),
    "LATENCY HISTORY": Everywhere("all_nodes", merging.by_time),
    "LATENCY LATEST": Everywhere("all_nodes", merging.latest_events),
    "MEMORY DOCTOR": Everywhere("all_shards", merging.texts),
    "MEMORY MALLOC-STATS": Everywhere("all_shards", merging.texts),
    "MEMORY STATS": Everywhere("all_shards", merged_memory_stats),
    "PUBSUB CHANNELS": Everywhere("all_nodes", merging.union),
    "PUBSUB NUMPAT": Everywhere("all_nodes", merging.column_by_column(sum)),
    "PUBSUB NUMSUB": Everywhere("all_nodes", merging.subscribers),
    "PUBSUB SHARDCHANNELS": Everywhere("all_nodes", merging.union),
    "PUBSUB SHARDNUMSUB": Everywhere("all_nodes", merging.subscribers),
    "SLOWLOG GET": Everywhere("all_nodes", merging.latest_entries),
}
