"""One Redis deployment, a cluster or not, and the way of a command to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterable
from typing import Any, Final

from redis.exceptions import DataError, MovedError, RedisError

from redis_middleware import Command, Flow, Sleep
from redis_middleware.notes import NODE, SLOT
from redis_middleware.redispy.view import ClientView, ServerAddress
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.guards import guard_of, reading_guard_of
from redis_middleware_plugins.slot_routing.reading import Reading
from redis_middleware_plugins.slot_routing.redirecting import FAILURES, Attempts, kind_of
from redis_middleware_plugins.slot_routing.refreshing import NotAClusterError, Refreshing, Seeds
from redis_middleware_plugins.slot_routing.refusing import CrossSlotError
from redis_middleware_plugins.slot_routing.replicas import ReplicaStates
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings
from redis_middleware_plugins.slot_routing.slots import (
    has_unknown_keys,
    routing_keys,
    slot_function,
    slots_of,
)
from redis_middleware_plugins.slot_routing.table import Endpoint, ServersOfDeployment, Table
from redis_middleware_plugins.slot_routing.topology import Node

__all__ = ["UNKNOWN_KEYS", "Deployment"]

logger = logging.getLogger("redis_middleware.slot_routing")

UNKNOWN_KEYS: Final = "slot_routing.unknown_keys"
"""The note, true on a command that went to a node by chance: nothing told its keys."""

_FOLLOWER_WAIT: Final = 0.002


class Deployment:
    """A deployment of Redis: its servers, its topology, and how commands get there.

    Args:
        name: what messages call it.
        view: facts of the wrapped client.
        servers: the servers.
        settings: the table ``[slot_routing]``: limits, address translation, distance of refreshes.
        counters: what is counted by node.
        seeds: gives addresses to ask for the topology besides those that are known.
        is_cluster: whether it is a cluster; ``None``: the servers are asked.
        start: runs a flow in the background.
        clock: seconds from any fixed point.
        random: gives numbers from 0 up to, but not including, 1.
        reading: chooses the nodes that are read; ``None``: always primaries.
        states: what is known of the replicas, where they are read.
        target: where commands go if it is no cluster; ``None``: where the client sends them.
        found: called when it is known whether it is a cluster.

    Attributes:
        is_cluster: whether it is a cluster; ``None`` while that is not known.
        settings: the settings in force.
        table: which server each slot's commands go to.
        refreshing: what keeps the table up to date.
        slot_of: the slot of a key of any type.
        reading: chooses the nodes that are read; ``None``: always primaries.
        guard: the flow function around a command whose target is known.
    """

    def __init__(
        self,
        name: str,
        view: ClientView,
        servers: ServersOfDeployment,
        settings: SlotRoutingSettings,
        counters: Counters,
        *,
        seeds: Seeds,
        is_cluster: bool | None,
        start: Callable[[Callable[[], Flow]], None],
        clock: Callable[[], float],
        random: Callable[[], float],
        reading: Reading | None = None,
        states: ReplicaStates | None = None,
        target: Any = None,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self.view = view
        self.is_cluster = False if is_cluster is False else None
        self.settings = settings
        self.table = Table(servers, counters, settings.remapped, random)
        self.slot_of = slot_function(view.encode)
        self.target = target
        self._found = found
        self.refreshing = Refreshing(
            self.table,
            servers,
            view.command,
            remap=settings.remapped,
            seeds=seeds,
            interval=settings.refresh_interval,
            clock=clock,
            random=random,
            wants_details=reading is not None,
            start=start,
        )
        self.reading = reading
        self.clock = clock
        self._states = states
        self._servers = servers
        self._must_be_cluster = is_cluster is True
        self.random = random
        self.guard = (
            guard_of(self, clock) if reading is None else reading_guard_of(self, clock, reading)
        )

    def load(self) -> Generator[Any, Any, None]:
        """Find out what the deployment is, and of a cluster its topology; once.

        Servers that cannot be reached are tried again until the deadline.

        Raises:
            RedisError: no server told.
        """
        began = self.clock()
        while self.is_cluster is None:
            try:
                yield from self.refreshing.refresh()
            except NotAClusterError as error:
                if self._must_be_cluster:
                    raise
                self.is_cluster = False
                logger.log(
                    logging.WARNING if error.is_refused else logging.INFO,
                    "%s %s, its commands go where they would without slot_routing: %s",
                    self._name,
                    "does not tell this user of a cluster"
                    if error.is_refused
                    else "is not a cluster",
                    error,
                )
                self._found()
                return
            except RedisError as error:
                left = began + self.settings.deadline - self.clock()
                if kind_of(error) != "lost" or left <= 0:
                    raise
                yield Sleep(min(left, self.refreshing.interval))
                continue
            if self.table.topology is not None:
                self.table.prefer(self._servers.at().address)
                self.is_cluster = True
                self._found()
            else:
                yield Sleep(_FOLLOWER_WAIT)

    def send(self, command: Command) -> Flow:
        """The flow that sends a command where it belongs, whatever happens on the way.

        Returns:
            Its reply.

        Raises:
            CrossSlotError: its keys are of several slots.
        """
        if self.is_cluster is None:
            yield from self.load()
        if not self.is_cluster:
            command.target = self.target
            return (yield command)
        try:
            slots = slots_of(command)
        except (DataError, UnicodeError):
            # redis-py refuses it in its own words.
            return (yield command)
        if len(slots) > 1:
            raise CrossSlotError(command.name, routing_keys(command))
        command.slot = slots[0] if slots else None
        endpoint = self.endpoint_of(command)
        if endpoint is None:
            endpoint = yield from self.attempts_of(command, self.clock()).start()
        command.target = endpoint.server
        notes = command.notes
        notes[NODE] = endpoint.name
        if command.slot is not None:
            notes[SLOT] = command.slot
        return (yield from self.guard(command, endpoint))

    def endpoint_of(
        self, command: Command, tried: Collection[ServerAddress] = ()
    ) -> Endpoint | None:
        """Where a command belongs by the table as it is; ``None`` where nobody serves its slot.

        Args:
            command: the command, its slot set.
            tried: addresses where it was tried in vain.
        """
        slot = command.slot
        if slot is None:
            if has_unknown_keys(command):
                command.notes[UNKNOWN_KEYS] = True
                return self.table.random_primary()
            return self.table.any_primary(tried)
        if self.reading is not None:
            shard = self.table.shards[slot]
            node = None if shard is None else self.reading.choose(command, shard, tried)
            return None if node is None else self.endpoint_at(node)
        return self.table.endpoints[slot]

    def endpoint_at(self, node: Node) -> Endpoint:
        """The endpoint for commands to a node, with READONLY for a replica."""
        return self.table.endpoint(node.address, read_only=not node.is_primary)

    def attempts_of(self, command: Command, began: float) -> Attempts:
        """The tries of a command, its slot set, the first of which began then."""
        return Attempts(
            self,
            command,
            command.name,
            lambda tried: self.endpoint_of(command, tried),
            is_safe=command.spec.is_read,
            began=began,
            slot=command.slot,
        )

    def lost(self, address: ServerAddress) -> None:
        """A server could not be reached: it is neither read nor asked before others."""
        self.refreshing.lost(address)
        if self._states is not None:
            self._states.lost(address)

    def wrote(self, commands: Iterable[Command]) -> None:
        """Remember what commands write; called before they are sent and when they are done."""
        if self.reading is not None:
            for command in commands:
                self.reading.wrote(command)

    def moved(self, error: MovedError, endpoint: Endpoint) -> Endpoint:
        """Learn from a MOVED: its slot at once, all others in the background.

        Args:
            error: the redirection.
            endpoint: where it came from.

        Returns:
            The endpoint that it names.
        """
        address = self.table.redirection(error, endpoint.address)
        self.refreshing.request(address)
        return self.table.moved(error.slot_id, address)

    def recover(self, command: Command, error: Exception, endpoint: Endpoint, began: float) -> Flow:
        """The flow that goes on after a try failed, until there is a reply or no hope.

        Args:
            command: the command, its slot set.
            error: what it failed with.
            endpoint: where.
            began: when the first try began.

        Returns:
            Its reply.
        """
        attempts = self.attempts_of(command, began)
        try:
            while True:
                if kind_of(error) in ("lost", "final"):
                    endpoint.counts.failed(error)
                endpoint = yield from attempts.after(error, endpoint)
                sent = self.clock()
                try:
                    return (yield command)
                except FAILURES as failure:
                    error = failure
                finally:
                    endpoint.counts.sent(self.clock() - sent)
        finally:
            # The traceback holds this frame.
            del error
