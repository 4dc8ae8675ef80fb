"""A slot on its way from one server of a cluster to another."""

from __future__ import annotations

from collections.abc import Sequence

from redis.client import NEVER_DECODE

from redis_middleware.embedded.server import Server

__all__ = ["SlotMigration"]

_KEYS_AT_ONCE = 100
_WITHIN_MILLISECONDS = 5000


class SlotMigration:
    """Moves a slot with its keys in steps, so that a test can look at what happens in between.

    Between `start` and `finish` the source answers for the keys it still has, and ``ASK`` for all
    others; commands of several keys of which it has only some get ``TRYAGAIN``.

    Attributes:
        slot: the slot's number.
        source: the server that has it.
        target: the server that gets it.
    """

    def __init__(self, slot: int, source: Server, target: Server, nodes: Sequence[Server]) -> None:
        self.slot = slot
        self.source = source
        self.target = target
        self._nodes = nodes

    def start(self) -> None:
        """Let the target import the slot and the source give it away; no key moves yet."""
        source_id = self.source.command("CLUSTER MYID")
        target_id = self.target.command("CLUSTER MYID")
        self.target.command("CLUSTER SETSLOT", self.slot, "IMPORTING", source_id)
        self.source.command("CLUSTER SETSLOT", self.slot, "MIGRATING", target_id)

    def move_keys(self, count: int = _KEYS_AT_ONCE) -> int:
        """Move as many keys, or what is left; return how many were moved."""
        password = self.target.password
        with self.source.connect() as client:
            # Keys need not be text. In one word, redis-py would decode them all the same.
            keys = client.execute_command(
                "CLUSTER", "GETKEYSINSLOT", self.slot, count, **{NEVER_DECODE: []}
            )
            if keys:
                client.execute_command(
                    *("MIGRATE", self.target.host, self.target.port, "", 0, _WITHIN_MILLISECONDS),
                    *(() if password is None else ("AUTH", password)),
                    *("KEYS", *keys),
                )
        return len(keys)

    def finish(self) -> None:
        """Move the keys that are left, and let the slot belong to the target."""
        while self.move_keys():
            pass
        target_id = self.target.command("CLUSTER MYID")
        # The target first: between the two commands the other way round, nobody would have it.
        ordered = [self.target, self.source]
        ordered += [node for node in self._nodes if node not in ordered]
        for node in ordered:
            if node.running and node.command("ROLE")[0] == "master":
                node.command("CLUSTER SETSLOT", self.slot, "NODE", target_id)
