"""One item's way through its chain of flows, without I/O.

An :class:`Execution` starts the flows from the outermost in, until the innermost yields something
that a driver must do; given the outcome, it resumes them from the innermost out.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any, Final

from redis_middleware.chains import Chain, Hook
from redis_middleware.command import Command
from redis_middleware.errors import PluginError
from redis_middleware.flow import NIL, Call, Flow, Once, Sleep
from redis_middleware.hookspecs import may_yield

__all__ = ["DONE", "Execution"]

DONE: Final = object()
"""What an :class:`Execution` answers when every flow has ended: the reply is its ``outcome``."""

# What comes of a flow of a plugin that only observes and did what it must not: go on without it.
_WITHOUT: Final = object()

_COMMANDS: Final = frozenset({Command})

# flow, its hook, the chain and the index it stands at, the item it was started with
_Frame = tuple[Flow, Hook, Chain, int, Any]

_NO_RETURN = (
    "the flow ended without returning a reply (it returned None without having been given None): "
    "return what the yield gave, or redis_middleware.NIL to answer nil"
)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


class Execution:
    """A stack of started flows, outermost first.

    Its methods give the next request for the driver, or :data:`DONE`, or raise the exception that
    left the outermost flow. A request is an item to send (of the chain's class, or a command), a
    list of commands, ``Sleep``, ``Call`` or ``Once``.

    Attributes:
        outcome: the reply, once done.
        group: what the lockstep waits for this execution in; not set where there is none.
        index: its index in the group.
    """

    __slots__ = ("_again", "_stack", "group", "index", "outcome")

    group: Any
    index: int
    outcome: Any

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._again: _Frame | None = None

    @classmethod
    def of_started(cls, chain: Chain, item: Any, flows: Sequence[Flow | None]) -> Execution:
        """One whose first hooks were called with the item already, and their flows started."""
        execution = cls()
        execution._stack = [
            (flow, hook, chain, index, item)
            for index, (flow, hook) in enumerate(zip(flows, chain.hooks, strict=False))
            if flow is not None
        ]
        return execution

    def start(self, chain: Chain, item: Any, index: int = 0) -> Any:
        """Start the flows of the chain, from ``index`` inwards, for the item."""
        hooks = chain.hooks
        while index < len(hooks):
            hook = hooks[index]
            failure = None
            try:
                flow = hook.function(item)
                yielded = item if flow is None else flow.send(None)
            except Exception as error:
                failure = error
            if failure is None and flow is None:
                request = _WITHOUT
            elif failure is None:
                self._stack.append((flow, hook, chain, index, item))
                request = _WITHOUT if yielded is item else self.divert(yielded)
            else:
                try:
                    request = self._not_started(hook, item, failure)
                finally:
                    del failure
            if request is not _WITHOUT:
                return request
            index += 1
        return item

    def start_behind(self, error: Exception, chain: Chain, item: Any, index: int) -> Any:
        """Go on where the flow at the index ended before its first ``yield``."""
        try:
            request = self._not_started(chain.hooks[index], item, error)
        finally:
            del error
        return self.start(chain, item, index + 1) if request is _WITHOUT else request

    def divert(self, yielded: Any) -> Any:
        """Go on with what the innermost flow yielded first, where that is not its item."""
        _, hook, chain, index, item = self._stack[-1]
        if hook.observes:
            self._drop_observer("it yielded something else than what it was given")
            return self.start(chain, item, index + 1)
        return self._request(yielded)

    def resume(self, value: Any) -> Any:
        """Give the reply to the innermost flow, what it returns to the next, and so on."""
        stack = self._stack
        while stack:
            flow, hook, _, _, item = stack[-1]
            try:
                yielded = flow.send(value)
            except StopIteration as stop:
                result = stop.value
            except Exception as error:
                stack.pop()
                return self.raised(hook, item, error, value)
            else:
                return self.yielded_again(yielded, value)
            stack.pop()
            if result is not value:
                try:
                    return self.returned(hook, item, result, value)
                finally:
                    del result
        self.outcome = value
        return DONE

    def returned(self, hook: Hook, item: Any, result: Any, value: Any) -> Any:
        """Go on from a flow that ended with another result than the reply it was given."""
        if hook.observes:
            return self.resume(value)
        if result is None:
            return self.throw(hook.error(item, _NO_RETURN))
        if isinstance(result, Exception):
            try:
                return self.throw(hook.translate(result, item))
            finally:
                del result
        return self.resume(None if result is NIL else result)

    def raised(self, hook: Hook, item: Any, error: Exception, value: Any) -> Any:
        """Go on from a flow that ended with an exception of its own after its reply came."""
        try:
            if hook.observes:
                hook.report(error, item)
                return self.resume(value)
            if value.__class__ is list and any([error is reply for reply in value]):
                # A failure of one of several commands came as a reply, and was raised for it.
                return self.throw(error)
            return self.throw(hook.translate(error, item))
        finally:
            del error, value

    def yielded_again(self, yielded: Any, value: Any) -> Any:
        """Go on with what the innermost flow yielded after its reply came."""
        if self._stack[-1][1].observes:
            self._drop_observer("it yielded twice")
            return self.resume(value)
        self._again = self._stack[-1]
        return self._request(yielded)

    def fail(self, request: Any, error: Exception) -> Any:
        """Go on from a request that failed as a whole: then each command of a list has."""
        try:
            if request.__class__ is list:
                return self.resume([error] * len(request))
            return self.throw(error, own=request.__class__ is Call)
        finally:
            # The traceback holds this frame.
            del error

    def throw(self, error: BaseException, *, own: bool = False) -> Any:
        """Raise the failure in the innermost flow, what leaves it in the next, and so on.

        Args:
            error: the failure.
            own: whether it started in the innermost flow's plugin: in the function of a ``Call``.
        """
        stack = self._stack
        try:
            while stack:
                flow, hook, _, _, item = stack[-1]
                result = _WITHOUT
                try:
                    yielded = flow.throw(error)
                except StopIteration as stop:
                    result = stop.value
                except Exception as raised:
                    if raised is not error or own:
                        if hook.observes:
                            hook.report(raised, item)
                        else:
                            error = hook.translate(raised, item)
                else:
                    if not hook.observes:
                        self._again = stack[-1]
                        return self._request(yielded)
                    self._drop_observer("it yielded again after a failure")
                    continue
                stack.pop()
                own = False
                if result is _WITHOUT or hook.observes:
                    continue
                if result is not None:
                    try:
                        return self.returned(hook, item, result, _WITHOUT)
                    finally:
                        del result
                missing = hook.error(item, _NO_RETURN)
                missing.__cause__ = error
                error = missing
            raise error
        finally:
            # The traceback holds this frame: without this, frame and error would hold each other.
            del error

    def interrupt(self, error: BaseException) -> None:
        """Raise an interrupt in every flow, innermost first; what they make of it is dropped.

        With a ``GeneratorExit`` this closes the flows.
        """
        stack = self._stack
        traceback = error.__traceback__
        while stack:
            flow, hook, _, _, item = stack.pop()
            try:
                flow.throw(error)
                flow.close()
            except BaseException as raised:
                if raised is not error and not isinstance(raised, StopIteration):
                    hook.report(raised, item, ending=True)
            # It is raised in many flows: their frames would make a traceback of thousands of lines.
            error.__traceback__ = traceback

    def blame(self, problem: str) -> PluginError:
        """The error for a breach of contract by the flow that yielded again last."""
        _, hook, _, _, item = self._again or self._stack[-1]
        return hook.error(item, problem)

    def inner(self, command: Command) -> tuple[Chain, int] | None:
        """Where a command goes that the flow of the last request yielded: chain and index."""
        _, hook, chain, index, _ = self._stack[-1]
        if command.spec is chain.spec:
            return (chain, index + 1) if index + 1 < len(chain.hooks) else None
        return chain.chains.behind(hook, command) if chain.chains is not None else None

    def is_innermost(self, commands: Sequence[Command]) -> bool:
        """Whether no plugin is behind the flow of the last request for any of these commands."""
        _, _, chain, index, _ = self._stack[-1]
        others = [command for command in commands if command.spec is not chain.spec]
        if len(others) < len(commands) and index + 1 < len(chain.hooks):
            return False
        return bool(commands) and all([self.inner(command) is None for command in others])

    @property
    def plugin(self) -> str:
        """The name of the plugin whose flow made the last request."""
        return self._stack[-1][1].plugin

    def _not_started(self, hook: Hook, item: Any, error: Exception) -> Any:
        try:
            if isinstance(error, StopIteration):
                if not hook.observes:
                    return self.returned(hook, item, error.value, NIL)
                error = hook.error(item, "it answered instead of yielding")
            error = _not_a_flow(hook, item, error) or error
            if not hook.observes:
                return self.throw(hook.translate(error, item))
            hook.report(error, item)
            return _WITHOUT
        finally:
            del error

    def _request(self, yielded: Any) -> Any:
        """What the innermost flow asks for: passed on inwards, or left to the driver."""
        _, hook, chain, index, item = self._stack[-1]
        kind = yielded.__class__
        if kind is chain.item_class:
            if kind is not Command:
                return self.start(chain, yielded, index + 1)
            inner = self.inner(yielded)
            return yielded if inner is None else self.start(inner[0], yielded, inner[1])
        if kind is Sleep or kind is Call:
            return yielded
        if chain.item_class is Command:
            if kind is Once and yielded.command.__class__ is Command:
                return yielded
            if kind is list and set(map(type, yielded)) <= _COMMANDS:
                return yielded
        elif kind is Command and hook.name == "redis_connect" and item.is_made:
            return yielded
        return self.throw(
            hook.error(
                item,
                f"it yielded {_short.repr(yielded)}; it may yield {may_yield(hook.name)}",
            )
        )

    def _drop_observer(self, problem: str) -> None:
        flow, hook, _, _, item = self._stack.pop()
        hook.report(hook.error(item, f"{problem}; a plugin that observes may only pass on"), item)
        try:
            flow.close()
        except Exception as error:
            hook.report(error, item, ending=True)


def _not_a_flow(hook: Hook, item: Any, error: Exception) -> PluginError | None:
    """The error for a hook that is not a generator function, if that is what went wrong."""
    if isinstance(error, AttributeError) and error.name == "send":
        returned = error.obj
        # One that was raised inside of the flow has a longer traceback.
        in_flow = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        if not in_flow and not hasattr(returned, "send"):
            return hook.error(
                item,
                "it is not a flow: the hook must be a generator function (with a yield in it) or "
                "return one's generator, or None where it has nothing to do; it returned "
                f"{_short.repr(returned)}",
            )
    return None
