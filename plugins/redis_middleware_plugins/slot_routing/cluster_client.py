"""Reading from replicas beside a ``RedisCluster``, which routes everything else itself."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from redis.exceptions import ConnectionError, DataError, RedisError

from redis_middleware import Batch, Command, Flow
from redis_middleware.command import Place
from redis_middleware.notes import note_retry
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.reading import Reading, may_read_replica
from redis_middleware_plugins.slot_routing.redirecting import kind_of
from redis_middleware_plugins.slot_routing.replicas import ReplicaStates
from redis_middleware_plugins.slot_routing.slots import slots_of
from redis_middleware_plugins.slot_routing.table import Endpoint

__all__ = ["ClusterClientReads"]


class ClusterClientReads:
    """Sends reads of a cluster client to the nodes that a policy chooses.

    What fails at a replica is sent again as redis-py would have sent it in the first place, with
    its own redirections and retries.

    Args:
        deployment: the client's cluster, for its topology and its replicas.
        reading: the policy.
        states: what is known of the replicas.
    """

    def __init__(self, deployment: Deployment, reading: Reading, states: ReplicaStates) -> None:
        self._deployment = deployment
        self._reading = reading
        self._states = states
        self._clock = deployment.clock

    def send(self, command: Command) -> Flow | None:
        """The flow around a command, wherever it runs; ``None``: redis-py sends it as it is."""
        spec = command.spec
        if may_read_replica(spec):
            is_alone = command.place is Place.SINGLE or command.place is Place.PIPELINE
            return self._read(command) if is_alone else None
        if spec.is_read or (spec.known and not spec.is_write and not spec.key_specs):
            return None
        return self._remembered(command)

    def transaction(self, batch: Batch) -> Flow:
        """The flow around a transaction: what it writes is remembered."""
        self._deployment.wrote(batch.commands)
        try:
            return (yield batch)
        finally:
            self._deployment.wrote(batch.commands)

    def gather(self, parts: list[Command]) -> Generator[Any, Any, Sequence[Any]]:
        """Send the parts of a command that was split, all at once.

        Returns:
            Their replies, failures among them as exceptions.
        """
        endpoints: list[Endpoint | None] = [None] * len(parts)
        if may_read_replica(parts[0].spec):
            for index, part in enumerate(parts):
                endpoint = yield from self._endpoint_of(part)
                if endpoint is not None and endpoint.server.read_only:
                    part.target = endpoint.server
                    endpoints[index] = endpoint
        self._deployment.wrote(parts)
        began = self._clock()
        replies: list[Any] = yield parts
        seconds = self._clock() - began
        self._deployment.wrote(parts)
        again = []
        for index, endpoint in enumerate(endpoints):
            if endpoint is not None:
                endpoint.counts.sent(seconds)
                error = replies[index]
                if isinstance(error, RedisError) and self._failed(error, endpoint):
                    again.append(index)
                    parts[index].target = None
                del error
        if again:
            replied = yield [parts[index] for index in again]
            for index, reply in zip(again, replied, strict=True):
                replies[index] = reply
        return replies

    def _remembered(self, command: Command) -> Flow:
        self._deployment.wrote((command,))
        try:
            return (yield command)
        finally:
            self._deployment.wrote((command,))

    def _read(self, command: Command) -> Flow:
        endpoint = yield from self._endpoint_of(command)
        if endpoint is not None and endpoint.server.read_only:
            return (yield from self._at_replica(command, endpoint))
        if endpoint is None or command.place is not Place.SINGLE:
            return (yield command)
        began = self._clock()
        try:
            return (yield command)
        finally:
            now = self._clock()
            endpoint.counts.latency.add(now - began, now)

    def _endpoint_of(self, command: Command) -> Generator[Any, Any, Endpoint | None]:
        deployment = self._deployment
        yield from deployment.load()
        try:
            slots = slots_of(command)
        except DataError:
            # redis-py refuses it in its own words.
            return None
        shard = deployment.table.shards[slots[0]] if len(slots) == 1 else None
        node = None if shard is None else self._reading.choose(command, shard)
        return None if node is None else deployment.endpoint_at(node)

    def _at_replica(self, command: Command, endpoint: Endpoint) -> Flow:
        command.target = endpoint.server
        counts = endpoint.counts
        began = self._clock()
        try:
            return (yield command)
        except RedisError as error:
            if not self._failed(error, endpoint):
                raise
        finally:
            now = self._clock()
            counts.sent(now - began)
            if command.place is Place.SINGLE:
                # In a pipeline it is the time of the slowest node.
                counts.latency.add(now - began, now)
        command.target = None
        note_retry(command)
        return (yield command)

    def _failed(self, error: RedisError, endpoint: Endpoint) -> bool:
        """Count a failure at a replica; tell whether another node may do better."""
        kind = kind_of(error)
        if kind == "moved" or kind == "ask":
            endpoint.counts.redirected(kind)
        else:
            endpoint.counts.failed(error)
            if kind == "final" and not isinstance(error, ConnectionError):
                return False
            self._states.lost(endpoint.address)
        self._deployment.refreshing.request()
        return True
