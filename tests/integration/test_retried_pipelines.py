"""Pipelines that redis-py sends again because of a command's error: wrapped ones as often as bare.

redis-py raises a pipeline's first error within its retries. The flows of a wrapped pipeline's
commands get a reply each, and the pipeline is tried again all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.integration.pass_through import PassThrough, three

from redis_middleware import wrap
from redis_middleware.embedded import Cluster, Server, cluster

_RETRIES = 2


def _attempts(server: Server, command: str) -> int:
    statistics = server.command("INFO", "commandstats").get(f"cmdstat_{command}", {})
    return int(statistics.get("failed_calls", 0)) + int(statistics.get("rejected_calls", 0))


async def _executed(pipe: Any, server: Server, *, raise_on_error: bool) -> tuple[Any, ...]:
    """What comes of a pipeline of LLEN and GET, how often it was sent, and what is left of it."""
    server.command("CONFIG RESETSTAT")
    try:
        replies = pipe.execute(raise_on_error=raise_on_error)
        outcome = "replies", repr(replies if isinstance(replies, list) else await replies)
    except Exception as error:
        outcome = type(error).__name__, str(error)
    return *outcome, max(_attempts(server, "llen"), _attempts(server, "get")), len(pipe)


def _client(server: Server, *, is_async: bool) -> Any:
    if is_async:
        return redis.asyncio.Redis.from_url(
            server.url,
            retry=AsyncRetry(NoBackoff(), _RETRIES),
            retry_on_error=[redis.ResponseError],
        )
    return redis.Redis.from_url(
        server.url, retry=Retry(NoBackoff(), _RETRIES), retry_on_error=[redis.ResponseError]
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
@pytest.mark.parametrize("raise_on_error", [False, True], ids=["returned", "raised"])
async def test_error_to_retry_on(
    clean_standalone: Server, is_async: bool, transaction: bool, raise_on_error: bool
) -> None:
    """``retry_on_error`` holds for pipelines: sent again as often, with the same error at the end.

    Each flow of the last attempt gets its own reply, read as redis-py reads it.
    """
    server = clean_standalone
    server.command("SET", "text", "value")
    bare = _client(server, is_async=is_async)
    plugins = three()
    wrapped = wrap(_client(server, is_async=is_async), {}, plugins=plugins)
    outcomes = []
    for client in (bare, wrapped):
        pipe = client.pipeline(transaction=transaction)
        pipe.get("text").llen("text").get("text")
        outcomes.append(await _executed(pipe, server, raise_on_error=raise_on_error))
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][2] == (_RETRIES + 1 if raise_on_error else 1)
    assert [plugin.names for plugin in plugins] == [["GET", "LLEN", "GET"]] * 3
    assert [plugin.failures for plugin in plugins] == [[redis.ResponseError]] * 3
    for client in (bare, wrapped):
        await client.aclose() if is_async else client.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_error_is_gone_when_sent_again(clean_standalone: Server, is_async: bool) -> None:
    """What fails at first and not when sent again gives the replies of the attempt that held."""
    server = clean_standalone
    plugin = PassThrough()
    client = wrap(_client(server, is_async=is_async), {}, plugins=[plugin])
    script = (
        "if redis.call('INCR', KEYS[1]) == 1 then return redis.error_reply('first') end "
        "return 'second'"
    )
    pipe = client.pipeline(transaction=False)
    pipe.eval(script, 1, "count")
    pipe.ttl("count")
    replies = await pipe.execute() if is_async else pipe.execute()
    assert replies == [b"second", -1]
    assert plugin.failures == []
    await client.aclose() if is_async else client.close()


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[Cluster]:
    """Run a cluster that the tests take slots from."""
    with cluster(
        primaries=2, replicas=0, config={"cluster-require-full-coverage": "no"}
    ) as servers:
        yield servers


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("raise_on_error", [False, True], ids=["returned", "raised"])
async def test_cluster_is_down_for_a_key(
    small_cluster: Cluster, is_async: bool, raise_on_error: bool
) -> None:
    """A cluster pipeline whose first error is that a slot is not served is tried again as often."""
    server = small_cluster.primaries[0]
    slot = server.command("CLUSTER KEYSLOT", "b")
    kind = redis.asyncio.RedisCluster if is_async else redis.RedisCluster
    retry = (AsyncRetry if is_async else Retry)(NoBackoff(), _RETRIES)
    outcomes = []
    for plugins in (None, three()):
        client: Any = kind.from_url(small_cluster.url, require_full_coverage=False, retry=retry)
        if plugins is not None:
            client = wrap(client, {}, plugins=plugins)
        if is_async:
            await client.initialize()
        for node in small_cluster.nodes:
            node.command("CLUSTER DELSLOTS", slot)
        try:
            pipe = client.pipeline()
            pipe.get("b").get("a")
            outcomes.append(await _executed(pipe, server, raise_on_error=raise_on_error))
        finally:
            server.command("CLUSTER ADDSLOTS", slot)
            small_cluster.wait_until_ok()
        await client.aclose() if is_async else client.close()
    assert outcomes[0] == outcomes[1]
