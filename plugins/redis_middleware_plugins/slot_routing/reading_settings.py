"""The table ``[slot_routing.reading]`` of the settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from redis_middleware.settings.types import Bytes, Duration, KeyPattern

__all__ = ["Policy", "ReadRuleSettings", "ReadingSettings"]

Policy = Literal["primary", "prefer_replica", "any", "lowest_latency", "same_zone"]


class ReadRuleSettings(BaseModel):
    """How the keys of a pattern are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: KeyPattern = Field(description="The keys that the rule is for.")
    policy: Policy = Field(description="Where they are read.")
    max_lag_bytes: Bytes | None = Field(
        default=None, description="As for all keys, in place of that; without it, as for all keys."
    )
    max_lag_seconds: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None, description="As for all keys, in place of that; without it, as for all keys."
    )


class ReadingSettings(BaseModel):
    """Where keys are read: at the primary, or at replicas that are in step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Field(
        default="primary",
        description="Where keys are read that no rule names. primary: what was written is read. "
        "prefer_replica: a replica, at random; the primary if none can be read. any: primary and "
        "replicas alike. lowest_latency: the node that answers fastest. same_zone: a replica or "
        "else the primary of this zone; if there is none, as prefer_replica.",
    )
    rules: tuple[ReadRuleSettings, ...] = Field(
        default=(), description="Other policies by key pattern: the first that matches counts."
    )
    max_lag_bytes: Bytes | None = Field(
        default=None,
        description="Replicas are not read that lacked more of their primary's replication stream "
        "when it was measured last.",
    )
    max_lag_seconds: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="Replicas are read only if they are known to have everything that was written "
        "until so long ago.",
    )
    after_write: Duration = Field(
        default=1.0,
        description="For so long after this client wrote a key it reads it from the primary.",
    )
    zone: str | None = Field(
        default=None, description="The availability zone of this process, for same_zone."
    )
    zones: dict[str, str] = Field(
        default={},
        description='Zones of servers by address, such as {"10.0.1.*" = "eu-1a"}: a pattern of '
        "host or host:port. Where none matches counts what the server tells (Valkey 8.1).",
    )
    check_every: Annotated[Duration, Field(ge=0.05, le=60)] = Field(
        default=1.0, description="How often the state of the replicas is asked for."
    )
    explore_every: Annotated[Duration, Field(gt=0)] = Field(
        default=1.0,
        description="With lowest_latency: a node that was not read for so long gets one read, to "
        "learn whether it has become faster.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.zone is None and self.uses("same_zone"):
            raise ValueError(
                "the policy same_zone needs zone, the zone that this process is in: set it here, "
                "or REDIS_MIDDLEWARE__SLOT_ROUTING__READING__ZONE in its environment"
            )
        shortest = min(
            (
                bound
                for bound in (
                    self.max_lag_seconds,
                    *[rule.max_lag_seconds for rule in self.rules],
                )
                if bound is not None
            ),
            default=None,
        )
        if shortest is not None and shortest < 2 * self.check_every:
            raise ValueError(
                f"max_lag_seconds ({shortest:g} s) is shorter than two checks of the replicas "
                f"(check_every is {self.check_every:g} s), so that they would hardly ever be read: "
                "raise it, or lower check_every"
            )
        for pattern in self.zones:
            KeyPattern(pattern)
        return self

    def uses(self, policy: Policy) -> bool:
        """Whether keys are read by this policy, some or all."""
        return policy == self.policy or any(rule.policy == policy for rule in self.rules)

    @property
    def leaves_primaries(self) -> bool:
        """Whether anything is read elsewhere than at primaries."""
        policies = {self.policy, *[rule.policy for rule in self.rules]}
        return policies != {"primary"}
