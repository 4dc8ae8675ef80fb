"""The table ``[slow_log]`` of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from redis_middleware.settings.types import Duration

__all__ = ["SlowLogSettings"]


class SlowLogSettings(BaseModel):
    """What counts as slow, how much is kept, and how keys are shown."""

    model_config = ConfigDict(frozen=True)

    threshold: Duration = Field(
        default=0.01, description="A command that takes this long or longer is logged."
    )
    thresholds: dict[Annotated[str, Field(min_length=1)], Duration] = Field(
        default={},
        description="Other thresholds for single commands, by name, such as HGETALL or CONFIG GET; "
        "CONFIG stands for all its subcommands. A command that waits on purpose, such as BLPOP, is "
        "logged only if it is named here.",
    )
    batch_threshold: Duration = Field(
        default=0.05,
        description="A pipeline or transaction that takes this long or longer as a whole is "
        "logged; where it holds commands named in thresholds, the highest of all of these counts.",
    )
    keep: int = Field(
        default=128, ge=1, description="How many of the latest entries are kept to be read by code."
    )
    keys: Literal["plain", "hashed", "hidden"] = Field(
        default="plain",
        description="How keys are shown: as they are, as a hash that tells equal keys from others, "
        "or not at all (they are still counted).",
    )
    hash_secret: SecretStr | None = Field(
        default=None,
        description="The secret that hashes of keys depend on. Give programs the same one to get "
        "the same hashes in all of them; without it each start of a program has its own.",
    )
