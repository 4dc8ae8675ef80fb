"""The parts of one command, sent together to wherever they belong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

from redis_middleware import Command
from redis_middleware.groups import has_exceptions
from redis_middleware_plugins.slot_routing.deployment import Deployment

__all__ = ["gather"]


def gather(deployment: Deployment, commands: list[Command]) -> Generator[Any, Any, list[Any]]:
    """Send commands together, each to where its slot is; those that fail go on one by one.

    Args:
        deployment: the deployment, which is a cluster.
        commands: each with its slot set.

    Returns:
        Their replies in order, failures among them as exceptions.
    """
    began = deployment.clock()
    endpoints: list[Any]
    if deployment.reading is None:
        by_slot: Any = deployment.table.endpoints
        endpoints = [by_slot[command.slot] for command in commands]
    else:
        endpoints = [deployment.endpoint_of(command) for command in commands]
    for index, command in enumerate(commands):
        if endpoints[index] is None:
            endpoints[index] = yield from deployment.attempts_of(command, began).start()
        command.target = endpoints[index].server
    deployment.wrote(commands)
    replies: list[Any] = yield commands
    seconds = deployment.clock() - began
    for endpoint, count in Counter(endpoints).items():
        endpoint.counts.sent(seconds * count, count)
    if has_exceptions(replies):
        for index, endpoint in enumerate(endpoints):
            if isinstance(replies[index], Exception):
                try:
                    replies[index] = yield from deployment.recover(
                        commands[index], replies[index], endpoint, began
                    )
                except Exception as error:
                    replies[index] = error
    deployment.wrote(commands)
    return replies
