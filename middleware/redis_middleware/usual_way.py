"""The usual way of an item through its chain: every flow passes it on and gives the reply back.

:func:`descend` and :func:`ascend` keep no more than the list of flows, and make an ``Execution`` of
it as soon as anything else happens.
"""

from __future__ import annotations

from typing import Any, Final

from redis_middleware.chains import Chain
from redis_middleware.execution import Execution
from redis_middleware.flow import Flow

__all__ = [
    "ENDED",
    "ascend",
    "descend",
    "interrupt",
    "not_given_back",
    "not_passed_on",
    "not_sent",
]

ENDED: Final = object()
"""In place of what a flow yielded: it ended."""


def descend(chain: Chain, item: Any) -> tuple[list[Flow | None], Execution | None, Any]:
    """Start every flow of the chain for the item.

    Returns:
        The flows (``None`` for a hook that has nothing to do), ``None`` and the item; where one of
        them did anything but pass the item on, its execution and the request to go on with.
    """
    flows: list[Flow | None] = []
    yielded = item
    failure = None
    try:
        for function in chain.functions:
            flow = function(item)
            if flow is None:
                flows.append(None)
                continue
            yielded = flow.send(None)
            flows.append(flow)
            if yielded is not item:
                break
        else:
            return flows, None, item
    except Exception as error:
        failure = error
    except BaseException as error:
        interrupt(chain, item, flows, error)
        raise
    try:
        return flows, *not_passed_on(chain, item, flows, yielded, failure)
    finally:
        del failure


def not_passed_on(
    chain: Chain, item: Any, flows: list[Flow | None], yielded: Any, failure: Exception | None
) -> tuple[Execution, Any]:
    """The execution and its request, after a flow of ``descend`` did not pass the item on.

    That is the last of the flows, which yielded something else, or the one behind them, which
    ended.
    """
    execution = Execution.of_started(chain, item, flows)
    try:
        if failure is not None:
            return execution, execution.start_behind(failure, chain, item, len(flows))
        return execution, execution.divert(yielded)
    finally:
        del failure


def interrupt(chain: Chain, item: Any, flows: list[Flow | None], error: BaseException) -> None:
    """Raise an interrupt in each of the flows that has not ended, innermost first."""
    Execution.of_started(chain, item, flows).interrupt(error)


def not_sent(
    chain: Chain, item: Any, flows: list[Flow | None], error: BaseException
) -> tuple[Execution, Any]:
    """The execution and its request, after the send behind ``descend`` failed.

    Raises:
        BaseException: the error itself where it is an interrupt, or what the flows made of it.
    """
    execution = Execution.of_started(chain, item, flows)
    try:
        if isinstance(error, Exception):
            return execution, execution.throw(error)
        execution.interrupt(error)
        raise error
    finally:
        del error


def ascend(
    chain: Chain, item: Any, flows: list[Flow | None], reply: Any
) -> tuple[Execution | None, Any]:
    """Resume the flows of the chain, which all passed the item on, with its reply.

    Returns:
        ``None`` and the reply; where one of them did anything but return what it was given, its
        execution and the request to go on with.
    """
    for flow in reversed(flows):
        if flow is None:
            continue
        yielded: Any = ENDED
        failure = None
        result = None
        try:
            yielded = flow.send(reply)
        except StopIteration as stop:
            result = stop.value
            if result is reply:
                continue
        except Exception as error:
            failure = error
        except BaseException as error:
            interrupt(chain, item, flows, error)
            raise
        try:
            return not_given_back(chain, item, flows, flow, reply, yielded, result, failure)
        finally:
            del failure, result
    return None, reply


def not_given_back(
    chain: Chain,
    item: Any,
    flows: list[Flow | None],
    flow: Flow,
    reply: Any,
    yielded: Any,
    result: Any,
    failure: Exception | None,
) -> tuple[Execution, Any]:
    """The execution and its request, after a flow of ``ascend`` did not give the reply back.

    It yielded again, returned another result, or raised a failure.
    """
    index = flows.index(flow)
    if yielded is not ENDED:
        execution = Execution.of_started(chain, item, flows[: index + 1])
        return execution, execution.yielded_again(yielded, reply)
    execution = Execution.of_started(chain, item, flows[:index])
    hook = chain.hooks[index]
    try:
        if failure is not None:
            return execution, execution.raised(hook, item, failure, reply)
        return execution, execution.returned(hook, item, result, reply)
    finally:
        del failure, result
