"""The table ``[local_cache]`` of the settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from redis_middleware.settings.types import Bytes, Duration, KeyPattern

__all__ = ["FLEET_PREFIX", "SMALLEST_CACHE", "FleetSettings", "LocalCacheSettings", "RuleSettings"]

FLEET_PREFIX = "redis-middleware:local_cache"
"""What the keys begin with that processes share their figures in, unless told otherwise."""

SMALLEST_CACHE = 1024
"""Bytes; an entry with the smallest value takes some 300 of them."""


class RuleSettings(BaseModel):
    """Which keys are cached, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    keys: KeyPattern = Field(description="The keys that the rule is for.")
    ttl: Annotated[Duration, Field(gt=0)] = Field(
        default=10, description="How long a reply is served from memory, at most."
    )
    ttl_jitter: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Entries end up to this fraction of the TTL earlier, at random, so that what "
        "was stored together is not asked for together.",
    )
    max_value: Annotated[Bytes, Field(gt=0)] = Field(
        default=1024 * 1024, description="Replies larger than this are not cached."
    )
    cache_nil: bool = Field(
        default=True, description="Whether nil, the reply for a key that is not there, is cached."
    )
    hot_only: bool = Field(
        default=False,
        description="Only keys that key_access calls hot are cached, and dropped when they cool.",
    )
    refresh_ahead: Duration = Field(
        default=0,
        description="An entry that is read so shortly before it ends is renewed in the background.",
    )
    stale_while_revalidate: Duration = Field(
        default=0,
        description="For so long after its end an entry is still served while it is renewed in "
        "the background.",
    )
    stale_if_error: Duration = Field(
        default=0,
        description="For so long after its end an entry is served when the server cannot be "
        "reached.",
    )

    @model_validator(mode="after")
    def _check_refresh(self) -> Self:
        if self.refresh_ahead and self.refresh_ahead >= self.ttl * (1 - self.ttl_jitter):
            raise ValueError(
                f"refresh_ahead ({self.refresh_ahead:g} s) must be shorter than the shortest life "
                f"of an entry ({self.ttl * (1 - self.ttl_jitter):g} s: ttl less its jitter)"
            )
        return self


class FleetSettings(BaseModel):
    """Whether and how processes tell each other, through Redis itself, what their caches do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=False, description="Whether this process tells; `redis-middleware top` shows it."
    )
    prefix: str = Field(
        default=FLEET_PREFIX, min_length=1, description="What the keys that are used begin with."
    )
    every: Annotated[Duration, Field(ge=0.1)] = Field(
        default=1, description="How often this process tells."
    )


class LocalCacheSettings(BaseModel):
    """What is kept in memory, how much of it, and how it is kept right."""

    model_config = ConfigDict(frozen=True)

    rules: tuple[RuleSettings, ...] = Field(
        default=(),
        description="What is cached: for each key the first rule that matches; keys that no rule "
        "names are not cached.",
    )
    invalidation: Literal["broadcast", "tracking", "ttl"] = Field(
        default="broadcast",
        description="How entries are dropped when others write. broadcast: the server tells of "
        "every write to keys with the prefixes of the rules. tracking: it remembers what this "
        "client has read and tells of writes to that; for patterns without a common prefix. ttl: "
        "not at all, entries just end.",
    )
    fall_back_to_ttl: bool = Field(
        default=False,
        description="Where the server refuses CLIENT TRACKING, or not all servers can be heard: "
        "cache by TTL alone (true), or do not cache (false).",
    )
    max_entries: int = Field(default=10_000, ge=1, description="How many replies are kept.")
    max_bytes: Annotated[Bytes, Field(ge=SMALLEST_CACHE)] = Field(
        default=64 * 1024 * 1024, description="How much memory they may take, about."
    )
    eviction: Literal["lru", "lfu", "ttl"] = Field(
        default="lru",
        description="What goes when the cache is full: what was not read for longest (lru), what "
        "is read least (lfu), or what has ended and then as for lru (ttl).",
    )
    check_every: Annotated[Duration, Field(gt=0)] = Field(
        default=1,
        description="How often the connection for invalidations is checked, and the slots of a "
        "cluster. One that does not answer for three times as long is lost.",
    )

    fleet: FleetSettings = Field(
        default=FleetSettings(), description="Sharing figures with other processes."
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for number, rule in enumerate(self.rules):
            if "max_value" in rule.model_fields_set and rule.max_value > self.max_bytes:
                raise ValueError(
                    f"rules.{number} ({rule.keys}): max_value ({rule.max_value:,} bytes) is larger "
                    f"than max_bytes, the whole cache ({self.max_bytes:,}): lower it, or raise "
                    "max_bytes"
                )
        return self
