"""Commands over several deployments: each goes to that of its keys, and is counted there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from redis.exceptions import DataError

from redis_middleware import Batch, Command, Flow
from redis_middleware.command import Place
from redis_middleware.notes import note_split
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.merging import Merge, column_by_column, first
from redis_middleware_plugins.slot_routing.mirroring import Mirror
from redis_middleware_plugins.slot_routing.routes import (
    CLIENT,
    CrossDeploymentError,
    Destination,
    Routes,
)
from redis_middleware_plugins.slot_routing.slots import routing_keys
from redis_middleware_plugins.slot_routing.splitting import (
    MaySplit,
    Split,
    Splitting,
    splitting_of,
)

__all__ = ["ROUTE", "Destinations", "Member"]

ROUTE: Final = "slot_routing.route"
"""The note that says which deployment a command went to."""

_FOR_ALL: Final[Mapping[str, Merge]] = {
    "FUNCTION DELETE": first,
    "FUNCTION FLUSH": first,
    "FUNCTION LOAD": first,
    "SCRIPT EXISTS": column_by_column(min),
    "SCRIPT FLUSH": first,
    "SCRIPT LOAD": first,
}
"""Commands without keys that go to every deployment, so that scripts can run with any key; and the
reply for all of them, the client's own deployment first."""


class Member(Protocol):
    """One deployment, and the ways of commands to it."""

    def send(self, command: Command) -> Flow | None:
        """The flow of a command by itself or in a pipeline; ``None``: its target says it all."""

    def watched(self, command: Command) -> Flow | None:
        """The flow of a command on the connection of a pipeline that watches keys."""

    def transaction(self, batch: Batch) -> Flow | None:
        """The flow of a transaction; ``None``: it goes where the client sends it."""


class Destinations:
    """Sends commands to several deployments, by routes and a rollout.

    Commands without keys are for the client's own deployment, but for those that load scripts and
    functions, which go to all. What is split over deployments is sent to one after the other.

    Args:
        routes: which keys are of which deployment.
        members: the deployments by name, the client's own one among them.
        counters: what is counted by route.
        may_split: which commands may be split.
        mirror: what compares reads of a rollout's old side; ``None`` without it.
    """

    def __init__(
        self,
        routes: Routes,
        members: Mapping[str, Member],
        counters: Counters,
        may_split: MaySplit,
        mirror: Mirror | None = None,
    ) -> None:
        self._routes = routes
        self._members = members
        self._own = members[CLIENT]
        self._counters = counters
        self._clock = counters.clock
        self._may_split = may_split
        self._mirror = mirror

    def send(self, command: Command) -> Flow | None:
        """The flow of a command by itself or in a pipeline.

        Raises:
            CrossDeploymentError: its keys are of several deployments, and it cannot be split.
        """
        keys = _keys_of(command)
        if not keys:
            if command.name in _FOR_ALL:
                return self._send_to_all(command)
            return self._own.send(command)
        try:
            destination = self._routes.of_all(command.name, keys)
        except CrossDeploymentError:
            splitting = splitting_of(command.spec)
            if splitting is None or not splitting.is_allowed(self._may_split):
                raise
            return self._split(splitting, command, keys)
        return self._counted(destination, command)

    def watched(self, command: Command) -> Flow | None:
        """The flow of a command on the connection of a pipeline that watches keys.

        Raises:
            CrossDeploymentError: its keys are of several deployments.
        """
        if command.name in _FOR_ALL:
            return self._send_to_all(command)
        destination = self._routes.of_all(command.name, _keys_of(command))
        return self._members[destination.deployment].watched(command)

    def transaction(self, batch: Batch) -> Flow | None:
        """The flow of a transaction, which is for one deployment as a whole.

        Raises:
            CrossDeploymentError: its keys are of several deployments.
        """
        keys = [key for command in batch.commands for key in _keys_of(command)]
        if batch.is_watching and not keys:
            # It belongs where keys are watched.
            return None
        destination = self._routes.of_all("the transaction", keys)
        return self._counted_batch(destination.deployment, batch)

    def to_side(self, deployment: str) -> Callable[[Command], Flow]:
        """What sends commands to one deployment whatever their keys: for a mirror."""
        return partial(_sent, self._members[deployment])

    def _send_to_all(self, command: Command) -> Flow:
        others = [member for member in self._members.values() if member is not self._own]
        replies = []
        for member in (self._own, *others):
            replies.append((yield from _sent(member, command.replace())))
        return _FOR_ALL[command.name](command, replies)

    def _split(self, splitting: Splitting, command: Command, keys: Sequence[bytes]) -> Flow:
        destinations = [self._routes.of(key) for key in keys]
        split = Split(splitting, command, destinations)
        replies: list[object] = []
        for part, destination in zip(split.parts, split.places, strict=True):
            assert isinstance(destination, Destination)
            try:
                replies.append((yield from self._counted(destination, part)))
            except Exception as error:
                # How far it came is told with the first failure.
                replies.append(error)
        note_split(command, len(split.parts))
        return split.merge(replies)

    def _counted(self, destination: Destination, command: Command) -> Flow:
        command.notes[ROUTE] = destination.deployment
        counts = self._counters.route(destination.deployment)
        began = self._clock()
        failure: Exception | None = None
        try:
            flow = self._members[destination.deployment].send(command)
            reply = (yield command) if flow is None else (yield from flow)
        except Exception as error:
            failure = error
            raise
        finally:
            now = self._clock()
            # How long a command waited that waits for data tells nothing.
            counts.sent(0.0 if command.spec.is_blocking else now - began, now, failure)
            # The traceback holds this frame.
            del failure
        if destination.rollout_side == "old" and self._mirror is not None:
            self._mirror.offer(command, reply)
        return reply

    def _counted_batch(self, deployment: str, batch: Batch) -> Flow:
        """A transaction counts as one command."""
        batch.notes[ROUTE] = deployment
        counts = self._counters.route(deployment)
        began = self._clock()
        failure: Exception | None = None
        try:
            flow = self._members[deployment].transaction(batch)
            return (yield batch) if flow is None else (yield from flow)
        except Exception as error:
            failure = error
            raise
        finally:
            now = self._clock()
            counts.sent(now - began, now, failure)
            # The traceback holds this frame.
            del failure


def _sent(member: Member, command: Command) -> Flow:
    flow = member.send(command)
    if flow is not None:
        return (yield from flow)
    if command.place is not Place.WATCH:
        return (yield command)
    # Among several it goes past the connection that the pipeline holds.
    (reply,) = yield [command]
    if isinstance(reply, Exception):
        raise reply
    return reply


def _keys_of(command: Command) -> Sequence[bytes]:
    try:
        return routing_keys(command)
    except (DataError, UnicodeError):
        # redis-py refuses the command in its own words.
        return ()
