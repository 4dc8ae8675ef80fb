"""Telling other processes what this cache does, through Redis itself.

============================  ====================================================================
key                           what
============================  ====================================================================
``<prefix>:member:<member>``  the latest figures of a process as JSON; it ends by itself
``<prefix>:members``          a sorted set of the names of the processes, by the time they told last
============================  ====================================================================
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from redis_middleware import ClientView, Command, Flow, Sleep
from redis_middleware_plugins.local_cache.settings import FleetSettings
from redis_middleware_plugins.local_cache.statistics import Statistics

__all__ = ["Fleet", "figures_of", "member_key", "members_key"]

logger = logging.getLogger("redis_middleware.local_cache")

_FORGOTTEN_AFTER: Final = 60.0


def member_key(prefix: str, member: str) -> str:
    """The key of a process's figures."""
    return f"{prefix}:member:{member}"


def members_key(prefix: str) -> str:
    """The key of the names of all processes."""
    return f"{prefix}:members"


def figures_of(statistics: Statistics) -> dict[str, Any]:
    """A reading as what JSON knows."""
    figures = {field.name: getattr(statistics, field.name) for field in fields(statistics)}
    rules = {name: counts.as_dict() for name, counts in statistics.rules.items()}
    return {**figures, "rules": rules}


class Fleet:
    """A process's part: it tells, and nobody has to listen.

    Args:
        settings: gives the settings in force.
        statistics: gives a reading.
        wall_clock: seconds since 1970.
        random: numbers from 0 to 1.
    """

    def __init__(
        self,
        settings: Callable[[], FleetSettings],
        statistics: Callable[[], Statistics],
        wall_clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._statistics = statistics
        self._wall_clock = wall_clock
        self._random = random

    @property
    def is_wanted(self) -> bool:
        """Whether the settings ask for it."""
        return self._settings().enabled

    def tell(self, client: ClientView) -> Flow:
        """The background flow."""
        # Here, for a forked process has a name of its own.
        member = f"{socket.gethostname()}:{os.getpid()}:{int(self._random() * 16**8):08x}"
        is_failing = False
        while self.is_wanted:
            replies = yield self._commands(client, member)
            failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
            if failure is not None and not is_failing:
                logger.warning("the cache's figures could not be shared: %s", failure)
            is_failing = failure is not None
            yield Sleep(self._settings().every)

    def _commands(self, client: ClientView, member: str) -> list[Command]:
        settings, now = self._settings(), self._wall_clock()
        members = members_key(settings.prefix)
        figures = json.dumps({"member": member, **figures_of(self._statistics())})
        lifetime = round(max(3 * settings.every, 3.0) * 1000)
        forgotten_after = max(_FORGOTTEN_AFTER, 3 * settings.every)
        return [
            client.command("SET", member_key(settings.prefix, member), figures, "PX", lifetime),
            client.command("ZADD", members, now, member),
            client.command("ZREMRANGEBYSCORE", members, "-inf", now - forgotten_after),
            client.command("EXPIRE", members, round(forgotten_after)),
        ]
