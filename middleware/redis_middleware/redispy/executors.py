"""The ``execute_command`` of wrapped clients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from time import monotonic
from typing import Any

from redis_middleware.command import Command
from redis_middleware.drivers import run_async, run_on
from redis_middleware.flow import NIL, Answer, Flow
from redis_middleware.usual_way import (
    ENDED,
    interrupt,
    not_given_back,
    not_passed_on,
    not_sent,
)

__all__ = ["async_executor", "sync_executor"]


def sync_executor(binding: Any) -> Callable[..., Any]:
    """The ``execute_command`` of a wrapped sync client, where each of its methods ends up.

    This is ``drivers.run`` and ``Binding.send`` in one: a server close by answers in less than
    20 µs, of which each call of a function here would be another half of a percent.
    """
    middleware, view, once = binding.middleware, binding.middleware.client, binding.middleware.once
    reference, is_shadowed, thin = binding.reference, binding.is_shadowed, binding.thin

    def past(client: Any) -> Any:
        if client is None or is_shadowed:
            return functools.partial(binding.call, "execute_command")
        return functools.partial(client.__class__.execute_command, client)

    def execute_command(*args: Any, **options: Any) -> Any:
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.chains.of(args)
        if chain is None:
            client = reference()
            if client is None or is_shadowed or client.__class__.execute_command is not thin:
                return past(client)(*args, **options)
            return client._execute_command(*args, **options)

        command = Command(args, options, chain.spec, view)
        flows: list[Flow | None] = []
        yielded: Any = command
        failure: Exception | None = None
        answered = False
        reply: Any = None
        try:
            for function in chain.functions:
                flow = function(command)
                if flow is None:
                    flows.append(None)
                    continue
                if flow.__class__ is Answer and not chain.hooks[len(flows)].observes:
                    reply = flow.reply
                    answered = True
                    break
                yielded = flow.send(None)
                flows.append(flow)
                if yielded is not command:
                    break
        except StopIteration as stop:
            # An answer that needs no server is to cost no more than it must.
            reply = stop.value
            answered = not (
                reply is None or isinstance(reply, Exception) or chain.hooks[len(flows)].observes
            )
            if not answered:
                failure = stop
            elif reply is NIL:
                reply = None
        except Exception as error:
            failure = error
        except BaseException as error:
            interrupt(chain, command, flows, error)
            raise
        if failure is not None or yielded is not command:
            try:
                unusual = not_passed_on(chain, command, flows, yielded, failure)
            finally:
                # The traceback of an exception holds this frame, which must not hold it in turn.
                failure = reply = None
            return run_on(*unusual, binding, once)
        if not answered:
            client = reference()
            try:
                if command.target is not None:
                    reply = binding.send(command)
                elif client is None or is_shadowed or client.__class__.execute_command is not thin:
                    reply = past(client)(*args, **options)
                else:
                    reply = client._execute_command(*args, **options)
            except BaseException as error:
                return run_on(*not_sent(chain, command, flows, error), binding, once)
        for flow in reversed(flows):
            if flow is None:
                continue
            yielded, result, failure = ENDED, None, None
            try:
                yielded = flow.send(reply)
            except StopIteration as stop:
                result = stop.value
                if result is reply:
                    continue
            except Exception as error:
                failure = error
            except BaseException as error:
                interrupt(chain, command, flows, error)
                raise
            try:
                unusual = not_given_back(
                    chain, command, flows, flow, reply, yielded, result, failure
                )
            finally:
                failure = result = None
            return run_on(*unusual, binding, once)
        return reply

    return execute_command


def async_executor(binding: Any) -> Callable[..., Any]:
    """The ``execute_command`` of a wrapped async client."""
    middleware, view, once = binding.middleware, binding.middleware.client, binding.middleware.once
    reference, is_shadowed = binding.reference, binding.is_shadowed

    def execute_command(*args: Any, **options: Any) -> Any:
        if monotonic() >= middleware.next_check:
            middleware.check_settings()
        chain = middleware.chains[args[0]]
        if chain is not None and chain.by_subcommand:
            chain = middleware.chains.of(args)
        client = reference()
        if chain is not None:
            command = Command(args, options, chain.spec, view)
            return run_async(chain, command, binding, once, client)
        if client is None or is_shadowed:
            return binding.call("execute_command", *args, **options)
        return client.__class__.execute_command(client, *args, **options)

    return execute_command
