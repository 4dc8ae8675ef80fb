"""The deployments that the settings describe, kept for as long as they are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from redis_middleware import Middleware
from redis_middleware.readings import Metric
from redis_middleware.redispy.dedicated import known_nodes
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.reading import Reading
from redis_middleware_plugins.slot_routing.replicas import ReplicaStates
from redis_middleware_plugins.slot_routing.routes import CLIENT
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings

__all__ = ["Deployments"]

_OF_ALL_DEPLOYMENTS: Final = ("remap", "refresh_interval", "reading")
_OF_THE_CLIENT: Final = ("cluster", "seeds")


class Deployments:
    """Makes deployments: that of the client itself and those that have a name in the settings.

    Args:
        middleware: the wrapped client's handle.
        counters: what is counted by node.
        clock: seconds from any fixed point.
        random: gives numbers from 0 up to, but not including, 1.
        found: called when it is known whether the client's own server is a cluster.

    Attributes:
        by_name: the deployments; ``client`` is that of the client itself.
        states: what is known of the replicas of those whose replicas are read.
    """

    def __init__(
        self,
        middleware: Middleware,
        counters: Counters,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        found: Callable[[], None],
    ) -> None:
        self.by_name: dict[str, Deployment] = {}
        self.states: dict[str, ReplicaStates] = {}
        self._made_of: dict[str, tuple[object, ...]] = {}
        self._middleware = middleware
        self._view = middleware.client
        self._counters = counters
        self._clock = clock
        self._random = random
        self._found = found

    def use(self, settings: SlotRoutingSettings) -> None:
        """Have the deployments that the settings describe.

        Those that are the same as before keep their topology and their connections.
        """
        names = [CLIENT, *settings.deployments]
        for name in [name for name in self.by_name if name not in names]:
            del self.by_name[name], self._made_of[name]
            self._stop(name)
        for name in names:
            made_of = _made_of(name, settings)
            if self._made_of.get(name) == made_of:
                self.by_name[name].settings = settings
            else:
                self._stop(name)
                self.by_name[name] = self._made(name, settings)
                self._made_of[name] = made_of

    def stop(self) -> None:
        """End what works in the background."""
        for name in list(self.states):
            self._stop(name)

    def _stop(self, name: str) -> None:
        states = self.states.pop(name, None)
        if states is not None:
            states.stop()

    def _made(self, name: str, settings: SlotRoutingSettings) -> Deployment:
        view, middleware = self._view, self._middleware
        described = settings.deployments.get(name)
        configured: tuple[ServerAddress, ...] = ()
        if described is not None:
            servers = view.servers(described.url.get_secret_value())
            is_cluster: bool | None = described.cluster
        else:
            servers = view.servers()
            configured = settings.seed_addresses
            is_cluster = True if view.is_cluster else settings.cluster

        def seeds() -> list[ServerAddress | None]:
            # Before its first command a cluster client of redis.asyncio knows no nodes.
            known = known_nodes(view) if view.is_cluster and described is None else ()
            return [*known, None, *configured]

        states = reading = None
        if settings.reading.leaves_primaries and is_cluster is not False:
            states = ReplicaStates(settings.reading.check_every, clock=self._clock)
            reading = Reading(
                settings.reading, self._counters, states, clock=self._clock, random=self._random
            )
        deployment = Deployment(
            "the client's server" if described is None else f"the deployment {name!r}",
            view,
            servers,
            settings,
            self._counters,
            seeds=seeds,
            is_cluster=is_cluster,
            start=lambda flow: middleware.run_in_background(flow, f"topology of {name}"),
            clock=self._clock,
            random=self._random,
            reading=reading,
            states=states,
            target=None if described is None else servers.at(),
            found=self._found if described is None else _nothing,
        )
        if states is not None:
            self.states[name] = states
            self._watch(name, deployment, states)
        return deployment

    def _watch(self, name: str, deployment: Deployment, states: ReplicaStates) -> None:
        self._middleware.run_in_background(
            lambda: states.watch(
                lambda: deployment.table.topology,
                lambda node: deployment.endpoint_at(node).server,
                self._view.command,
                deployment.refreshing.request,
            ),
            f"replicas of {name}",
        )

    def metrics(self) -> Iterator[Metric]:
        """What is known of the replicas."""
        for states in self.states.values():
            yield from states.metrics()


def _made_of(name: str, settings: SlotRoutingSettings) -> tuple[object, ...]:
    """What a deployment is made of: it is another one where this is another."""
    fields = _OF_ALL_DEPLOYMENTS + (_OF_THE_CLIENT if name == CLIENT else ())
    return settings.deployments.get(name), *[getattr(settings, field) for field in fields]


def _nothing() -> None:
    return None
