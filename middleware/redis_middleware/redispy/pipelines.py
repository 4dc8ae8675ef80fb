"""redis-py's pipelines and transactions, of each kind, run by the lockstep.

A pipeline keeps everything of its own: the queue, WATCH, scripts, retries, the annotation of
errors. Only its execution goes round by round, each round a redis-py pipeline of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster

from redis_middleware.command import Command, Place
from redis_middleware.drivers import run, run_async, run_steps, run_steps_async
from redis_middleware.redispy.adoption import Adopted, adopt, adopt_copy
from redis_middleware.redispy.first_errors import FirstErrors
from redis_middleware.redispy.immediate import AsyncImmediateTransport, ImmediateTransport
from redis_middleware.redispy.queues import ClusterQueue, PlainQueue
from redis_middleware.redispy.rounds import AsyncBatchTransport, BatchTransport, Prepared
from redis_middleware.redispy.routed import Routed
from redis_middleware.redispy.steps import drive, drive_async
from redis_middleware.redispy.strategies import adopt_strategy
from redis_middleware.redispy.together import together

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["adopt_pipeline"]


class _Numbered:
    """Says in an error which of the application's commands it is of, whatever was sent along."""

    _positions: Sequence[int | None] = ()

    def annotate_exception(self, exception: Any, number: int, command: Any) -> None:
        position = self._positions[number - 1] if number <= len(self._positions) else None
        number = number if position is None else position + 1
        super().annotate_exception(exception, number, command)  # type: ignore[misc]


class _SyncPipeline(Adopted):
    _queue: Any = PlainQueue

    def execute(self, raise_on_error: bool = True) -> Any:
        middleware = self._redis_middleware
        middleware.check_settings()
        prepared = Prepared(self, self._queue, middleware)
        execute = super().execute  # type: ignore[misc]
        if prepared.batch is None:
            return execute(raise_on_error)
        transport = BatchTransport(prepared, execute, raise_on_error)
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
    _queue: Any = PlainQueue

    async def execute(self, raise_on_error: bool = True, *arguments: Any) -> Any:
        middleware = self._redis_middleware
        middleware.check_settings()
        prepared = Prepared(self, self._queue, middleware)
        execute = super().execute  # type: ignore[misc]
        if prepared.batch is None:
            return await execute(raise_on_error, *arguments)
        transport: Any = AsyncBatchTransport(prepared, execute, raise_on_error, *arguments)
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


class _PlainPipeline(_Numbered, FirstErrors, Routed, _SyncPipeline):
    def execute(self, raise_on_error: bool = True) -> Any:
        # Where it was sent before counts no more.
        drive(self._connect_to(None))
        return super().execute(raise_on_error)

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_transaction  # type: ignore[misc]
        send = together(drive, self, execute, connection, commands)
        return drive(self._attempt(send, raise_on_error))

    def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_pipeline  # type: ignore[misc]
        send = together(drive, self, execute, connection, commands)
        return drive(self._attempt(send, raise_on_error))

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute = super().immediate_execute_command  # type: ignore[misc]
        chain = middleware.pipeline.chains.of(args)
        if chain is None:
            drive(self._connect_to(None))
            return execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        transport = ImmediateTransport(execute, self._connect_to)
        return run(chain, command, transport, middleware.once)


class _PlainAsyncPipeline(_Numbered, FirstErrors, Routed, _AsyncPipeline):
    async def execute(self, raise_on_error: bool = True) -> Any:
        # Where it was sent before counts no more.
        await drive_async(self._connect_to(None))
        return await super().execute(raise_on_error)

    async def _execute_transaction(
        self, connection: Any, commands: Any, raise_on_error: bool
    ) -> Any:
        execute = super()._execute_transaction  # type: ignore[misc]
        send = together(drive_async, self, execute, connection, commands)
        return await drive_async(self._attempt(send, raise_on_error))

    async def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_pipeline  # type: ignore[misc]
        send = together(drive_async, self, execute, connection, commands)
        return await drive_async(self._attempt(send, raise_on_error))

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute = super().immediate_execute_command  # type: ignore[misc]
        chain = middleware.pipeline.chains.of(args)
        if chain is None:
            await drive_async(self._connect_to(None))
            return await execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        transport: Any = AsyncImmediateTransport(execute, self._connect_to)
        return await run_async(chain, command, transport, middleware.once)


class _SyncClusterPipeline(_SyncPipeline):
    _queue = ClusterQueue


class _AsyncClusterPipeline(_AsyncPipeline):
    _queue = ClusterQueue

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
