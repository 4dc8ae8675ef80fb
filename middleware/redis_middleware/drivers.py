"""What does the I/O that flows ask for: one driver for sync clients, one for async clients.

A transport knows how to send: ``send(item)`` one command (or other item) and give its reply,
``send_many(commands)`` several together and give the list of their replies, each failure in it as
an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any, Protocol

from redis_middleware.chains import Chain
from redis_middleware.command import Command
from redis_middleware.execution import DONE, Execution
from redis_middleware.flow import Call, Once, Sleep
from redis_middleware.groups import Calls, Waiting
from redis_middleware.lockstep import Lockstep
from redis_middleware.once import OnceRegistry
from redis_middleware.usual_way import ascend, descend, not_sent

__all__ = [
    "AsyncTransport",
    "Transport",
    "run",
    "run_async",
    "run_on",
    "run_steps",
    "run_steps_async",
]


class Transport(Protocol):
    """How a sync driver sends."""

    def send(self, item: Any) -> Any:
        """Send one item; give its reply or raise its failure."""

    def send_many(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Send commands together; give their replies, failures among them as exceptions."""

    def sleep(self, seconds: float, /) -> Any:
        """Wait."""


class AsyncTransport(Protocol):
    """How an async driver sends."""

    def send(self, item: Any) -> Awaitable[Any]:
        """Send one item; give its reply or raise its failure."""

    def send_many(self, commands: Sequence[Command]) -> Awaitable[Sequence[Any]]:
        """Send commands together; give their replies, failures among them as exceptions."""

    def sleep(self, seconds: float, /) -> Awaitable[Any]:
        """Wait."""


def run(chain: Chain, item: Any, transport: Transport, once: OnceRegistry) -> Any:
    """Take one item through its chain; give the reply or raise what left the outermost flow."""
    flows, execution, request = descend(chain, item)
    if execution is None:
        try:
            reply = transport.send(item)
        except BaseException as error:
            execution, request = not_sent(chain, item, flows, error)
        else:
            execution, request = ascend(chain, item, flows, reply)
            if execution is None:
                return request
    return run_on(execution, request, transport, once)


def run_on(execution: Execution, request: Any, transport: Transport, once: OnceRegistry) -> Any:
    """Go on with an execution; give the reply or raise what left the outermost flow."""
    try:
        while request is not DONE:
            kind = request.__class__
            if kind is Once or (kind is list and not execution.is_innermost(request)):
                return run_steps(Lockstep.of_request(execution, request, once).steps(), transport)
            try:
                reply = _perform(request, transport)
            except Exception as error:
                request = execution.fail(request, error)
            else:
                request = execution.resume(reply)
    except BaseException as error:
        execution.interrupt(error)
        raise
    return execution.outcome


async def run_async(
    chain: Chain,
    item: Any,
    transport: AsyncTransport,
    once: OnceRegistry,
    keep: object = None,
) -> Any:
    """Take one item through its chain; give the reply or raise what left the outermost flow.

    Args:
        chain: the item's chain.
        item: what goes through it.
        transport: how to send.
        once: where concurrent callers meet.
        keep: kept alive meanwhile: the client, as a coroutine of its own method would keep it.
    """
    flows, execution, request = descend(chain, item)
    if execution is None:
        try:
            reply = await transport.send(item)
        except BaseException as error:
            execution, request = not_sent(chain, item, flows, error)
        else:
            execution, request = ascend(chain, item, flows, reply)
            if execution is None:
                return request
    try:
        while request is not DONE:
            kind = request.__class__
            if kind is Once or (kind is list and not execution.is_innermost(request)):
                steps = Lockstep.of_request(execution, request, once).steps()
                return await run_steps_async(steps, transport)
            try:
                reply = await _perform_async(request, transport)
            except Exception as error:
                request = execution.fail(request, error)
            else:
                request = execution.resume(reply)
    except BaseException as error:
        execution.interrupt(error)
        raise
    return execution.outcome


def run_steps(steps: Generator[Any, Any, Any], transport: Transport) -> Any:
    """Do what the steps ask for until they end; give what they return."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = _perform(step, transport)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        return stop.value
    finally:
        # The traceback of an error among the replies may hold this frame.
        outcome = None


async def run_steps_async(steps: Generator[Any, Any, Any], transport: AsyncTransport) -> Any:
    """Do what the steps ask for until they end; give what they return."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = await _perform_async(step, transport)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        return stop.value
    finally:
        # The traceback of an error among the replies may hold this frame.
        outcome = None


def _perform(step: Any, transport: Transport) -> Any:
    kind = step.__class__
    if kind is Command:
        return transport.send(step)
    if kind is list:
        return transport.send_many(step)
    if kind is Sleep:
        return transport.sleep(step.seconds)
    if kind is Call:
        return step.function()
    if kind is Calls:
        return [_outcome(call) for call in step.calls]
    if kind is Waiting:
        wait(step.futures, return_when=FIRST_COMPLETED)
        return None
    return transport.send(step)


async def _perform_async(step: Any, transport: AsyncTransport) -> Any:
    kind = step.__class__
    if kind is Command:
        return await transport.send(step)
    if kind is list:
        return await transport.send_many(step)
    if kind is Sleep:
        return await transport.sleep(step.seconds)
    if kind is Call:
        return await _call_async(step)
    if kind is Calls:
        return await asyncio.gather(
            *[_call_async(call) for call in step.calls], return_exceptions=True
        )
    if kind is Waiting:
        waiting = [asyncio.wrap_future(future) for future in step.futures]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                # Outcomes are taken from the futures of the step; asyncio would complain of
                # failures that nobody takes from its own. It cannot cancel those of the step.
                if not future.cancel() and not future.cancelled():
                    future.exception()
        return None
    return await transport.send(step)


def _outcome(call: Call) -> Any:
    try:
        return call.function()
    except Exception as error:
        return error


async def _call_async(call: Call) -> Any:
    if call.async_function is None:
        return await asyncio.to_thread(call.function)
    return await call.async_function()
