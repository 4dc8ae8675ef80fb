"""Transactions: every key in one slot, everything on one server, redirected as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import AskError, DataError, MovedError, WatchError

from redis_middleware import Batch, Command, Flow
from redis_middleware.commands import CommandSpec
from redis_middleware.notes import SLOT
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.redirecting import FAILURES, Attempts
from redis_middleware_plugins.slot_routing.refusing import ONE_SERVER, CrossSlotTransaction
from redis_middleware_plugins.slot_routing.slots import routing_keys, slots_of

__all__ = ["Transactions"]


class Transactions:
    """Sends transactions to a deployment.

    Args:
        deployment: the deployment.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._clock = deployment.clock

    def send(self, batch: Batch) -> Flow:
        """The flow that sends a transaction where its keys are.

        Returns:
            Its replies.

        Raises:
            CrossSlotTransaction: its keys are of several slots, or a command of it is for the whole
                database.
        """
        deployment = self._deployment
        if deployment.is_cluster is None:
            yield from deployment.load()
        if not deployment.is_cluster:
            batch.target = deployment.target
            return (yield batch)
        for command in batch.commands:
            if _is_for_whole_database(command.spec):
                raise CrossSlotTransaction(command.name, (), ONE_SERVER)
        slot = _slot_of(batch.commands)
        if slot is None and batch.is_watching:
            # Without keys of its own it belongs where keys are watched.
            return (yield batch)
        if slot is not None:
            batch.notes[SLOT] = slot
        table = deployment.table
        attempts = Attempts(
            deployment,
            batch,
            "a transaction",
            lambda tried: table.any_primary(tried) if slot is None else table.endpoints[slot],
            is_safe=all(command.spec.is_read for command in batch.commands),
            began=self._clock(),
            slot=slot,
        )
        endpoint = yield from attempts.start()
        deployment.wrote(batch.commands)
        while True:
            began = self._clock()
            try:
                return (yield batch)
            except FAILURES as failure:
                error = failure
            finally:
                deployment.wrote(batch.commands)
                endpoint.counts.sent(self._clock() - began)
            try:
                endpoint = yield from attempts.after(error, endpoint)
            finally:
                # The traceback holds this frame.
                del error

    def watched(self, command: Command) -> Flow:
        """The flow of a command on the connection that a pipeline holds while it watches keys.

        The first WATCH decides to which server that is a connection.

        Returns:
            Its reply.

        Raises:
            CrossSlotTransaction: its keys are of several slots.
            WatchError: the slot moved to another server meanwhile, where nothing is watched.
        """
        deployment = self._deployment
        if deployment.is_cluster is None:
            yield from deployment.load()
        slot = _slot_of((command,)) if deployment.is_cluster else None
        if slot is None:
            if not deployment.is_cluster:
                command.target = deployment.target
            return (yield command)
        command.slot = slot
        deployment.wrote((command,))
        if command.name == "WATCH":
            return (yield from deployment.send(command))
        endpoint = deployment.table.endpoints[slot]
        command.target = None if endpoint is None else endpoint.server
        try:
            return (yield command)
        except AskError as error:
            if isinstance(error, MovedError) and endpoint is not None:
                deployment.moved(error, endpoint)
            raise WatchError(
                f"slot {slot} is moving from one server to another ({error}), where nothing is "
                "watched: read and watch the keys again"
            ) from error


def _is_for_whole_database(spec: CommandSpec) -> bool:
    """Whether it is about all keys (DBSIZE, FLUSHDB, KEYS), of which a server has only its own.

    See the category ``keyspace`` of https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/.
    """
    return "keyspace" in spec.categories and not spec.key_specs


def _slot_of(commands: Sequence[Command]) -> int | None:
    slots: set[int] = set()
    for command in commands:
        try:
            slots.update(slots_of(command))
        except (DataError, UnicodeError):
            # redis-py refuses it in its own words.
            continue
    if len(slots) > 1:
        keys = [key for command in commands for key in routing_keys(command)]
        name = commands[0].name if len(commands) == 1 else "TRANSACTION"
        raise CrossSlotTransaction(name, keys)
    return slots.pop() if slots else None
