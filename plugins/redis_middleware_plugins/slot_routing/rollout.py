"""Which keys have moved to the new side: from a proxy or single server to a cluster, by percent."""

from __future__ import annotations

import math
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.slot_routing.mirroring import MirrorSettings

__all__ = ["Rollout", "RolloutSettings", "place_of_slot"]

_MULTIPLIER: Final = 12_857
"""Odd, so that multiplying by it modulo 16,384 reorders the slots. Of many that were tried, the one
by which any first part of the new order is spread most evenly over the old one."""


class RolloutSettings(BaseModel):
    """A share of the keys goes to another deployment, to move there step by step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str = Field(description="The deployment that keys move to, the new side.")
    route: str = Field(
        default="client",
        description="The deployment that keys move from, the old side; client is where the client "
        "itself connects to.",
    )
    percent: float = Field(
        default=0.0, ge=0, le=100, description="How much of the slots is on the new side."
    )
    keys: KeyPattern = Field(
        default=KeyPattern("*"),
        description="Which keys take part, of those that would go to the old side.",
    )
    mirror: MirrorSettings = Field(
        default=MirrorSettings(),
        description="Reads of the old side that are sent to the new one too, and compared.",
    )


class Rollout:
    """Tells the side of a key by its slot, so that a key is always on the same one.

    It goes by slots because keys that are used together share one (``{user:1}:name``,
    ``{user:1}:cart``): what a cluster allows for several keys stays possible at any percentage.
    The order in which slots move is fixed, the same in every process: with a larger percentage
    more of them are on the new side, and none comes back. Percentages count slots, in steps of
    1/164 of a percent, rounded up.

    Args:
        settings: the table ``[slot_routing.rollout]``.
    """

    def __init__(self, settings: RolloutSettings) -> None:
        self.settings = settings
        self.old = settings.route
        self.new = settings.to
        self._matches = settings.keys.matches
        self._takes_all = settings.keys.pattern == "*"
        moved = math.ceil(settings.percent * SLOT_COUNT / 100)
        self._is_new = bytes([place_of_slot(slot) < moved for slot in range(SLOT_COUNT)])

    def is_new(self, slot: int) -> bool:
        """Whether the keys of a slot, of those that take part, are on the new side."""
        return self._is_new[slot] == 1

    def takes_part(self, key: bytes) -> bool:
        """Whether a key moves with the rollout at all, sooner or later."""
        return self._takes_all or self._matches(key)


def place_of_slot(slot: int) -> int:
    """The place, from 0 to 16,383, of a slot in the order in which slots move: it never changes."""
    return slot * _MULTIPLIER % SLOT_COUNT
