"""What a flow may yield besides the command it was given.

A plugin's hook is a generator, a *flow*: what it yields is sent on, what it returns is the reply.
Flows do no I/O; a driver, one for sync clients and one for async clients, does what they ask for.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from redis_middleware.command import Command

__all__ = ["NIL", "Answer", "Call", "Flow", "Once", "Sleep"]

Flow = Generator[Any, Any, Any]
"""The type of every flow: the hook's docstring tells what it may yield, receive and return."""


class Sleep:
    """Yield it to wait without blocking other tasks: ``time.sleep`` or ``asyncio.sleep``.

    The flow is resumed with ``None``. In a pipeline the commands of the round wait together, for
    the longest of their sleeps.

    Args:
        seconds: how long, in seconds; 0 lets other threads or tasks run.

    Raises:
        ValueError: the time is negative, infinite or not a number.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        if not 0 <= seconds < math.inf:
            raise ValueError(f"one sleeps for 0 or more seconds, not for {seconds!r}")
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"Sleep({self.seconds!r})"


class Call:
    """Yield it to do I/O that is not Redis: the flow is resumed with what the function returns.

    What the function raises is raised at the ``yield``; a flow that lets a built-in exception of
    its function's pass has a bug.

    Args:
        function: called without arguments by a sync client, and by an async client in a thread
            when there is no ``async_function``.
        async_function: awaited by an async client; the sync driver never uses it.
    """

    __slots__ = ("async_function", "function")

    def __init__(
        self,
        function: Callable[[], Any],
        async_function: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self.function = function
        self.async_function = async_function

    def __repr__(self) -> str:
        return f"Call({self.function!r}, {self.async_function!r})"


class Once:
    """Yield it to let concurrent callers share one send of a command.

    The first caller of a key leads: its command goes on to the inner plugins and the server. Those
    who yield a ``Once`` with the same key before the reply is there follow: they are resumed with
    the same reply (containers as copies of their own) or the same failure. Followers of a leader
    that was interrupted or cancelled start again, and one of them leads.

    Keys are per plugin and wrapped client. Inside a transaction, where each command must be sent
    to be part of it, a ``Once`` is just its command.

    Args:
        key: what the callers share: any hashable value.
        command: the command that the leader sends.

    Raises:
        TypeError: the key cannot be hashed.
    """

    __slots__ = ("command", "key")

    def __init__(self, key: Hashable, command: Command) -> None:
        hash(key)
        self.key = key
        self.command = command

    def __repr__(self) -> str:
        return f"Once({self.key!r}, {self.command!r})"


class Answer:
    """What a hook that is a plain function returns to answer without the server.

    It is a flow that returns the reply before it yields, at a third of the cost of one. The same
    object may be returned any number of times.

    Args:
        reply: the reply; ``None`` and ``NIL`` are nil. Each caller gets this object itself.

    Raises:
        TypeError: the reply is an exception: a hook raises those.
    """

    __slots__ = ("reply",)

    def __init__(self, reply: Any) -> None:
        if isinstance(reply, BaseException):
            raise TypeError(f"a hook raises an exception, and does not answer with it: {reply!r}")
        self.reply: Any = None if reply is NIL else reply

    def send(self, _: object) -> NoReturn:
        """End at once, as a flow that answers does."""
        raise StopIteration(NIL if self.reply is None else self.reply)

    def __repr__(self) -> str:
        return f"Answer({self.reply!r:.100})"


class _Nil:
    """The type of :data:`NIL`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NIL"

    def __reduce__(self) -> str:
        return "NIL"


NIL: Final = _Nil()
"""Return it from a flow to answer with nil (``None``) of the flow's own accord.

A plain ``None`` is taken as the reply only where the flow was resumed with ``None``: everywhere
else it means that the flow forgot its ``return``, which is an error that names the plugin.
"""
