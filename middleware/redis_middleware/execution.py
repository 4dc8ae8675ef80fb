"""One item's way through its chain of flows, without I/O.

An :class:`Execution` starts the flows from the outermost in, until the innermost yields something
that a driver must do; given the outcome, it resumes them from the innermost out.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from redis_middleware.chains import Chain, Hook
from redis_middleware.command import Command
from redis_middleware.errors import PluginError
from redis_middleware.flow import NIL, Call, Once, Sleep

__all__ = ["DONE", "Execution"]

DONE: Final = object()
"""What an :class:`Execution` answers when every flow has ended: the reply is its ``outcome``."""

# flow, its hook, the chain and the index it stands at, the item it was started with
_Frame = tuple[Generator[Any, Any, Any], Hook, Chain, int, Any]

_NO_RETURN = (
    "the flow ended without returning a reply (it returned None without having been given None): "
    "return what the yield gave, or redis_middleware.NIL to answer nil"
)


class Execution:
    """A stack of started flows, outermost first.

    ``start``, ``resume`` and ``throw`` give the next request for the driver, or :data:`DONE`, or
    raise the exception that left the outermost flow. A request is an item to send (of the chain's
    class, or a command), a list of commands, ``Sleep``, ``Call`` or ``Once``.

    Attributes:
        outcome: the reply, once done.
        group: what the lockstep waits for this execution in; ``None`` for one by itself.
        index: its index in the group.
    """

    __slots__ = ("_stack", "group", "index", "outcome")

    outcome: Any
    index: int

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self.group: Any = None

    def start(self, chain: Chain, item: Any, index: int = 0) -> Any:
        """Start the flows of the chain, from ``index`` inwards, for the item."""
        stack = self._stack
        hooks = chain.hooks
        count = len(hooks)
        while index < count:
            hook = hooks[index]
            try:
                flow = hook.function(item)
                yielded = flow.send(None)
            except StopIteration as stop:
                if not hook.observes:
                    return self._answered(hook, item, stop.value)
                hook.report(hook.error(item, "it answered instead of yielding"), item)
            except Exception as error:
                problem = _not_a_flow(hook, item, error)
                if not hook.observes:
                    return self.throw(problem or hook.translate(error, item))
                hook.report(problem or error, item)
            else:
                stack.append((flow, hook, chain, index, item))
                if yielded is not item:
                    if not hook.observes:
                        return self._diverted(yielded)
                    self._drop_observer("it yielded something else than what it was given")
            index += 1
        return item

    def resume(self, value: Any) -> Any:
        """Give the reply to the innermost flow, what it returns to the next, and so on."""
        stack = self._stack
        while stack:
            frame = stack[-1]
            try:
                yielded = frame[0].send(value)
            except StopIteration as stop:
                stack.pop()
                if stop.value is not value and not frame[1].observes:
                    if stop.value is None:
                        return self.throw(frame[1].error(frame[4], _NO_RETURN))
                    value = None if stop.value is NIL else stop.value
            except Exception as error:
                stack.pop()
                if not frame[1].observes:
                    return self.throw(frame[1].translate(error, frame[4]))
                frame[1].report(error, frame[4])
            else:
                if not frame[1].observes:
                    return self._diverted(yielded)
                self._drop_observer("it yielded twice")
        self.outcome = value
        return DONE

    def throw(self, error: BaseException) -> Any:
        """Raise the failure in the innermost flow, what leaves it in the next, and so on."""
        stack = self._stack
        while stack:
            frame = stack[-1]
            hook = frame[1]
            try:
                yielded = frame[0].throw(error)
            except StopIteration as stop:
                stack.pop()
                if not hook.observes:
                    if stop.value is not None:
                        return self.resume(None if stop.value is NIL else stop.value)
                    missing = hook.error(frame[4], _NO_RETURN)
                    missing.__cause__ = error
                    error = missing
            except Exception as raised:
                stack.pop()
                if raised is not error:
                    if hook.observes:
                        hook.report(raised, frame[4])
                    else:
                        error = hook.translate(raised, frame[4])
            else:
                if not hook.observes:
                    return self._diverted(yielded)
                self._drop_observer("it yielded again after a failure")
        try:
            raise error
        finally:
            # The traceback holds this frame: without this, frame and error would hold each other.
            del error

    def interrupt(self, error: BaseException) -> None:
        """Raise an interrupt in every flow, innermost first; what they make of it is dropped.

        With a ``GeneratorExit`` this closes the flows.
        """
        stack = self._stack
        while stack:
            flow, hook, _, _, item = stack.pop()
            try:
                flow.throw(error)
                flow.close()
            except BaseException as raised:
                if raised is not error and not isinstance(raised, StopIteration):
                    hook.report(raised, item)

    def blame(self, problem: str) -> PluginError:
        """The error for a breach of contract by the flow that made the last request."""
        _, hook, _, _, item = self._stack[-1]
        return hook.error(item, problem)

    def inner(self, command: Command) -> tuple[Chain, int] | None:
        """Where a command goes that the flow of the last request yielded: chain and index."""
        _, hook, chain, index, _ = self._stack[-1]
        if command.spec is chain.spec:
            return (chain, index + 1) if index + 1 < len(chain.hooks) else None
        return chain.chains.behind(hook, command) if chain.chains is not None else None

    @property
    def plugin(self) -> str:
        """The name of the plugin whose flow made the last request."""
        return self._stack[-1][1].plugin

    def _answered(self, hook: Hook, item: Any, value: Any) -> Any:
        if value is None:
            return self.throw(hook.error(item, _NO_RETURN))
        return self.resume(None if value is NIL else value)

    def _diverted(self, yielded: Any) -> Any:
        """The request of a flow that did not just pass its item on."""
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
            if kind is Once:
                return yielded
            if kind is list and all(element.__class__ is Command for element in yielded):
                return yielded
        elif kind is Command and hook.name == "redis_connect":
            return yielded
        return self.throw(
            hook.error(item, f"it yielded {yielded!r}; the hook's documentation says what it may")
        )

    def _drop_observer(self, problem: str) -> None:
        flow, hook, _, _, item = self._stack.pop()
        hook.report(hook.error(item, f"{problem}; a plugin that observes may only pass on"), item)
        try:
            flow.close()
        except Exception as error:
            hook.report(error, item)


def _not_a_flow(hook: Hook, item: Any, error: Exception) -> PluginError | None:
    """The error for a hook that is not a generator function, if that is what went wrong."""
    if isinstance(error, AttributeError) and not isinstance(error.obj, type):
        returned = error.obj
        if error.name == "send" and not hasattr(returned, "send"):
            return hook.error(
                item,
                f"it is not a flow: the hook must be a generator function (with a yield in it), "
                f"and it returned {returned!r}",
            )
    return None
