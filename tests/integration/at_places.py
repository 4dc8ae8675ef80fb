"""One flow, tried at every place where a command can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration import awaiting
from tests.integration.kinds import Kind

from redis_middleware import Command, Flow, Place, hookimpl

__all__ = ["Own", "Refused", "as_number", "get_at", "places"]


class Refused(Exception):
    """Raised by a plugin, on purpose."""


class Own:
    """A plugin with the given flow around commands of one name.

    Attributes:
        calls: how often the flow was started.
    """

    def __init__(self, flow: Callable[[Command], Flow], command: str = "GET") -> None:
        self._flow = flow
        self._command = command
        self.calls = 0

    name = "own"

    def wants(self, spec: Any) -> bool:
        """Only that one."""
        return bool(spec.name == self._command)

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Hand over to the flow."""
        self.calls += 1
        return (yield from self._flow(command))


def places(kind: Kind) -> list[Place]:
    """The places that a kind of client has."""
    if kind.has_transactions:
        return [Place.SINGLE, Place.PIPELINE, Place.TRANSACTION, Place.WATCH]
    return [Place.SINGLE, Place.PIPELINE]


async def get_at(place: Place, client: Any, key: str) -> Any:
    """GET a key at some place, in the midst of other commands; give its reply."""
    if place is Place.SINGLE:
        return await awaiting.settle(client.get(key))
    pipe = client.pipeline(transaction=place is not Place.PIPELINE)
    if place is Place.WATCH:
        async with awaiting.entered(pipe):
            await awaiting.settle(pipe.watch("{k}watched"))
            return await awaiting.settle(pipe.get(key))
    pipe.set("{k}before", 1)
    pipe.get(key)
    pipe.set("{k}after", 2)
    before, reply, after = await awaiting.settle(pipe.execute(raise_on_error=False))
    # Transactions of a sync cluster client give the server's own reply.
    assert before in (True, b"OK", "OK")
    assert before == after
    return reply


def as_number(reply: Any) -> int | None:
    """A reply that is a number, decoded or not."""
    return None if reply is None else int(reply)
