"""What every Redis and Valkey command is, which of its arguments are keys, and their slots."""

from __future__ import annotations

from redis_middleware.commands.key_specs import (
    IndexSearch,
    KeyCount,
    KeyRange,
    KeySpec,
    KeyUse,
    KeywordSearch,
)
from redis_middleware.commands.keys import find_keys, key_positions
from redis_middleware.commands.slots import SLOT_COUNT, key_slot
from redis_middleware.commands.specs import CommandSpec, all_specs, is_container, spec_of

__all__ = [
    "SLOT_COUNT",
    "CommandSpec",
    "IndexSearch",
    "KeyCount",
    "KeyRange",
    "KeySpec",
    "KeyUse",
    "KeywordSearch",
    "all_specs",
    "find_keys",
    "is_container",
    "key_positions",
    "key_slot",
    "spec_of",
]
