"""Pipelines are packed and read together; whoever looks closely sees redis-py's own way."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from tests.integration import awaiting
from tests.integration.contract import Run, call, contract
from tests.integration.kinds import WRITING
from tests.integration.test_pipelines import queue

from redis_middleware import wrap
from redis_middleware.embedded import Server

PLAIN = [kind for kind in WRITING if not (kind.is_cluster or kind.is_variant)]


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("module", [redis, redis.asyncio])
async def test_callbacks_that_fail(
    clean_standalone: Server, module: Any, transaction: bool
) -> None:
    """What a callback raises leaves the pipeline, and no later command gets another's reply.

    With a bare client one does: redis-py leaves what it did not read in the connection's buffer.
    """

    def fail(reply: Any, **options: Any) -> Any:
        raise LookupError(f"{reply!r} is refused")

    async with awaiting.entered(wrap(module.Redis(port=clean_standalone.port), {})) as client:
        await awaiting.settle(client.mset({"a": 1, "b": 2, "c": 3}))
        for raise_on_error in (True, False):
            client.set_response_callback("GET", fail)
            pipe = client.pipeline(transaction=transaction)
            pipe.exists("a").get("b").get("c").incr("c")
            with pytest.raises(LookupError, match="b'2' is refused"):
                await awaiting.settle(pipe.execute(raise_on_error))
            client.response_callbacks.pop("GET")
            assert [await awaiting.settle(client.get(key)) for key in ("a", "b")] == [b"1", b"2"]
        assert await awaiting.settle(client.get("c")) == b"5"


@contract(PLAIN)
async def test_options_of_reading(run: Run) -> None:
    """Replies that are not to be decoded, and what stands for one that is an error."""
    await run.record(run.client.set, "a", "ä")
    for transaction in (False, True):
        pipe = run.client.pipeline(transaction=transaction)
        pipe.execute_command("GET", "a", **{NEVER_DECODE: True})
        pipe.execute_command("GET", "a", keys=["a"])
        await run.record(pipe.execute)
        pipe.execute_command("LPUSH", "a", "x", **{EMPTY_RESPONSE: []})
        pipe.execute_command("GET", "a", **{EMPTY_RESPONSE: "nothing"})
        await run.record(pipe.execute, raise_on_error=False)


@contract(PLAIN)
async def test_names_of_all_sorts(run: Run) -> None:
    """Names as bytes, in lower case and of two words."""
    for transaction in (False, True):
        for name in (b"SET", "set", "Set"):
            pipe = run.client.pipeline(transaction=transaction)
            pipe.execute_command(name, "a", "1")
            pipe.execute_command("OBJECT ENCODING", "a")
            await run.record(pipe.execute)


@contract(PLAIN)
async def test_many_reads(run: Run) -> None:
    """Replies that come in many parts, nested ones among them."""
    for transaction in (False, True):
        pipe = run.client.pipeline(transaction=transaction)
        for number in range(20):
            pipe.set("a", str(number) * 50_000)
            pipe.rpush("list", *range(100))
            pipe.get("a")
            pipe.lrange("list", 0, -1)
            pipe.lpush("a", "x")
        replies = await awaiting.settle(pipe.execute(raise_on_error=False))
        for number in range(20):
            _, length, value, elements, error = replies[5 * number : 5 * number + 5]
            assert len(value) == len(str(number)) * 50_000
            assert length == len(elements)
            assert isinstance(error, redis.ResponseError)


@contract(PLAIN)
async def test_end_of_watching(run: Run) -> None:
    """A pipeline stops watching with its transaction, also with one that is refused."""
    for queued in (call("set", "b", 1), call("execute_command", "GET", "b", "c")):
        pipe = run.client.pipeline()
        await run.record(pipe.watch, "a")
        run.note(pipe.watching)
        pipe.multi()
        queue(pipe, queued)
        await run.record(pipe.execute)
        run.note(pipe.watching)


class _OwnPipeline(redis.client.Pipeline):
    """An application's pipeline, which parses itself."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Note which command a reply is of."""
        return command_name, super().parse_response(connection, command_name, **options)


class _OwnClient(redis.Redis):
    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> Any:
        """A pipeline of one's own."""
        return _OwnPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _OwnConnection(redis.connection.Connection):
    """An application's connection, which counts."""

    reads = 0

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Count the replies that are read."""
        type(self).reads += 1
        return super().read_response(*args, **kwargs)


class _OwnAsyncConnection(redis.asyncio.Connection):
    """The same for redis.asyncio."""

    reads = 0

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Count the replies that are read."""
        type(self).reads += 1
        return await super().read_response(*args, **kwargs)


def test_pipelines_of_an_application(clean_standalone: Server) -> None:
    """A pipeline that parses replies itself goes on doing so."""
    with wrap(_OwnClient(port=clean_standalone.port), {}) as client:
        pipe = client.pipeline(transaction=False)
        queue(pipe, call("set", "a", 1), call("get", "a"))
        assert pipe.execute() == [("SET", True), ("GET", b"1")]


@pytest.mark.parametrize("transaction", [False, True])
def test_connections_of_an_application(clean_standalone: Server, transaction: bool) -> None:
    """A connection of the application's is asked for each reply."""
    pool = redis.ConnectionPool(_OwnConnection, port=clean_standalone.port)
    with wrap(redis.Redis(connection_pool=pool), {}) as client:
        client.ping()
        before = _OwnConnection.reads
        pipe = client.pipeline(transaction=transaction)
        queue(pipe, call("set", "a", 1), call("get", "a"))
        pipe.execute()
        assert _OwnConnection.reads - before == (4 if transaction else 2)


@pytest.mark.parametrize("transaction", [False, True])
async def test_async_connections_of_an_application(
    clean_standalone: Server, transaction: bool
) -> None:
    """The same for redis.asyncio."""
    pool = redis.asyncio.ConnectionPool(_OwnAsyncConnection, port=clean_standalone.port)
    async with wrap(redis.asyncio.Redis(connection_pool=pool), {}) as client:
        await client.ping()
        before = _OwnAsyncConnection.reads
        pipe = client.pipeline(transaction=transaction)
        queue(pipe, call("set", "a", 1), call("get", "a"))
        await pipe.execute()
        assert _OwnAsyncConnection.reads - before == (4 if transaction else 2)
    await pool.disconnect()


def test_methods_that_somebody_replaced(
    clean_standalone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where instrumentation replaced redis-py's method, it is called."""
    parsed: list[Any] = []
    parse = redis.Redis.parse_response

    def noting(self: Any, connection: Any, command_name: Any, **options: Any) -> Any:
        parsed.append(command_name)
        return parse(self, connection, command_name, **options)

    with wrap(redis.Redis(port=clean_standalone.port), {}) as client:
        client.ping()
        monkeypatch.setattr(redis.Redis, "parse_response", noting)
        pipe = client.pipeline(transaction=False)
        queue(pipe, call("set", "a", 1), call("get", "a"))
        pipe.execute()
    assert parsed == ["SET", "GET"]


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("module", [redis, redis.asyncio])
async def test_pushes_among_replies(
    clean_standalone: Server, module: Any, transaction: bool
) -> None:
    """What the server sends of its own accord, between two replies, is none of them.

    The connection's own writes make the server report that it does not know the keys any more.
    """
    client = wrap(
        module.Redis(port=clean_standalone.port, protocol=3, single_connection_client=True), {}
    )
    async with awaiting.entered(client):
        await awaiting.settle(client.execute_command("CLIENT", "TRACKING", "ON", "BCAST"))
        for _ in range(3):
            pipe = client.pipeline(transaction=transaction)
            for number in range(20):
                queue(pipe, call("set", f"k{number}", number), call("get", f"k{number}"))
            replies = await awaiting.settle(pipe.execute())
            assert replies[::2] == [True] * 20
            assert replies[1::2] == [str(number).encode() for number in range(20)]
        assert await awaiting.settle(client.get("k7")) == b"7"


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("module", [redis, redis.asyncio])
async def test_errors_of_a_connection_within_replies(
    clean_standalone: Server, module: Any, transaction: bool
) -> None:
    """A list that begins with one is that error, as a script may give it; the client goes on."""
    retry: Any = redis.asyncio.retry if module is redis.asyncio else redis.retry

    async def outcomes(wraps: Any) -> list[Any]:
        found = []
        options = {"port": clean_standalone.port, "retry": retry.Retry(NoBackoff(), 0)}
        async with awaiting.entered(wraps(module.Redis(**options))) as client:
            for script in ("return {{err='NOAUTH q'}, 1}", "return {err='NOAUTH q'}"):
                pipe = client.pipeline(transaction=transaction)
                queue(pipe, call("set", "n", 1), call("eval", script, 0), call("get", "n"))
                try:
                    found.append(str(await awaiting.settle(pipe.execute())))
                except redis.RedisError as error:
                    found.append(repr(error))
                found.append(await awaiting.settle(client.get("n")))
        return found

    bare = await outcomes(lambda client: client)
    assert await outcomes(lambda client: wrap(client, {})) == bare
