"""The table ``[key_access]`` of the settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from redis_middleware.settings.types import Duration
from redis_middleware_plugins.key_access.privacy import KeyForm
from redis_middleware_plugins.key_access.sketches import SketchName

__all__ = ["FleetSettings", "HotSettings", "KeyAccessSettings"]

_FROZEN = ConfigDict(frozen=True)


class HotSettings(BaseModel):
    """From where on a key is hot: least_rate, and either rate or both share and times_average."""

    model_config = _FROZEN

    share: float = Field(
        default=0.02, gt=0, le=1, description="A part of all accesses, such as 0.02 for 2%."
    )
    times_average: float = Field(
        default=10.0, ge=1, description="So many times the accesses of the average key."
    )
    rate: float = Field(
        default=1000.0,
        gt=0,
        description="Accesses per second that make a key hot whatever share that is.",
    )
    least_rate: float = Field(
        default=10.0, ge=0, description="Accesses per second below which no key is hot."
    )
    leave_at: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The part of each of these below which a hot key cools down.",
    )


class FleetSettings(BaseModel):
    """Sharing statistics with the other processes, through Redis itself."""

    model_config = _FROZEN

    enabled: bool = Field(default=False, description="Whether this process takes part.")
    prefix: str = Field(
        default="redis-middleware:key_access",
        min_length=1,
        description="What the names of its keys begin with; one fleet has one prefix.",
    )
    every: Annotated[Duration, Field(ge=0.1, le=60)] = Field(
        default=1.0, description="How often the statistics are sent."
    )
    keys: int = Field(
        default=32, ge=1, le=1000, description="How many of its top keys a process sends."
    )


class KeyAccessSettings(BaseModel):
    """What is counted and how, when a key is hot, and what leaves the process."""

    model_config = _FROZEN

    sketch: SketchName = Field(
        default="misra_gries",
        description="What counts: misra_gries, in pure Python, or datasketches, Apache "
        "DataSketches from the extra of that name.",
    )
    counters: int = Field(
        default=1024,
        ge=64,
        le=1_000_000,
        description="How many keys are counted at one time; each takes about 0.3 KiB.",
    )
    sampling: Annotated[int, Field(ge=1, le=10_000)] | Literal["adaptive"] = Field(
        default=1,
        description="1 counts every command, 10 one in ten on average; adaptive counts as many as "
        "samples_per_second says.",
    )
    samples_per_second: float = Field(
        default=2000.0, gt=0, description="How many commands adaptive sampling counts per second."
    )
    windows: Annotated[list[Duration], Field(min_length=1, max_length=5)] = Field(
        default=[10.0, 300.0],
        description="The lengths of the sliding windows; the shortest also says for how long a "
        "key must have been below the thresholds to have cooled down.",
    )
    hot: HotSettings = Field(default=HotSettings(), description="From where on a key is hot.")
    groups: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="How keys are grouped, such as user:{id}:profile; the first that matches "
        "counts. Keys that none matches are grouped by their words.",
    )
    most_groups: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many groups, commands and nodes there are at most; what is more goes "
        "into the group overflow.",
    )
    looks_per_second: float = Field(
        default=200.0,
        gt=0,
        description="For how many accesses per second group, slot and node are found out; the "
        "others are taken to be like them.",
    )
    keys: KeyForm = Field(
        default="plain",
        description="How keys are shown where the process is left (JSON, logs, metrics, the "
        "fleet): as they are, masked (user:*:*, or the rule of groups) or as a hash.",
    )
    hash_secret: SecretStr | None = Field(
        default=None,
        description="The secret that hashes of keys depend on; a fleet needs the same one in all "
        "its processes. Without it each start of a program has its own.",
    )
    metrics_keys: int = Field(
        default=0,
        ge=0,
        le=100,
        description="For how many of the top keys their names become labels of a metric. Each "
        "name that was ever among them stays a time series: mind the cost.",
    )
    fleet: FleetSettings = Field(
        default=FleetSettings(), description="Sharing statistics with the other processes."
    )

    @field_validator("windows")
    @classmethod
    def _long_enough(cls, windows: list[float]) -> list[float]:
        if min(windows) < 2:
            raise ValueError("a window has at least 2 seconds; allowed are 2 s to 1 d")
        if max(windows) > 86400:
            raise ValueError("a window has at most one day; allowed are 2 s to 1 d")
        return sorted(set(windows))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fleet.enabled and self.keys == "hashed" and self.hash_secret is None:
            raise ValueError(
                'fleet.enabled with keys = "hashed" needs hash_secret, the same one in all '
                "processes: without it each process hashes a key differently"
            )
        if self.hot.share * self.hot.leave_at * self.counters < 8:
            least = 8 / self.hot.share / self.hot.leave_at
            raise ValueError(
                f"hot.share = {self.hot.share} with hot.leave_at = {self.hot.leave_at} is finer "
                f"than {self.counters} counters can tell: set counters to at least {least:.0f}"
            )
        return self
