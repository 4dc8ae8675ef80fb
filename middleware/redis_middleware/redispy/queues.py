"""Where redis-py's pipelines keep the commands that are to be executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError
from redis.utils import safe_str, truncate_text

from redis_middleware.command import Command

__all__ = ["ClusterQueue", "PlainQueue", "Queued"]

Queued = list[tuple[tuple[Any, ...], dict[str, Any]]]


class PlainQueue:
    """Where a plain pipeline keeps its commands."""

    @staticmethod
    def read(pipe: Any) -> Queued:
        """What is queued: arguments and options of each command."""
        stack: Queued = pipe.command_stack
        return stack

    @staticmethod
    def write(pipe: Any, commands: Sequence[Command]) -> None:
        """Queue these commands in place of what is queued."""
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
        """Whether it will be sent in MULTI and EXEC."""
        wanted = pipe.is_transaction if hasattr(pipe, "is_transaction") else pipe.transaction
        return bool(wanted or pipe.explicit_transaction)

    @staticmethod
    def is_watching(pipe: Any) -> bool:
        """Whether it watches keys."""
        return bool(pipe.watching)

    @staticmethod
    def executor(pipe: Any) -> Any:
        """What executes a round of it."""
        return pipe

    @staticmethod
    def annotate(pipe: Any, error: Exception, number: int, args: tuple[Any, ...]) -> None:
        """Say in the error which of the commands it is of, as redis-py does."""
        pipe.annotate_exception(error, number, args)


class ClusterQueue:
    """Where a cluster pipeline keeps its commands: in its execution strategy."""

    @staticmethod
    def read(pipe: Any) -> Queued:
        """What is queued: arguments and options of each command."""
        return [
            (queued.args, queued.options if hasattr(queued, "options") else queued.kwargs)
            for queued in pipe._execution_strategy._command_queue
        ]

    @staticmethod
    def write(pipe: Any, commands: Sequence[Command]) -> None:
        """Queue these commands in place of what is queued."""
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
        """Whether it will be sent in MULTI and EXEC."""
        return hasattr(pipe._execution_strategy, "_explicit_transaction")

    @staticmethod
    def is_watching(pipe: Any) -> bool:
        """Whether it watches keys."""
        return bool(getattr(pipe._execution_strategy, "_watching", False))

    @staticmethod
    def executor(pipe: Any) -> Any:
        """What executes a round of it."""
        return pipe._execution_strategy

    @staticmethod
    def annotate(pipe: Any, error: Exception, number: int, args: tuple[Any, ...]) -> None:
        """Say in the error which of the commands it is of, as redis-py does."""
        strategy = pipe._execution_strategy
        if hasattr(pipe, "annotate_exception"):
            pipe.annotate_exception(error, number, args)
        elif ClusterQueue.is_transaction(pipe):
            strategy._annotate_exception(error, number, args)
        else:
            # redis.asyncio's cluster pipeline writes this in the midst of its execution.
            text = truncate_text(" ".join(map(safe_str, args)))  # type: ignore[no-untyped-call]
            problem = f"Command # {number} ({text}) of pipeline caused error: {error.args}"
            error.args = (problem, *error.args[1:])
