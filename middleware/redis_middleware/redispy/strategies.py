"""Cluster pipelines hand their commands to a strategy: one for transactions, one for the others.

What such a strategy does itself, past its pipeline, runs the client's plugins here, and what it
raises within its retries is kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis.asyncio.cluster
import redis.cluster

from redis_middleware.command import Command, Place
from redis_middleware.drivers import run, run_async
from redis_middleware.redispy.first_errors import FirstErrors
from redis_middleware.redispy.immediate import AsyncImmediateTransport, ImmediateTransport
from redis_middleware.redispy.steps import drive, drive_async

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["adopt_strategy"]


class _SyncTransaction(redis.cluster.TransactionStrategy, FirstErrors):
    """Sends commands at once while it watches keys."""

    _redis_middleware: Middleware

    def _execute_transaction(self, stack: Any, raise_on_error: bool) -> Any:
        execute: Any = super()._execute_transaction
        return drive(self._attempt(lambda raises: execute(stack, raises), raise_on_error))

    def execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute: Any = super().execute_command
        chain = middleware.pipeline.chains.of(args) if _is_immediate(self, args) else None
        if chain is None:
            return execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        return run(chain, command, ImmediateTransport(execute), middleware.once)


class _AsyncTransaction(redis.asyncio.cluster.TransactionStrategy, FirstErrors):
    """The same for redis.asyncio: a command that is sent at once is a coroutine."""

    _redis_middleware: Middleware

    async def _execute_transaction(self, stack: Any, raise_on_error: bool) -> Any:
        execute = super()._execute_transaction
        return await drive_async(
            self._attempt(lambda raises: execute(stack, raises), raise_on_error)
        )

    def execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute: Any = super().execute_command
        chain = middleware.pipeline.chains.of(args) if _is_immediate(self, args) else None
        if chain is None:
            return execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        transport: Any = AsyncImmediateTransport(execute)
        return run_async(chain, command, transport, middleware.once)


def _is_immediate(strategy: Any, args: tuple[Any, ...]) -> bool:
    """Whether a command is sent at once, because the transaction watches keys."""
    return not strategy._explicit_transaction and (
        strategy._watching or args[0] in strategy.IMMEDIATE_EXECUTE_COMMANDS
    )


class _SyncPipeline(redis.cluster.PipelineStrategy, FirstErrors):
    def _send_cluster_commands(
        self, stack: Any, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> Any:
        send: Any = super()._send_cluster_commands
        return drive(
            self._attempt(lambda raises: send(stack, raises, allow_redirections), raise_on_error)
        )


class _AsyncPipeline(redis.asyncio.cluster.PipelineStrategy, FirstErrors):
    async def _execute(
        self,
        client: Any,
        stack: Any,
        raise_on_error: bool = True,
        allow_redirections: bool = True,
    ) -> Any:
        execute = super()._execute
        return await drive_async(
            self._attempt(
                lambda raises: execute(client, stack, raises, allow_redirections), raise_on_error
            )
        )


# redis-py's class comes first in each: an object can only become of a class of the same layout.
_ADOPTED: dict[type, type] = {
    redis.cluster.TransactionStrategy: _SyncTransaction,
    redis.asyncio.cluster.TransactionStrategy: _AsyncTransaction,
    redis.cluster.PipelineStrategy: _SyncPipeline,
    redis.asyncio.cluster.PipelineStrategy: _AsyncPipeline,
}


def adopt_strategy(strategy: Any, middleware: Middleware) -> None:
    """Let the strategy of a pipeline that a wrapped client just made run the client's plugins."""
    adopted = _ADOPTED.get(type(strategy))
    if adopted is not None:
        strategy.__class__ = adopted
        strategy._redis_middleware = middleware
