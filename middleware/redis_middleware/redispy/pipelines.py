"""redis-py's pipelines and transactions, of each kind, run by the lockstep.

A pipeline keeps everything of its own: the queue, WATCH, scripts, retries, the annotation of
errors. Only its execution goes round by round, each round a redis-py pipeline of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster
from redis.exceptions import RedisError, WatchError
from redis.utils import safe_str, truncate_text

from redis_middleware.command import Batch, Command, Place
from redis_middleware.drivers import run, run_async, run_steps, run_steps_async
from redis_middleware.lockstep import Lockstep, has_exceptions
from redis_middleware.redispy.adoption import Adopted, adopt, adopt_copy
from redis_middleware.redispy.first_errors import AsyncFirstErrors, FirstErrors
from redis_middleware.redispy.immediate import AsyncImmediateTransport, ImmediateTransport
from redis_middleware.redispy.servers import Server, exchange, exchange_async
from redis_middleware.redispy.strategies import adopt_strategy
from redis_middleware.redispy.view import pool_address

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["adopt_pipeline"]

_Queued = list[tuple[tuple[Any, ...], dict[str, Any]]]


class _Queue:
    """Where a plain pipeline keeps its commands."""

    @staticmethod
    def read(pipe: Any) -> _Queued:
        stack: _Queued = pipe.command_stack
        return stack

    @staticmethod
    def write(pipe: Any, commands: Sequence[Command]) -> None:
        for command in commands:
            if command.target is not None:
                raise RedisError(
                    f"the target of {command!r} cannot be reached from a "
                    f"{command.place.value} of this client: {command.target!r}; commands of a "
                    "pipeline go to a server of ClientView.servers() or to a client that is no "
                    "cluster's, a transaction goes to its batch.target as a whole"
                )
        pipe.command_stack = [(command.args, command.options) for command in commands]

    @staticmethod
    def is_transaction(pipe: Any) -> bool:
        wanted = pipe.is_transaction if hasattr(pipe, "is_transaction") else pipe.transaction
        return bool(wanted or pipe.explicit_transaction)

    @staticmethod
    def is_watching(pipe: Any) -> bool:
        return bool(pipe.watching)

    @staticmethod
    def executor(pipe: Any) -> Any:
        return pipe

    @staticmethod
    def annotate(pipe: Any, error: Exception, number: int, args: tuple[Any, ...]) -> None:
        pipe.annotate_exception(error, number, args)


class _ClusterQueue:
    """Where a cluster pipeline keeps its commands: in its execution strategy."""

    @staticmethod
    def read(pipe: Any) -> _Queued:
        return [
            (queued.args, queued.options if hasattr(queued, "options") else queued.kwargs)
            for queued in pipe._execution_strategy._command_queue
        ]

    @staticmethod
    def write(pipe: Any, commands: Sequence[Command]) -> None:
        strategy = pipe._execution_strategy
        strategy._command_queue = []
        if getattr(strategy, "_pipeline_slots", None) and not strategy._watching:
            strategy._pipeline_slots = set()
        for command in commands:
            options = command.options
            if command.target is not None:
                options = {**options, "target_nodes": command.target}
            strategy.execute_command(*command.args, **options)

    @staticmethod
    def is_transaction(pipe: Any) -> bool:
        return hasattr(pipe._execution_strategy, "_explicit_transaction")

    @staticmethod
    def is_watching(pipe: Any) -> bool:
        return bool(getattr(pipe._execution_strategy, "_watching", False))

    @staticmethod
    def executor(pipe: Any) -> Any:
        return pipe._execution_strategy

    @staticmethod
    def annotate(pipe: Any, error: Exception, number: int, args: tuple[Any, ...]) -> None:
        strategy = pipe._execution_strategy
        if hasattr(pipe, "annotate_exception"):
            pipe.annotate_exception(error, number, args)
        elif _ClusterQueue.is_transaction(pipe):
            strategy._annotate_exception(error, number, args)
        else:
            # redis.asyncio's cluster pipeline writes this in the midst of its execution.
            text = truncate_text(" ".join(map(safe_str, args)))  # type: ignore[no-untyped-call]
            problem = f"Command # {number} ({text}) of pipeline caused error: {error.args}"
            error.args = (problem, *error.args[1:])


class _Prepared:
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
            self.was_watching = bool(self.queue.is_watching(self.pipe))
        elif self.was_watching:
            # Sent again it would not be guarded by the keys that the application watched, and
            # could overwrite what others wrote.
            raise WatchError(
                "a transaction that watched keys can be sent once only: redis-py has stopped "
                "watching them; the application has to read and watch them again"
            )

    def connect(self) -> None:
        """Take a connection to the server that the transaction is to go to."""
        pipe, target = self.pipe, self.lockstep.current.target
        if isinstance(pipe, _SyncRouted):
            pipe._connect_to(target)
            if self._needs_connection(target):
                self.pipe.connection = target.open_transaction()

    async def connect_async(self) -> None:
        """The same for an async client."""
        pipe, target = self.pipe, self.lockstep.current.target
        if isinstance(pipe, _AsyncRouted):
            await pipe._connect_to(target)
            if self._needs_connection(target):
                self.pipe.connection = await target.open_transaction()

    def _needs_connection(self, target: Any) -> bool:
        return isinstance(target, Server) and self.pipe.connection is None

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
        return self.first and bool(self.queue.is_watching(self.pipe))

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


class _BatchTransport:
    sleep: Any = staticmethod(time.sleep)

    def __init__(self, prepared: _Prepared, execute: Any, *arguments: Any) -> None:
        self._prepared = prepared
        self._execute = execute
        self._arguments = arguments
        self._executor: FirstErrors = prepared.queue.executor(prepared.pipe)
        if prepared.batch is not None and prepared.batch.place is Place.TRANSACTION:
            self.send_many = self._send_others

    def send(self, batch: Batch) -> Any:
        self._prepared.load_whole(batch)
        return self._send()

    def send_many(self, commands: Sequence[Command]) -> Any:
        return exchange(commands, self._send_others)

    def _send_others(self, commands: Sequence[Command]) -> Any:
        self._prepared.load(commands)
        return self._send()

    def _send(self) -> Any:
        self._prepared.connect()
        self._executor._begin_round()
        try:
            replies: Any = self._execute(*self._arguments)
        except Exception as error:
            replies = self._executor._replies_with(error)
            if replies is None:
                raise
        finally:
            self._executor._end_round()
            self._prepared.done()
        return replies


class _AsyncBatchTransport(_BatchTransport):
    sleep: Any = staticmethod(asyncio.sleep)

    def send_many(self, commands: Sequence[Command]) -> Any:
        return exchange_async(commands, self._send_others)

    async def _send(self) -> Any:
        await self._prepared.connect_async()
        self._executor._begin_round()
        try:
            replies: Any = await self._execute(*self._arguments)
        except Exception as error:
            replies = self._executor._replies_with(error)
            if replies is None:
                raise
        finally:
            self._executor._end_round()
            self._prepared.done()
        return replies


class _SyncPipeline(Adopted):
    _queue: Any = _Queue

    def execute(self, raise_on_error: bool = True) -> Any:
        middleware = self._redis_middleware
        middleware.check_settings()
        prepared = _Prepared(self, self._queue, middleware)
        execute = super().execute  # type: ignore[misc]
        if prepared.batch is None:
            return execute(raise_on_error)
        transport = _BatchTransport(prepared, execute, raise_on_error)
        try:
            replies = run_steps(prepared.lockstep.steps(), transport)
            if prepared.must_check_watch():
                prepared.load(())
                execute(False)
        except BaseException:
            if not prepared.put_back():
                self.reset()  # type: ignore[attr-defined]
            raise
        self.reset()  # type: ignore[attr-defined]
        return prepared.finish(replies, raise_on_error)


class _AsyncPipeline(Adopted):
    _queue: Any = _Queue

    async def execute(self, raise_on_error: bool = True, *arguments: Any) -> Any:
        middleware = self._redis_middleware
        middleware.check_settings()
        prepared = _Prepared(self, self._queue, middleware)
        execute = super().execute  # type: ignore[misc]
        if prepared.batch is None:
            return await execute(raise_on_error, *arguments)
        transport: Any = _AsyncBatchTransport(prepared, execute, raise_on_error, *arguments)
        try:
            replies = await run_steps_async(prepared.lockstep.steps(), transport)
            if prepared.must_check_watch():
                prepared.load(())
                await execute(False)
        except BaseException:
            if not prepared.put_back():
                await self.reset()  # type: ignore[attr-defined]
            raise
        await self.reset()  # type: ignore[attr-defined]
        return prepared.finish(replies, raise_on_error)


class _Routed:
    """A plain pipeline whose connection can be one to another server than its client's."""

    _own_pool: Any = None

    def _route(self, target: Any) -> Any:
        """Let the pipeline's next connection be of this server.

        Without one it stays where it has a connection, else it is of its own pool.

        Returns:
            The connection to be given back to its pool, and that pool; ``None`` without one.

        Raises:
            RedisError: the pipeline watches keys on a connection to another server.
        """
        pipe: Any = self
        pool = pipe.connection_pool
        own = pool if pipe._own_pool is None else pipe._own_pool
        wanted = target.pool if isinstance(target, Server) else own
        if wanted is pool or (target is None and pipe.connection is not None):
            return None
        if pipe.watching:
            raise RedisError(
                f"a transaction is on one server only: its connection is to {pool_address(pool)}, "
                f"and this command was to go to {pool_address(wanted)}; let its keys share a hash "
                "tag, such as {user:1}"
            )
        connection, pipe.connection = pipe.connection, None
        pipe._own_pool, pipe.connection_pool = own, wanted
        return None if connection is None else (pool, connection)


class _SyncRouted(_Routed):
    def _connect_to(self, target: Any) -> None:
        left = self._route(target)
        if left is not None:
            pool, connection = left
            pool.release(connection)


class _AsyncRouted(_Routed):
    async def _connect_to(self, target: Any) -> None:
        left = self._route(target)
        if left is not None:
            pool, connection = left
            await pool.release(connection)


class _PlainPipeline(FirstErrors, _SyncRouted, _SyncPipeline):
    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_transaction  # type: ignore[misc]
        return self._attempt(lambda raises: execute(connection, commands, raises), raise_on_error)

    def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_pipeline  # type: ignore[misc]
        return self._attempt(lambda raises: execute(connection, commands, raises), raise_on_error)

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute = super().immediate_execute_command  # type: ignore[misc]
        chain = middleware.pipeline.chains.of(args)
        if chain is None:
            return execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        transport = ImmediateTransport(execute, self._connect_to)
        return run(chain, command, transport, middleware.once)


class _PlainAsyncPipeline(AsyncFirstErrors, _AsyncRouted, _AsyncPipeline):
    async def _execute_transaction(
        self, connection: Any, commands: Any, raise_on_error: bool
    ) -> Any:
        execute = super()._execute_transaction  # type: ignore[misc]
        return await self._attempt(
            lambda raises: execute(connection, commands, raises), raise_on_error
        )

    async def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_pipeline  # type: ignore[misc]
        return await self._attempt(
            lambda raises: execute(connection, commands, raises), raise_on_error
        )

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute = super().immediate_execute_command  # type: ignore[misc]
        chain = middleware.pipeline.chains.of(args)
        if chain is None:
            return await execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        transport: Any = AsyncImmediateTransport(execute, self._connect_to)
        return await run_async(chain, command, transport, middleware.once)


class _SyncClusterPipeline(_SyncPipeline):
    _queue = _ClusterQueue


class _AsyncClusterPipeline(_AsyncPipeline):
    _queue = _ClusterQueue

    def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> Any:
        return super().execute(raise_on_error, allow_redirections)


# RediSearch's async pipeline derives from both colours: the async ones come first.
_KINDS: tuple[tuple[type, type], ...] = (
    (redis.asyncio.cluster.ClusterPipeline, _AsyncClusterPipeline),
    (redis.asyncio.client.Pipeline, _PlainAsyncPipeline),
    (redis.cluster.ClusterPipeline, _SyncClusterPipeline),
    (redis.client.Pipeline, _PlainPipeline),
)


def adopt_pipeline(pipe: Any, middleware: Middleware) -> Any:
    """Let a pipeline, just made by a wrapped client, run the client's plugins; give it back."""
    strategy = getattr(pipe, "_execution_strategy", None)
    if strategy is None:
        return adopt_copy(pipe, _KINDS, middleware)
    # It refers to its pipeline, which cannot be replaced by a copy then.
    adopt_strategy(strategy, middleware)
    return adopt(pipe, _KINDS, middleware)
