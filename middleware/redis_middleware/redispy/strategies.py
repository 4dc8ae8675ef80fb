"""Cluster pipelines hand their commands to a strategy: one for transactions, one for the others.

What such a strategy does itself, past its pipeline, runs the client's plugins here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis.asyncio.cluster
import redis.cluster

from redis_middleware.command import Command, Place
from redis_middleware.drivers import run, run_async
from redis_middleware.redispy.immediate import AsyncImmediateTransport, ImmediateTransport

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["AsyncRetries", "adopt_strategy"]


class _SyncTransaction(redis.cluster.TransactionStrategy):
    """Sends commands at once while it watches keys."""

    _redis_middleware: Middleware

    def execute_command(self, *args: Any, **options: Any) -> Any:
        middleware = self._redis_middleware
        execute: Any = super().execute_command
        chain = middleware.pipeline.chains.of(args) if _is_immediate(self, args) else None
        if chain is None:
            return execute(*args, **options)
        command = Command(args, options, chain.spec, middleware.client, Place.WATCH)
        return run(chain, command, ImmediateTransport(execute), middleware.once)


class _AsyncTransaction(redis.asyncio.cluster.TransactionStrategy):
    """The same for redis.asyncio: a command that is sent at once is a coroutine."""

    _redis_middleware: Middleware

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


class AsyncRetries(redis.asyncio.cluster.PipelineStrategy):
    """Tries again after a lost connection without raising the errors of single commands.

    redis.asyncio does that only where errors are to be raised. A round of the lockstep never
    raises them, since each flow is to get its own: whether to try again is decided here.

    Attributes:
        retries_left: how often the pipeline may be tried again.
    """

    _redis_middleware: Middleware
    retries_left = 0

    async def _execute(
        self,
        client: Any,
        stack: Any,
        raise_on_error: bool = True,
        allow_redirections: bool = True,
    ) -> Any:
        replies = await super()._execute(client, stack, raise_on_error, allow_redirections)
        failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if self.retries_left and isinstance(failure, client.ERRORS_ALLOW_RETRY):
            self.retries_left -= 1
            raise failure
        return replies

    def start(self, *, tries_again: bool) -> None:
        """Begin an execution, which is tried again as often as the client's settings say."""
        self.retries_left = self._pipe.cluster_client.retry.get_retries() if tries_again else 0


_ADOPTED: dict[type, type] = {
    redis.cluster.TransactionStrategy: _SyncTransaction,
    redis.asyncio.cluster.TransactionStrategy: _AsyncTransaction,
    redis.asyncio.cluster.PipelineStrategy: AsyncRetries,
}


def adopt_strategy(strategy: Any, middleware: Middleware) -> None:
    """Let the strategy of a pipeline that a wrapped client just made run the client's plugins."""
    adopted = _ADOPTED.get(type(strategy))
    if adopted is not None:
        strategy.__class__ = adopted
        strategy._redis_middleware = middleware
