"""The innermost flow around a command that knows where it goes: it counts, and calls for help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from redis_middleware import Command, Flow
from redis_middleware.command import Place
from redis_middleware_plugins.slot_routing.reading import Reading
from redis_middleware_plugins.slot_routing.redirecting import FAILURES
from redis_middleware_plugins.slot_routing.table import Endpoint

if TYPE_CHECKING:
    from redis_middleware_plugins.slot_routing.deployment import Deployment

__all__ = ["Guard", "guard_of", "reading_guard_of"]

Guard = Callable[[Command, Endpoint], Flow]
"""A flow function around a command whose target is the endpoint's server."""


def guard_of(deployment: Deployment, clock: Callable[[], float]) -> Guard:
    """The guard of a deployment's commands.

    It is around nearly every command, so that its two readings of the clock are half its cost.
    """

    def guard(command: Command, endpoint: Endpoint) -> Flow:
        began = clock()
        try:
            reply = yield command
        except FAILURES as error:
            endpoint.counts.sent(clock() - began)
            failure = error
        else:
            counts = endpoint.counts
            counts.commands += 1
            counts.seconds += clock() - began
            return reply
        try:
            return (yield from deployment.recover(command, failure, endpoint, began))
        finally:
            # The traceback holds this frame.
            del failure

    return guard


def reading_guard_of(deployment: Deployment, clock: Callable[[], float], reading: Reading) -> Guard:
    """The guard where reads may go to replicas: it tells what was written, and how long reads took.

    What is written is remembered before it is sent, for reads behind it in the same pipeline, and
    once more when its outcome is there.
    """
    inner = guard_of(deployment, clock)
    single = Place.SINGLE

    def guard(command: Command, endpoint: Endpoint) -> Flow:
        if not command.spec.is_read:
            return writing(command, endpoint)
        # In a pipeline it would be the time of the slowest node.
        return alone(command, endpoint) if command.place is single else inner(command, endpoint)

    def writing(command: Command, endpoint: Endpoint) -> Flow:
        reading.wrote(command)
        try:
            return (yield from inner(command, endpoint))
        finally:
            reading.wrote(command)

    def alone(command: Command, endpoint: Endpoint) -> Flow:
        began = clock()
        try:
            return (yield from inner(command, endpoint))
        finally:
            # Of the node that was chosen: one that sends reads elsewhere, or is lost, is slow.
            now = clock()
            endpoint.counts.latency.add(now - began, now)

    return guard
