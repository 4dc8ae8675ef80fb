"""Reading the fleet's statistics from outside of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from redis_middleware_plugins.key_access.fleet_keys import FleetKeys
from redis_middleware_plugins.key_access.fleet_merge import FleetMerge
from redis_middleware_plugins.key_access.fleet_payload import Payload, decode
from redis_middleware_plugins.key_access.hot import Thresholds
from redis_middleware_plugins.key_access.report import FleetStatus

__all__ = ["FleetReader"]

_LIMIT = 100
_LENGTH = 10.0


class FleetReader:
    """Reads what the fleet knows, or one of its processes, as ``Report.as_dict()`` has it.

    Args:
        client: a sync client of the Redis that the fleet shares its statistics in, whose replies
            are bytes.
        prefix: the fleet's setting of that name.
        member: the only process to read, as ``"host:1234"`` with all its clients, or one client by
            its whole name; ``None`` for all of them together.
        clock: seconds from any fixed point.
    """

    def __init__(
        self,
        client: Any,
        prefix: str,
        member: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._keys = FleetKeys(prefix)
        self._member = member
        self._clock = clock
        self._merge = FleetMerge(_LENGTH, Thresholds(), lambda slot: None, time.time)

    def read(self) -> dict[str, Any] | None:
        """What is known now; ``None`` where no process tells.

        What the leading process merged is taken where it is there; else this merges itself.
        """
        if self._member is None:
            merged = self._client.get(self._keys.merged[0])
            if merged is not None:
                found: dict[str, Any] = json.loads(merged)
                return found
        payloads = self._payloads()
        if not payloads:
            return None
        self._merge.add(payloads, self._clock())
        status = FleetStatus("", 0, 0, leads=False, members=len(payloads))
        return self._merge.report(_LIMIT, status).as_dict()

    def members(self) -> list[str]:
        """The names of the clients that tell now: host, process id and a part of their own."""
        return [name for name in self._names() if self._client.exists(self._keys.of_member(name))]

    def _names(self) -> list[str]:
        """The names of those that are read, also of some that have ended."""
        names = {
            name.decode("utf-8", "replace")
            for bucket in self._keys.buckets
            for name in self._client.smembers(bucket)
        }
        one = self._member
        return sorted([name for name in names if one is None or f"{name}:".startswith(f"{one}:")])

    def _payloads(self) -> list[Payload]:
        payloads = []
        for name in self._names():
            raw = self._client.get(self._keys.of_member(name))
            if raw is not None:
                payloads.append(decode(raw))
        return payloads
