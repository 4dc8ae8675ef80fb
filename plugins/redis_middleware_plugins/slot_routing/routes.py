"""Which deployment a key is of: by prefix routes, and by the side of a rollout."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from redis.exceptions import RedisError

from redis_middleware.commands import key_slot
from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.slot_routing.refusing import shown_key
from redis_middleware_plugins.slot_routing.rollout import Rollout, RolloutSettings

__all__ = [
    "CLIENT",
    "CrossDeploymentError",
    "DeploymentSettings",
    "Destination",
    "RouteSettings",
    "Routes",
    "route_problems",
]

CLIENT: Final = "client"
"""The name of the deployment that the client itself connects to."""

_SHOWN_KEYS: Final = 3


class RouteSettings(BaseModel):
    """Keys that are of another deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: KeyPattern = Field(description="The keys that the route is for.")
    to: str = Field(description="The deployment they are of; client is the client's own.")


class DeploymentSettings(BaseModel):
    """Another Redis: a single server, a proxy or a cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr = Field(
        description="Its URL, or that of any node of its cluster, with its user and password. What "
        "it does not say (time-outs, protocol, decoding ...) is as with the client."
    )
    cluster: bool = Field(
        default=False, description="Whether it is a cluster, so that keys go by their slots."
    )

    @field_validator("url")
    @classmethod
    def _has_a_scheme(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                "a URL begins with redis://, rediss:// (TLS) or unix://, such as "
                "redis://sessions.internal:6379"
            )
        return url


class CrossDeploymentError(RedisError):
    """A command, or a transaction, whose keys are of several deployments: nothing was sent.

    Attributes:
        deployments: for each of them its keys, in the order of the command.
    """

    def __init__(self, command: str, deployments: Mapping[str, Sequence[bytes]]) -> None:
        self.deployments = {name: tuple(keys) for name, keys in deployments.items()}
        parts = "; ".join(
            f"{name}: {_listed(keys)}" for name, keys in sorted(self.deployments.items())
        )
        super().__init__(
            f"{command} was not sent: its keys are of several deployments ({parts}), and it cannot "
            "be split: use keys of one deployment, or change slot_routing.routes or "
            "slot_routing.rollout so that keys used together stay together"
        )


def _listed(keys: Sequence[bytes]) -> str:
    shown = ", ".join(map(shown_key, keys[:_SHOWN_KEYS]))
    more = len(keys) - _SHOWN_KEYS
    return f"{shown} and {more} more" if more > 0 else shown


class Destination(NamedTuple):
    """Where a key goes.

    Attributes:
        deployment: its name.
        rollout_side: ``"old"`` or ``"new"`` where the rollout decided, else ``None``.
    """

    deployment: str
    rollout_side: str | None = None


class Routes:
    """The routes and the rollout, compiled; immutable, to be swapped whole.

    The first route whose pattern matches a key decides; keys of no route are of the client's own
    deployment. Of the keys that come out at the rollout's old side in this way, it takes its share
    to the new one.

    Args:
        routes: the routes, in order.
        rollout: the rollout, where there is one.
    """

    def __init__(
        self, routes: Sequence[RouteSettings] = (), rollout: RolloutSettings | None = None
    ) -> None:
        self._routes = tuple([(route.keys.matches, Destination(route.to)) for route in routes])
        self.rollout = None if rollout is None else Rollout(rollout)
        self.is_trivial = not routes and rollout is None

    is_trivial: bool
    """Whether every key is of the client's own deployment."""

    def of(self, key: bytes) -> Destination:
        """Where a key goes, as it is on the wire."""
        destination = _OWN
        for matches, routed in self._routes:
            if matches(key):
                destination = routed
                break
        rollout = self.rollout
        if rollout is None or destination.deployment != rollout.old or not rollout.takes_part(key):
            return destination
        if rollout.is_new(key_slot(key)):
            return Destination(rollout.new, "new")
        return Destination(rollout.old, "old")

    def of_all(self, command: str, keys: Sequence[bytes]) -> Destination:
        """Where a command goes whose keys have to be together.

        Args:
            command: its name, or what to call a transaction.
            keys: its keys; without any it is for the client's own deployment.

        Raises:
            CrossDeploymentError: they are of several deployments.
        """
        if not keys:
            return _OWN
        if len(keys) == 1:
            return self.of(keys[0])
        destinations = [self.of(key) for key in keys]
        first = destinations[0]
        if all(each.deployment == first.deployment for each in destinations):
            return first
        deployments: dict[str, list[bytes]] = {}
        for key, destination in zip(keys, destinations, strict=True):
            deployments.setdefault(destination.deployment, []).append(key)
        raise CrossDeploymentError(command, deployments)


_OWN: Final = Destination(CLIENT)


def route_problems(
    routes: Sequence[RouteSettings],
    rollout: RolloutSettings | None,
    deployments: Collection[str],
) -> str | None:
    """What is wrong with names of deployments, to be raised by the settings; ``None`` if nothing.

    Args:
        routes: the routes.
        rollout: the rollout.
        deployments: the names of the deployments that the settings describe.
    """
    if CLIENT in deployments:
        return (
            "deployments.client: client is where the client itself connects to, which its own URL "
            "tells: choose another name"
        )
    known = {CLIENT, *deployments}
    uses = [(f"routes.{at}.to", route.to) for at, route in enumerate(routes)]
    if rollout is not None:
        uses += [("rollout.to", rollout.to), ("rollout.route", rollout.route)]
        if rollout.to == rollout.route:
            return f"rollout: keys move from {rollout.route!r} to itself: name two deployments"
    for place, name in uses:
        if name not in known:
            return (
                f"{place}: there is no deployment {name!r}; there are {', '.join(sorted(known))}: "
                f"write a table slot_routing.deployments.{name} with its url"
            )
    return None
