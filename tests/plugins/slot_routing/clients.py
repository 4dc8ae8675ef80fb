"""The same test on a sync and on an async client, and beside a single server."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import redis
import redis.asyncio
from tests.plugins.slot_routing.routed import routed, routed_async

from redis_middleware.embedded import Cluster, Server

__all__ = ["OPTIONS", "either", "run", "run_pipeline"]

OPTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"protocol": 2, "decode_responses": True},
    {"protocol": 3, "decode_responses": True},
)
"""What decides the shapes of replies."""


@asynccontextmanager
async def either(
    servers: Cluster | Server, *, is_async: bool, table: Any = None, **options: Any
) -> AsyncIterator[Any]:
    """A wrapped client of a cluster, or a bare one of a single server, closed at the end."""
    client: Any
    if isinstance(servers, Cluster):
        client = (routed_async if is_async else routed)(servers, table=table, **options)
    else:
        make = redis.asyncio.Redis if is_async else redis.Redis
        client = make(host=servers.host, port=servers.port, **options)
    try:
        yield client
    finally:
        await (client.aclose() if is_async else _closed(client))


async def _closed(client: Any) -> None:
    client.close()


async def run(client: Any, *args: Any, **options: Any) -> Any:
    """The reply of a command, or its failure."""
    try:
        reply = client.execute_command(*args, **options)
        return await reply if inspect.isawaitable(reply) else reply
    except Exception as error:
        return error


async def run_pipeline(client: Any, *commands: tuple[Any, ...]) -> list[Any]:
    """The replies of a pipeline that is no transaction, failures among them."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    replies = pipe.execute(raise_on_error=False)
    result: list[Any] = await replies if inspect.isawaitable(replies) else replies
    return result
