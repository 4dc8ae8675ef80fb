"""The rounds of a pipeline: what redis-py's pipeline has queued, sent as the lockstep says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, WatchError

from redis_middleware.command import Batch, Command, Place
from redis_middleware.groups import has_exceptions
from redis_middleware.lockstep import Lockstep
from redis_middleware.redispy.exchange import exchange
from redis_middleware.redispy.first_errors import FirstErrors
from redis_middleware.redispy.routed import Routed
from redis_middleware.redispy.servers import Server
from redis_middleware.redispy.steps import Steps, drive, drive_async

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["AsyncBatchTransport", "BatchTransport", "Prepared"]


class Prepared:
    """A pipeline about to be executed: what was queued, and the rounds to run."""

    __slots__ = (
        "batch",
        "batch_flows",
        "first",
        "lockstep",
        "middleware",
        "pipe",
        "queue",
        "was_connected",
        "was_watching",
    )

    def __init__(self, pipe: Any, queue: Any, middleware: Middleware) -> None:
        self.pipe = pipe
        self.queue = queue
        self.middleware = middleware
        self.first = True
        self.was_connected = False
        self.was_watching = False
        self.batch: Batch | None = None
        self.batch_flows = middleware.pipeline.batch
        self.lockstep: Lockstep
        pipeline = middleware.pipeline
        if pipeline.is_idle:
            return
        queued = queue.read(pipe)
        chains = pipeline.queued_chains
        shapes = frozenset([(args[0], len(args)) for args, _ in queued])
        is_wanted = any([chains[word] for word, _ in shapes])
        if not queued or not (is_wanted or self.batch_flows is not None):
            return
        place = Place.TRANSACTION if queue.is_transaction(pipe) else Place.PIPELINE
        view = middleware.client
        if is_wanted:
            commands = []
            for position, (args, options) in enumerate(queued):
                chain = chains[args[0]]
                spec = None if chain is None or chain.by_subcommand else chain.spec
                commands.append(Command(args, options, spec, view, place, position))
            self.batch = Batch(tuple(commands), place, view)
        else:
            self.batch = Batch.of_queued(queued, shapes, place, view)
        if place is Place.TRANSACTION:
            self.batch.is_watching = queue.is_watching(pipe)
        self.lockstep = Lockstep.of_batch(self.batch, self.batch_flows, chains, middleware.once)

    def load_whole(self, batch: Batch) -> None:
        """Put a whole batch into the pipeline's queue, where the application's is already."""
        if not (self.first and batch is self.batch):
            self.queue.write(self.pipe, batch.commands)
        self._begin_round()

    def load(self, commands: Sequence[Command]) -> None:
        """Put a round's commands into the pipeline's queue."""
        assert self.batch is not None
        is_queued = self.first and commands == list(self.batch.commands)
        if not is_queued or any([command.target is not None for command in commands]):
            self.queue.write(self.pipe, commands)
        self._begin_round()

    def _begin_round(self) -> None:
        if self.first:
            self.first = False
            self.was_watching = self.queue.is_watching(self.pipe)
        elif self.was_watching:
            # Sent again it would not be guarded by the keys that the application watched, and
            # could overwrite what others wrote.
            raise WatchError(
                "a transaction that watched keys can be sent once only: redis-py has stopped "
                "watching them; the application has to read and watch them again"
            )

    def connect(self) -> Steps:
        """Take a connection to the server that the batch is to go to."""
        target = self.lockstep.current.target
        if target is None and not isinstance(self.pipe, Routed):
            return
        if not isinstance(self.pipe, Routed) or not (target is None or isinstance(target, Server)):
            raise RedisError(
                f"the target of {self.lockstep.current!r} cannot be reached: {target!r}; a batch "
                "of a client that is no cluster's goes to a server of ClientView.servers()"
            )
        yield from self.pipe._connect_to(target)

    def done(self) -> None:
        """Note whether there was a connection for the round: else redis-py keeps its queue."""
        self.was_connected = self.was_connected or not len(self.pipe)

    def put_back(self) -> bool:
        """Queue the application's commands again where no round of theirs got a connection."""
        assert self.batch is not None
        if self.first or self.was_connected:
            return False
        self.queue.write(self.pipe, self.batch.commands)
        return True

    def must_check_watch(self) -> bool:
        """Whether every command was answered without a send although keys are watched."""
        return self.first and self.queue.is_watching(self.pipe)

    def finish(self, replies: Any, raise_on_error: bool) -> Any:
        """The replies for the application, or its first error, annotated as redis-py does."""
        assert self.batch is not None
        if replies is self.lockstep.faultless or not has_exceptions(replies):
            return replies
        if not raise_on_error:
            return replies
        for position, reply in enumerate(replies):
            if isinstance(reply, Exception):
                if any(reply is failure for failure in self.lockstep.failures):
                    args = self.batch.arguments[position]
                    self.queue.annotate(self.pipe, reply, position + 1, args)
                raise reply
        return replies


class BatchTransport:
    """Sends a pipeline's rounds, each as a redis-py pipeline of its own or to servers."""

    _drive: Any = staticmethod(drive)
    sleep: Any = staticmethod(time.sleep)

    def __init__(self, prepared: Prepared, execute: Any, *arguments: Any) -> None:
        self._prepared = prepared
        self._execute = execute
        self._arguments = arguments
        self._executor: FirstErrors = prepared.queue.executor(prepared.pipe)
        self._is_transaction = prepared.queue.is_transaction(prepared.pipe)

    def send(self, batch: Batch) -> Any:
        """Send a whole batch, which no plugin wants any command of."""
        self._prepared.load_whole(batch)
        return self._drive(self._send())

    def send_many(self, commands: Sequence[Command]) -> Any:
        """Send a round; none of a transaction's commands goes elsewhere."""
        send = self._send_own if self._is_transaction else self._send_to_targets
        return self._drive(send(commands))

    def _send_to_targets(self, commands: Sequence[Command]) -> Steps:
        if self._needs_scripts(commands):
            yield self._prepared.pipe.load_scripts()
        return (yield from exchange(commands, self._send_own))

    def _needs_scripts(self, commands: Sequence[Command]) -> bool:
        """Whether scripts of the pipeline's, which redis-py loads itself, may go elsewhere."""
        scripts = getattr(self._prepared.pipe, "scripts", None)
        return bool(scripts) and any([isinstance(each.target, Server) for each in commands])

    def _send_own(self, commands: Sequence[Command]) -> Steps:
        prepared = self._prepared
        prepared.load(commands)
        prepared.pipe._positions = [command.position for command in commands]
        try:
            return (yield from self._send())
        finally:
            prepared.pipe._positions = ()

    def _send(self) -> Steps:
        yield from self._prepared.connect()
        self._executor._begin_round()
        try:
            replies: Any = yield self._execute(*self._arguments)
        except Exception as error:
            replies = self._executor._replies_with(error)
            if replies is None:
                raise
        finally:
            self._executor._end_round()
            self._prepared.done()
        return replies


class AsyncBatchTransport(BatchTransport):
    """The same for redis.asyncio."""

    _drive: Any = staticmethod(drive_async)
    sleep: Any = staticmethod(asyncio.sleep)
