"""A plain client made a cluster client, and a witness of what became of its commands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import redis
import redis.asyncio
from tests.plugins.slot_routing.faults.load import Way

from redis_middleware import Batch, Command, Flow, hookimpl, wrap
from redis_middleware.embedded import Cluster
from redis_middleware.notes import ASK, MOVED, RETRIES
from redis_middleware_plugins.slot_routing import SlotRouting

__all__ = ["Witness", "routed"]


class Witness:
    """Counts what slot_routing noted on commands and transactions.

    Attributes:
        redirections: how often it was ``moved``, ``ask`` or ``retries``.
    """

    def __init__(self) -> None:
        self.redirections: Counter[str] = Counter()

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Look at its notes when it is done."""
        try:
            return (yield command)
        finally:
            if command.has_notes:
                self._count(command.notes)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Look at the notes of the batch as a whole."""
        try:
            return (yield batch)
        finally:
            self._count(batch.notes)

    def _count(self, notes: dict[str, Any]) -> None:
        for name, note in (("moved", MOVED), ("ask", ASK), ("retries", RETRIES)):
            if note in notes:
                self.redirections[name] += notes[note]


def routed(
    servers: Cluster, way: Way, witness: Witness, *, deadline: float, socket_timeout: float
) -> Any:
    """A plain client of the first node, sync or async, wrapped by the witness and the plugin."""
    kind = redis.Redis if way == "threads" else redis.asyncio.Redis
    client = kind.from_url(
        servers.url,
        socket_timeout=socket_timeout,
        socket_connect_timeout=socket_timeout,
    )
    settings = {"slot_routing": {"deadline": deadline}}
    return wrap(client, settings, plugins=[witness, SlotRouting])
