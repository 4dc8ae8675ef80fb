"""The table ``[slot_routing]`` of the settings."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from redis_middleware.redispy.view import ServerAddress
from redis_middleware.settings.types import Duration
from redis_middleware_plugins.slot_routing.parsing import parse_address
from redis_middleware_plugins.slot_routing.reading_settings import ReadingSettings
from redis_middleware_plugins.slot_routing.rollout import RolloutSettings
from redis_middleware_plugins.slot_routing.routes import (
    DeploymentSettings,
    RouteSettings,
    route_problems,
)
from redis_middleware_plugins.slot_routing.splitting import MaySplit

__all__ = ["SlotRoutingSettings"]


class SlotRoutingSettings(BaseModel):
    """How commands find the server that has their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: bool | None = Field(
        default=None,
        description="Whether the client points at a cluster. Without it the server is asked; false "
        "for proxies that do not know the command CLUSTER.",
    )
    seeds: tuple[str, ...] = Field(
        default=(),
        description="More nodes, as host:port, to ask for the topology besides the one that the "
        "client points at.",
    )
    remap: dict[str, str] = Field(
        default={},
        description='Address translation, for NAT and containers, such as {"10.0.0.5:6379" = '
        '"redis.example.com:7001"}: from what the servers tell to what is reached, host:port or a '
        "host alone.",
    )
    deadline: Annotated[Duration, Field(gt=0)] = Field(
        default=10.0,
        description="Seconds from a command's first try in which it is redirected and tried again; "
        "a try that has begun by then may take one socket time-out longer.",
    )
    max_redirections: int = Field(
        default=16, ge=1, description="How often one command is redirected with MOVED or ASK."
    )
    refresh_interval: Annotated[Duration, Field(gt=0, le=60)] = Field(
        default=0.25, description="Seconds between two requests for the topology, at least."
    )
    resend_writes: bool = Field(
        default=False,
        description="Whether a write is sent again where the connection was lost after it was "
        "sent. It may then be carried out twice: an INCR counts double.",
    )

    split: MaySplit = Field(
        default="all",
        description="Which commands on keys of several slots are split: refuse: none; reads: MGET, "
        "EXISTS, TOUCH; all: MSET, DEL and UNLINK too. What is split is not atomic any more.",
    )

    reading: ReadingSettings = Field(
        default=ReadingSettings(), description="Where keys are read: primaries or replicas."
    )
    routes: tuple[RouteSettings, ...] = Field(
        default=(),
        description="Keys of other deployments: the first route that matches a key decides.",
    )
    deployments: dict[str, DeploymentSettings] = Field(
        default={}, description="The other deployments, by name."
    )
    rollout: RolloutSettings | None = Field(
        default=None, description="A share of the keys moves to another deployment."
    )

    @field_validator("seeds")
    @classmethod
    def _are_addresses(cls, seeds: tuple[str, ...]) -> tuple[str, ...]:
        for seed in seeds:
            parse_address(seed)
        return seeds

    @field_validator("remap")
    @classmethod
    def _maps_addresses(cls, remap: dict[str, str]) -> dict[str, str]:
        for told, reached in remap.items():
            if (":" in _bare(told)) != (":" in _bare(reached)):
                raise ValueError(
                    f"{told!r} to {reached!r}: translate host:port to host:port, or a host to a "
                    "host; an IPv6 address stands in brackets"
                )
            for address in (told, reached):
                parse_address(address if ":" in _bare(address) else f"{address}:1")
        return remap

    @model_validator(mode="after")
    def _names_deployments(self) -> Self:
        problem = route_problems(self.routes, self.rollout, self.deployments)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def seed_addresses(self) -> tuple[ServerAddress, ...]:
        """The seeds as addresses."""
        return tuple(parse_address(seed) for seed in self.seeds)

    def remapped(self, address: ServerAddress) -> ServerAddress:
        """Where a server is reached that others tell at this address."""
        host, port = address
        name = f"[{host}]" if ":" in host else host
        reached = self.remap.get(f"{name}:{port}")
        if reached is not None:
            return parse_address(reached)
        reached = self.remap.get(name)
        return address if reached is None else ServerAddress(reached.strip("[]"), port)


def _bare(address: str) -> str:
    """An address without what stands in brackets, so that a colon means a port."""
    return address.partition("]")[2] if address.startswith("[") else address
