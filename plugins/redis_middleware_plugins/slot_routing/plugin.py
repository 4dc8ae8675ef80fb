"""The plugin: which flow is around which command."""

from __future__ import annotations

import logging
import random as random_module
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from redis_middleware import Batch, Command, Flow, Middleware, SettingsError, hookimpl
from redis_middleware.command import Place
from redis_middleware.commands import CommandSpec
from redis_middleware.readings import Metric
from redis_middleware_plugins.slot_routing.building import Deployments
from redis_middleware_plugins.slot_routing.cluster_client import ClusterClientReads
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.destinations import Destinations, Member
from redis_middleware_plugins.slot_routing.members import ClusterClientMember, RoutedMember
from redis_middleware_plugins.slot_routing.mirroring import Mirror, MirrorSettings
from redis_middleware_plugins.slot_routing.replicas import ReplicaStates
from redis_middleware_plugins.slot_routing.routes import CLIENT, Routes
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings
from redis_middleware_plugins.slot_routing.telling import ClientRouting
from redis_middleware_plugins.slot_routing.ways import Way, as_it_is

__all__ = ["SlotRouting"]

logger = logging.getLogger("redis_middleware.slot_routing")

_ALWAYS_THERE: Final = tuple(
    replace(metric, readings=())
    for metric in (*ReplicaStates().metrics(), *Mirror(MirrorSettings()).metrics())
)
"""Exporters ask once which metrics there are, perhaps before anything is read or mirrored."""


class _Same(dict[CommandSpec, Way]):
    """One way for every command."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        self._way = way

    def __missing__(self, spec: CommandSpec) -> Way:
        return self._way


class SlotRouting:
    """Sends each command to the server that has its keys.

    Args:
        settings: the table ``[slot_routing]``.
        clock: seconds from any fixed point.
        random: gives numbers from 0 up to, but not including, 1.

    Attributes:
        settings: the settings in force.
        counters: what was sent to each node and by each route.
        mirror: what compares reads of both sides of a rollout; ``None`` without one.
    """

    name = "slot_routing"
    Settings = SlotRoutingSettings

    def __init__(
        self,
        settings: SlotRoutingSettings,
        *,
        clock: Callable[[], float] = time.perf_counter,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.settings = settings
        self.counters = Counters(clock)
        self.mirror: Mirror | None = None
        self._clock = clock
        self._random = random
        self._middleware: Middleware | None = None
        self._is_refusing = False
        self._deployments: Deployments | None = None
        self._mirrored: object = None
        self._member: Member | None = None
        self._ways: Mapping[CommandSpec, Way] = _Same(as_it_is)

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """The deployments by name; ``client`` is that of the wrapped client itself."""
        return MappingProxyType({} if self._deployments is None else self._deployments.by_name)

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Begin to route the client's commands; its servers are asked with the first of them.

        Raises:
            SettingsError: this very object routes the commands of another client.
        """
        if self._middleware is not None:
            self._is_refusing = True
            raise SettingsError(
                "this SlotRouting object is part of another client already, with connections and "
                "a topology of its own: give each client the plugin's name or class, or an object "
                "of its own"
            )
        self._middleware = middleware
        self._deployments = Deployments(
            middleware,
            self.counters,
            clock=self._clock,
            random=self._random,
            found=self._found,
        )
        self._use(self.settings)

    def _found(self) -> None:
        """It is known what the client points at."""
        middleware = self._middleware
        if middleware is None:
            return
        if self._is_idle:
            # From now on its commands do not come here.
            middleware.recompile()

    @property
    def _is_idle(self) -> bool:
        """Whether there is nothing to do: no cluster, and no other deployments."""
        if self._member is None or isinstance(self._member, Destinations):
            return False
        return self.deployments[CLIENT].is_cluster is False

    def wants(self, spec: CommandSpec) -> bool:
        """Every command, unless it is known that there is nothing to do."""
        return not self._is_idle

    @hookimpl
    def redis_detach(self) -> None:
        """End what works in the background; connections go with the last command under way."""
        if self._is_refusing:
            # The other client's pipeline takes back what it could not attach.
            self._is_refusing = False
            return
        self._mirror_no_more()
        if self._deployments is not None:
            self._deployments.stop()
        if self._middleware is not None:
            self._middleware.client.routing = None
        self._middleware = self._deployments = self._member = None
        self._ways = _Same(as_it_is)

    def reconfigure(self, settings: SlotRoutingSettings) -> None:
        """Use other settings from now on; counts, topologies and connections stay."""
        self.settings = settings
        if self._middleware is not None:
            self._use(settings)

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Send a command where its keys are; each kind of command has a way of its own."""
        place = command.place
        if place is Place.SINGLE or place is Place.PIPELINE:
            return self._ways[command.spec](command)
        if place is Place.WATCH and self._member is not None:
            return self._member.watched(command)
        return None

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow | None:
        """Send a transaction where its keys are."""
        if batch.place is Place.TRANSACTION and self._member is not None and not self._is_idle:
            return self._member.transaction(batch)
        return None

    def metrics(self) -> Iterator[Metric]:
        """What is counted by node and by route, of the replicas and of a mirror."""
        merged: dict[str, Metric] = {}
        for metric in self._all_metrics():
            same = merged.get(metric.name)
            readings = metric.readings if same is None else [*same.readings, *metric.readings]
            merged[metric.name] = replace(metric, readings=readings)
        yield from merged.values()

    def _all_metrics(self) -> Iterator[Metric]:
        yield from _ALWAYS_THERE
        yield from self.counters.metrics()
        if self._deployments is not None:
            yield from self._deployments.metrics()
        if self.mirror is not None:
            yield from self.mirror.metrics()

    def after_fork(self) -> None:
        """Begin anew in a process that was forked off: nobody there refreshes the tables."""
        for deployment in self.deployments.values():
            deployment.refreshing.after_fork()

    def _use(self, settings: SlotRoutingSettings) -> None:
        assert self._deployments is not None
        assert self._middleware is not None
        self._deployments.use(settings)
        members = self._members(settings)
        routes = Routes(settings.routes, settings.rollout)
        own = members[CLIENT]
        view = self._middleware.client
        if not view.is_cluster:
            view.routing = ClientRouting(
                self.deployments[CLIENT], leaves_deployment=not routes.is_trivial
            )
        if not routes.is_trivial:
            self._member = self._destinations(routes, members, settings)
            self._ways = _Same(self._member.send)
            return
        self._mirror_no_more()
        self._member = own
        # The usual case is to be as fast as it can be.
        self._ways = own.ways if isinstance(own, RoutedMember) else _Same(own.send)

    def _members(self, settings: SlotRoutingSettings) -> dict[str, Member]:
        assert self._middleware is not None
        assert self._deployments is not None
        members: dict[str, Member] = {
            name: RoutedMember(deployment, settings.split, self._one_of)
            for name, deployment in self.deployments.items()
        }
        view = self._middleware.client
        if view.is_cluster:
            own = self.deployments[CLIENT]
            states = self._deployments.states.get(CLIENT)
            reads = None
            if own.reading is not None and states is not None:
                reads = ClusterClientReads(own, own.reading, states)
            members[CLIENT] = ClusterClientMember(view, settings.split, reads)
        return members

    def _destinations(
        self, routes: Routes, members: Mapping[str, Member], settings: SlotRoutingSettings
    ) -> Destinations:
        """Where commands go by routes and a rollout, some of whose reads may be mirrored."""
        assert self._middleware is not None
        rollout = settings.rollout
        mirrored = (rollout and (rollout.mirror, rollout.to, rollout.route), settings.deployments)
        if mirrored != self._mirrored:
            self._mirror_no_more()
        if rollout is None or not rollout.mirror.percent:
            return Destinations(routes, members, self.counters, settings.split)
        mirror = self.mirror or Mirror(rollout.mirror, random=self._random)
        destinations = Destinations(routes, members, self.counters, settings.split, mirror)
        if self.mirror is None:
            new, old = destinations.to_side(rollout.to), destinations.to_side(rollout.route)
            self._middleware.run_in_background(lambda: mirror.work(new, old), "mirror")
        self.mirror, self._mirrored = mirror, mirrored
        return destinations

    def _mirror_no_more(self) -> None:
        if self.mirror is not None:
            self.mirror.stop()
        self.mirror = self._mirrored = None

    def _one_of(self, elements: Sequence[Any]) -> Any:
        return elements[int(self._random() * len(elements))]
