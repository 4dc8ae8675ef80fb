"""What commands go to: a deployment that is routed to, or a ``RedisCluster`` that routes itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from redis_middleware import Batch, Command, Flow
from redis_middleware.command import Place
from redis_middleware.notes import NODE, SLOT
from redis_middleware.redispy.view import ClientView
from redis_middleware_plugins.slot_routing.cluster_client import ClusterClientReads
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.splitting import MaySplit, Splitter
from redis_middleware_plugins.slot_routing.transactions import Transactions
from redis_middleware_plugins.slot_routing.ways import Ways, as_it_is

__all__ = ["ClusterClientMember", "RoutedMember"]

_LOADING_SCRIPTS: Final = ("SCRIPT EXISTS", "SCRIPT LOAD")


class RoutedMember:
    """A deployment whose commands this plugin routes.

    Args:
        deployment: the deployment.
        may_split: which commands are split over slots.
        choose: picks one of several.

    Attributes:
        ways: the way of each command that is sent by itself or in a pipeline.
    """

    def __init__(
        self,
        deployment: Deployment,
        may_split: MaySplit,
        choose: Callable[[Sequence[Any]], Any],
    ) -> None:
        self.ways = Ways(deployment, may_split, choose)
        self._transactions = Transactions(deployment)

    def send(self, command: Command) -> Flow | None:
        """The flow of a command by itself or in a pipeline; ``None``: its target says it all."""
        return self.ways[command.spec](command)

    def watched(self, command: Command) -> Flow | None:
        """The flow of a command on the connection of a pipeline that watches keys."""
        if command.name in _LOADING_SCRIPTS:
            # What a pipeline does before it is executed, past the connection that it may hold.
            return self.ways[command.spec](command)
        return self._transactions.watched(command)

    def transaction(self, batch: Batch) -> Flow | None:
        """The flow of a transaction."""
        return self._transactions.send(batch)


class ClusterClientMember:
    """The cluster of a ``RedisCluster``, which routes commands itself: what it has not is added.

    Args:
        view: facts of the client.
        may_split: which commands are split over slots.
        reads: sends reads to replicas; ``None``: redis-py does as it does.
    """

    def __init__(
        self, view: ClientView, may_split: MaySplit, reads: ClusterClientReads | None
    ) -> None:
        self._view = view
        self._reads = reads
        whole = as_it_is if reads is None else reads.send
        self._whole: Callable[[Command], Flow | None] = whole
        gather = _together if reads is None else reads.gather
        self._splitter = Splitter(view.encode, may_split, gather, whole)

    def send(self, command: Command) -> Flow | None:
        """The flow of a command by itself or in a pipeline."""
        self._note(command)
        way = self._splitter.way_of(command.spec) or self._whole
        return way(command)

    def watched(self, command: Command) -> Flow | None:
        """The flow of a command on the connection of a pipeline that watches keys."""
        self._note(command)
        return self._whole(command)

    def transaction(self, batch: Batch) -> Flow | None:
        """The flow of a transaction."""
        return None if self._reads is None else self._reads.transaction(batch)

    def _note(self, command: Command) -> None:
        """Tell the slot and, as far as the client knows, the node."""
        try:
            slot = command.slot
        except (RedisError, UnicodeError):
            # A key that redis-py refuses, in its own words.
            return
        if slot is None:
            return
        notes = command.notes
        notes[SLOT] = slot
        if command.place is not Place.WATCH:
            notes[NODE] = str(self._view.address_of(command))


def _together(parts: list[Command]) -> Generator[Any, Any, Sequence[Any]]:
    replies: Sequence[Any] = yield parts
    return replies
