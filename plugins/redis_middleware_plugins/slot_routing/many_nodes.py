"""The flows of commands that go to many nodes: to all of them at once, or one by one in a walk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from redis_middleware import Command, Flow
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import note_split
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.everywhere import Everywhere, everywhere_of
from redis_middleware_plugins.slot_routing.redirecting import Attempts, kind_of
from redis_middleware_plugins.slot_routing.scanning import Told, scan
from redis_middleware_plugins.slot_routing.slot_sets import slot_set
from redis_middleware_plugins.slot_routing.table import Endpoint
from redis_middleware_plugins.slot_routing.topology import Node, Topology

__all__ = ["ManyNodes"]


class ManyNodes:
    """Sends commands to many nodes of a deployment that is a cluster.

    None of its flows is for commands in a transaction or under WATCH: those are on one server.

    Args:
        deployment: the deployment, loaded.
        choose: picks one of several.
        clock: seconds from any fixed point.
    """

    def __init__(
        self,
        deployment: Deployment,
        choose: Callable[[Sequence[Any]], Any],
        clock: Callable[[], float],
    ) -> None:
        self._deployment = deployment
        self._table = deployment.table
        self._choose = choose
        self._clock = clock

    def way_of(self, spec: CommandSpec) -> Callable[[Command], Flow] | None:
        """What gives the flows of a command for many nodes; ``None`` for other commands."""
        if spec.name == "SCAN":
            return self._scan
        everywhere = everywhere_of(spec, self._choose)
        return None if everywhere is None else partial(self._everywhere, everywhere)

    def _everywhere(self, everywhere: Everywhere, command: Command) -> Flow:
        """Send a command to all nodes at once.

        Nodes that fail are tried again within the deadline where that does no harm, or the nodes
        that took their place. A read is then sent to all once more: its replies are of one time.
        """
        began = self._clock()
        attempts = self._attempts(command, began, everywhere)
        yield from attempts.start()
        replies: dict[Endpoint, Any] = {}
        try:
            while True:
                missing = [each for each in self._endpoints(everywhere) if each not in replies]
                parts = [_part(command, endpoint) for endpoint in missing]
                replies.update(zip(missing, (yield parts), strict=True))
                seconds = self._clock() - began
                for endpoint in missing:
                    endpoint.counts.sent(seconds)
                failed = next((each for each in missing if _may_recover(replies[each])), None)
                if failed is None:
                    break
                command.target = failed.server
                try:
                    yield from attempts.after(replies[failed], failed)
                except Exception as error:
                    replies[failed] = error
                    break
                replies = {
                    endpoint: reply
                    for endpoint, reply in replies.items()
                    if not command.spec.is_read and not isinstance(reply, Exception)
                }
            note_split(command, len(replies))
            nodes = [str(endpoint.address) for endpoint in replies]
            return everywhere.reply(command, nodes, list(replies.values()))
        finally:
            # The traceback of a failure holds this frame.
            del replies

    def _scan(self, command: Command) -> Flow:
        """One step of a walk over all primaries."""
        began = self._clock()
        attempts = self._attempts(command, began)
        endpoint = yield from attempts.start()

        def server_of(node: Node) -> Any:
            nonlocal endpoint
            endpoint = self._table.endpoint(node.address)
            command.target = endpoint.server
            return endpoint.server

        while True:
            topology = self._table.topology
            assert topology is not None
            try:
                return (yield from scan(command, topology, server_of, self._ask))
            except RedisError as failure:
                error = failure
            finally:
                endpoint.counts.sent(self._clock() - began)
            try:
                yield from attempts.after(error, endpoint)
            finally:
                # The traceback holds this frame.
                del error

    def _ask(self, node: Node) -> Generator[Any, Any, Told]:
        topology = yield from self._deployment.refreshing.told_by(node.address)
        known = self._table.topology
        if known is None or _primaries(topology) != _primaries(known):
            self._deployment.refreshing.request(node.address)
        leaving, coming = yield from self._moving(node)
        confirmed = {}
        for other in topology.primaries:
            slots = {slot for slot, identity in leaving.items() if identity == other.id}
            if slots:
                _, imported = yield from self._moving(other)
                confirmed[other] = slot_set((slot, slot) for slot in slots & imported.keys())
        return Told(topology, slot_set((slot, slot) for slot in coming), confirmed)

    def _moving(self, node: Node) -> Generator[Any, Any, tuple[dict[int, str], dict[int, str]]]:
        """The slots that leave and that come to a node, with the ID of the other node."""
        command = self._deployment.view.command("CLUSTER NODES")
        command.target = self._table.endpoint(node.address).server
        nodes = yield command
        moves = [
            (int(move["slot"]), str(move["node_id"]), str(move["state"]))
            for told in nodes.values()
            if "myself" in told["flags"]
            for move in told["migrations"]
        ]
        leaving = {slot: other for slot, other, state in moves if state == "migrating"}
        return leaving, {slot: other for slot, other, state in moves if state == "importing"}

    def _endpoints(self, everywhere: Everywhere) -> list[Endpoint]:
        """Where the command goes; empty where a shard has no primary."""
        topology = self._table.topology
        nodes = None if topology is None else everywhere.nodes_of(topology)
        return [self._table.endpoint(node.address) for node in nodes or ()]

    def _attempts(
        self, command: Command, began: float, everywhere: Everywhere | None = None
    ) -> Attempts:
        def choose(tried: set[Any]) -> Endpoint | None:
            if everywhere is not None and not self._endpoints(everywhere):
                return None
            return self._table.any_primary(tried)

        return Attempts(
            self._deployment,
            command,
            command.name,
            choose,
            is_safe=not command.spec.is_write,
            began=began,
            slot=None,
        )


def _primaries(topology: Topology) -> dict[ServerAddress, int]:
    """The slots that each primary serves."""
    served: dict[ServerAddress, int] = {}
    for shard in topology.shards:
        if shard.primary is not None:
            address = shard.primary.address
            served[address] = served.get(address, 0) | slot_set(shard.ranges)
    return served


def _part(command: Command, endpoint: Endpoint) -> Command:
    part = Command(
        command.args,
        command.options,
        command.spec,
        command.client,
        command.place,
        command.position,
    )
    part.target = endpoint.server
    return part


def _may_recover(reply: Any) -> bool:
    return isinstance(reply, Exception) and kind_of(reply) != "final"
