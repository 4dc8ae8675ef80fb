"""The processes that share statistics: what they are called, and how one is chosen."""

from __future__ import annotations

from typing import Any, Final

from redis_middleware_plugins.key_access.fleet_reading import FleetReader
from redis_middleware_plugins.local_cache.fleet import member_key
from redis_middleware_plugins.local_cache.fleet_reading import fleet_members, read_fleet

__all__ = ["Processes"]

_NOBODY: Final = (
    "no process shares its statistics under the prefix {prefix!r}, nor a cache's under "
    "{cache_prefix!r}: enable key_access or local_cache in the application with "
    "fleet.enabled = true"
)


class Processes:
    """Those that share their statistics in one Redis.

    A process is called by its host and process id, ``"shop-1:4711"``. Each of its clients tells
    under that name and a random part of its own, once for each plugin.

    Args:
        client: a sync client of that Redis, whose replies are bytes.
        prefix: the setting ``fleet.prefix`` of key_access.
        cache_prefix: the setting ``fleet.prefix`` of local_cache.
    """

    def __init__(self, client: Any, prefix: str, cache_prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._cache_prefix = cache_prefix

    def names(self) -> list[str]:
        """The names of those that tell now.

        Raises:
            ValueError: there is none; the message tells what to enable.
        """
        names = sorted({_process_of(member) for member in self._members()})
        if not names:
            raise ValueError(
                _NOBODY.format(prefix=self._prefix, cache_prefix=self._cache_prefix),
            )
        return names

    def find(self, name: str) -> str:
        """The process that is called so; the name of one of its clients stands for it too.

        Raises:
            ValueError: there is none; the message has the names of those that there are.
        """
        members = self._members()
        if any(name in (member, _process_of(member)) for member in members):
            return _process_of(name) if name in members else name
        raise ValueError(f"no process {name!r}; there are {', '.join(self.names())}")

    def reader(self, process: str | None) -> FleetReader:
        """What reads the keys of a process, or of all."""
        return FleetReader(self._client, self._prefix, process)

    def caches(self, process: str | None) -> dict[str, Any] | None:
        """What the caches of a process do, or of all; ``None`` where none tells."""
        # Of a member's name only the process counts there.
        member = None if process is None else f"{process}:any"
        return read_fleet(self._client, self._cache_prefix, member)

    def _members(self) -> set[str]:
        caches = [
            name
            for name in fleet_members(self._client, self._cache_prefix)
            if self._client.exists(member_key(self._cache_prefix, name))
        ]
        return {*self.reader(None).members(), *caches}


def _process_of(member: str) -> str:
    return member.rpartition(":")[0] or member
