"""For each command its way through one deployment, found once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from redis.exceptions import DataError

from redis_middleware import Command, Flow
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import NODE, SLOT
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.gathering import gather
from redis_middleware_plugins.slot_routing.many_nodes import ManyNodes
from redis_middleware_plugins.slot_routing.reading import may_read_replica
from redis_middleware_plugins.slot_routing.splitting import MaySplit, Splitter

__all__ = ["Way", "Ways", "as_it_is"]

Way = Callable[[Command], Flow | None]
"""Takes a command to where it belongs: by a flow, or by its target alone."""


class Ways(dict[CommandSpec, Way]):
    """The way of each command that is sent by itself or in a pipeline; made on its first use.

    Args:
        deployment: the deployment.
        may_split: which commands are split over slots.
        choose: picks one of several, for RANDOMKEY.
    """

    def __init__(
        self,
        deployment: Deployment,
        may_split: MaySplit,
        choose: Callable[[Sequence[Any]], Any],
    ) -> None:
        super().__init__()
        self._deployment = deployment
        self._quick = _quick(deployment)
        self._quick_read = _quick_read(deployment)
        self._many_nodes = ManyNodes(deployment, choose, deployment.clock)
        self._splitter = Splitter(
            deployment.view.encode, may_split, partial(gather, deployment), deployment.send
        )

    def __missing__(self, spec: CommandSpec) -> Way:
        way = self._way_of(spec)
        if spec.known:
            # Others may be another object the next time.
            self[spec] = way
        return way

    def _way_of(self, spec: CommandSpec) -> Way:
        deployment = self._deployment
        if deployment.is_cluster is None:
            return self._first
        if not deployment.is_cluster:
            return as_it_is if deployment.target is None else self._to_target
        if spec.first_key == 1:
            reads_replicas = deployment.reading is not None and may_read_replica(spec)
            return self._quick_read if reads_replicas else self._quick
        return self._many_nodes.way_of(spec) or self._splitter.way_of(spec) or deployment.send

    def _first(self, command: Command) -> Flow:
        """The way of the first commands: it is found out what the deployment is."""
        yield from self._deployment.load()
        self.clear()
        flow = self[command.spec](command)
        return (yield command) if flow is None else (yield from flow)

    def _to_target(self, command: Command) -> None:
        command.target = self._deployment.target


def as_it_is(command: Command) -> None:
    """The way of a command that goes where the client sends it."""


def _quick(deployment: Deployment) -> Way:
    """The way of commands with one key, their first argument, to its primary.

    It takes the usual case, a primary that is known, in as few steps as possible; everything else
    is left to ``Deployment.send``.
    """
    endpoints, slot_of = deployment.table.endpoints, deployment.slot_of
    guard, send = deployment.guard, deployment.send

    def way(command: Command) -> Flow:
        try:
            slot = command.slot = slot_of(command.args[1])
        except (IndexError, DataError, UnicodeError):
            # The server, or redis-py, will refuse the command.
            return send(command)
        endpoint = endpoints[slot]
        if endpoint is None:
            return send(command)
        command.target = endpoint.server
        notes = command.notes
        notes[SLOT] = slot
        notes[NODE] = endpoint.name
        return guard(command, endpoint)

    return way


def _quick_read(deployment: Deployment) -> Way:
    """The same for reads that may go to replicas."""
    endpoint_of, slot_of = deployment.endpoint_of, deployment.slot_of
    guard, send = deployment.guard, deployment.send

    def way(command: Command) -> Flow:
        try:
            command.slot = slot_of(command.args[1])
        except (IndexError, DataError, UnicodeError):
            # The server, or redis-py, will refuse the command.
            return send(command)
        endpoint = endpoint_of(command)
        if endpoint is None:
            return send(command)
        command.target = endpoint.server
        notes = command.notes
        notes[SLOT] = command.slot
        notes[NODE] = endpoint.name
        return guard(command, endpoint)

    return way
