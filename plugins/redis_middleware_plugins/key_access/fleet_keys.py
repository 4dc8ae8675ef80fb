"""Where the fleet's statistics are: keys that end by themselves, spread over the slots.

==============================  ==================================================================
key                             what
==============================  ==================================================================
``<prefix>:member:<member>``    the latest statistics of a process; written by it alone
``<prefix>:members:<0..15>``    the names of the processes, spread by their hash
``<prefix>:merged:<0..7>``      the merged statistics, each copy read by an eighth of the processes
``<prefix>:leader``             the process that merges; touched by it alone, but for elections
==============================  ==================================================================
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

__all__ = ["COPIES", "FleetKeys"]

_BUCKETS: Final = 16
COPIES: Final = 8
"""How many copies of the merged statistics there are."""


class FleetKeys:
    """The names of the keys.

    Args:
        prefix: what they begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.leader = f"{prefix}:leader"
        self.merged = tuple([f"{prefix}:merged:{copy}" for copy in range(COPIES)])
        self.buckets = tuple([f"{prefix}:members:{bucket}" for bucket in range(_BUCKETS)])

    def of_member(self, member: str) -> str:
        """The key of a process's statistics."""
        return f"{self._prefix}:member:{member}"

    def bucket_of(self, member: str) -> str:
        """The key that has the process's name among others."""
        return self.buckets[crc32(member.encode()) % _BUCKETS]

    def merged_for(self, member: str) -> str:
        """The copy of the merged statistics that a process reads."""
        return self.merged[crc32(member.encode()) // _BUCKETS % COPIES]
