"""A plain client with slot_routing does what a ``RedisCluster`` does, command by command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import DataError, NoScriptError, ResponseError
from tests.plugins.slot_routing.routed import key_at, routed, routed_async

from redis_middleware import middleware_of
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server

_TAG = "{t}"

Step = Callable[[Any], Any]

SINGLE: dict[str, list[Step]] = {
    "strings": [
        lambda c: c.set("s", "value"),
        lambda c: c.get("s"),
        lambda c: c.get("missing"),
        lambda c: c.append("s", "!"),
        lambda c: c.strlen("s"),
        lambda c: c.incr("n", 5),
        lambda c: c.set("s", "x", nx=True),
        lambda c: c.getset("s", "y"),
        lambda c: c.type("s"),
        lambda c: c.expire("s", 100),
        lambda c: c.ttl("missing"),
    ],
    "keys of every type": [
        lambda c: c.set(b"bytes\xff", 1),
        lambda c: c.set("text \N{EURO SIGN}", 2),
        lambda c: c.set(3, 3),
        lambda c: c.set(4.5, 4),
        lambda c: c.set(memoryview(b"{tag}view"), 5),
        lambda c: c.set(bytearray(b"{tag}array"), 6),
        lambda c: c.get(b"bytes\xff"),
        lambda c: c.get("text \N{EURO SIGN}"),
        lambda c: c.get(3),
        lambda c: c.get("3"),
        lambda c: c.get(4.5),
        lambda c: c.get(memoryview(b"{tag}view")),
        lambda c: c.get("{tag}array"),
        lambda c: c.get(""),
    ],
    "hash tags": [
        lambda c: c.set("{}empty", 1),
        lambda c: c.set("{unclosed", 2),
        lambda c: c.set("a{}{b}", 3),
        lambda c: c.set("}{x}", 4),
        lambda c: c.get("{}empty"),
        lambda c: c.get("{unclosed"),
        lambda c: c.get("a{}{b}"),
        lambda c: c.get("}{x}"),
    ],
    "other types": [
        lambda c: c.hset("h", mapping={"a": 1}),
        lambda c: c.hgetall("h"),
        lambda c: c.rpush("l", 1, 2, 3),
        lambda c: c.lrange("l", 0, -1),
        lambda c: c.sadd("set", 1),
        lambda c: c.smembers("set"),
        lambda c: c.zadd("z", {"a": 1.5}),
        lambda c: c.zrange("z", 0, -1, withscores=True),
        lambda c: c.xadd("x", {"f": "v"}, id="1-1"),
        lambda c: c.xread({"x": "0"}),
        lambda c: c.xlen("x"),
        lambda c: c.object("encoding", "l"),
    ],
    "several keys of one slot": [
        lambda c: c.mset({f"{_TAG}a": 1, f"{_TAG}b": 2}),
        lambda c: c.mget(f"{_TAG}a", f"{_TAG}b"),
        lambda c: c.rename(f"{_TAG}a", f"{_TAG}c"),
        lambda c: c.copy(f"{_TAG}b", f"{_TAG}d"),
        lambda c: c.sadd(f"{_TAG}s1", 1, 2),
        lambda c: c.sadd(f"{_TAG}s2", 2, 3),
        lambda c: c.sinterstore(f"{_TAG}s3", [f"{_TAG}s1", f"{_TAG}s2"]),
        lambda c: c.zunionstore(f"{_TAG}z", [f"{_TAG}z1", f"{_TAG}z2"]),
        lambda c: c.sort(f"{_TAG}s1", store=f"{_TAG}sorted"),
        lambda c: c.msetnx({f"{_TAG}a": 1, f"{_TAG}b": 2}),
    ],
    "scripts": [
        lambda c: c.eval("return redis.call('incr', KEYS[1])", 1, "script"),
        lambda c: c.eval("return {KEYS[1], ARGV[1]}", 1, "other", "argument"),
        lambda c: c.eval("return 1", 0),
        lambda c: c.register_script("return redis.call('get', KEYS[1])")(keys=["script"]),
        lambda c: c.register_script("return redis.call('get', KEYS[1])")(keys=["other"]),
    ],
    "without keys": [
        lambda c: c.ping(),
        lambda c: c.echo("hello"),
        lambda c: c.publish("channel", "nobody hears it"),
        lambda c: c.dbsize(),
        lambda c: c.keys("*"),
        lambda c: c.script_exists("f" * 40),
    ],
    "blocking": [
        lambda c: c.rpush("queue", "job"),
        lambda c: c.blpop("queue", 1),
        lambda c: c.blpop("queue", 0.05),
        lambda c: c.bzpopmin("no queue", 0.05),
    ],
    "errors": [
        lambda c: c.set("text", "a"),
        lambda c: c.incr("text"),
        lambda c: c.lpush("text", 1),
        lambda c: c.get(None),
        lambda c: c.set("text", object()),
        lambda c: c.evalsha("f" * 40, 1, "k"),
        lambda c: c.execute_command("GET"),
        lambda c: c.execute_command("GET", "a", "b"),
        lambda c: c.execute_command("NOSUCHCOMMAND", "k", keys=["k"]),
    ],
}


_AS_A_SINGLE_SERVER = ("keys of every type", "without keys", "errors")
"""Subjects of which ``RedisCluster`` refuses something that every server can answer."""


def _outcome(step: Step, client: Any) -> Any:
    try:
        return step(client)
    except (DataError, NoScriptError, ResponseError) as error:
        return type(error), str(error)


async def _outcome_async(step: Step, client: Any) -> Any:
    try:
        reply = step(client)
        return await reply if inspect.isawaitable(reply) else reply
    except (DataError, NoScriptError, ResponseError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("options", [{}, {"decode_responses": True, "protocol": 3}], ids=str)
@pytest.mark.parametrize("subject", SINGLE)
def test_replies_are_those_of_a_cluster_client(
    clean_cluster: Cluster, clean_standalone: Server, subject: str, options: dict[str, Any]
) -> None:
    """Every command gets the reply, or the error, that a bare RedisCluster gets.

    Where that refuses to send a command they are those of a bare client of a single server.
    """
    bare: Any
    if subject in _AS_A_SINGLE_SERVER:
        bare = redis.Redis(port=clean_standalone.port, **options)
    else:
        bare = redis.RedisCluster(*clean_cluster.addresses[0], **options)
    with bare:
        expected = [_outcome(step, bare) for step in SINGLE[subject]]
    clean_cluster.flush()
    with routed(clean_cluster, **options) as client:
        assert [_outcome(step, client) for step in SINGLE[subject]] == expected


@pytest.mark.parametrize("subject", SINGLE)
async def test_async_replies_are_those_of_a_cluster_client(
    clean_cluster: Cluster, clean_standalone: Server, subject: str
) -> None:
    """The same for redis.asyncio."""
    bare: Any
    if subject in _AS_A_SINGLE_SERVER:
        bare = redis.asyncio.Redis(port=clean_standalone.port)
    else:
        bare = redis.asyncio.RedisCluster(*clean_cluster.addresses[0])
    async with bare:
        expected = [await _outcome_async(step, bare) for step in SINGLE[subject]]
    clean_cluster.flush()
    async with routed_async(clean_cluster) as client:
        assert [await _outcome_async(step, client) for step in SINGLE[subject]] == expected


@pytest.mark.parametrize("node", range(6))
def test_it_may_point_at_any_node(clean_cluster: Cluster, node: int) -> None:
    """A client that points at any primary or replica reaches every key."""
    with routed(clean_cluster.nodes[node]) as client:
        for server in clean_cluster.primaries:
            key = key_at(clean_cluster, server)
            assert client.set(key, "value") is True
            assert client.get(key) == b"value"
        assert client.ping() is True


def test_a_pipeline_over_all_nodes_keeps_its_order(clean_cluster: Cluster) -> None:
    """Replies come in the order of the commands, failures at their places, sync."""
    with routed(clean_cluster) as client:
        pipe = client.pipeline(transaction=False)
        for number in range(100):
            pipe.set(f"key:{number}", number)
        assert pipe.execute() == [True] * 100
        for number in range(100):
            pipe.get(f"key:{number}")
            pipe.incr(f"key:{number}")
        pipe.lpush("key:7", "not a list")
        replies = pipe.execute(raise_on_error=False)
    assert replies[:-1] == [
        reply for number in range(100) for reply in (str(number).encode(), number + 1)
    ]
    assert isinstance(replies[-1], ResponseError)
    assert "WRONGTYPE" in str(replies[-1])


async def test_an_async_pipeline_over_all_nodes_keeps_its_order(clean_cluster: Cluster) -> None:
    """The same for redis.asyncio."""
    async with routed_async(clean_cluster) as client:
        pipe = client.pipeline(transaction=False)
        for number in range(100):
            pipe.set(f"key:{number}", number)
            pipe.get(f"key:{number}")
        replies = await pipe.execute()
    assert replies == [reply for number in range(100) for reply in (True, str(number).encode())]


def test_a_pipeline_raises_its_first_error_as_redis_py_does(clean_cluster: Cluster) -> None:
    """The error of a command says which command of the pipeline it was."""
    with routed(clean_cluster) as client:
        pipe = client.pipeline(transaction=False)
        pipe.set("text", "a").get("other").incr("text")
        with pytest.raises(ResponseError, match=r"Command # 3 \(INCRBY text 1\) of pipeline"):
            pipe.execute()


def test_scripts_in_a_pipeline(clean_cluster: Cluster) -> None:
    """A registered script in a pipeline runs on every node, none of which had it."""
    with routed(clean_cluster) as client:
        script = client.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
        pipe = client.pipeline(transaction=False)
        for number in range(20):
            script(keys=[f"key:{number}"], args=[number], client=pipe)
        assert pipe.execute() == list(range(20))


def test_messages_reach_subscribers_wherever_they_are_published(clean_cluster: Cluster) -> None:
    """A channel is the whole cluster's: one subscribes and publishes anywhere."""
    with (
        routed(clean_cluster.nodes[1]) as client,
        routed(clean_cluster) as other,
        client.pubsub(ignore_subscribe_messages=True) as subscription,
    ):
        subscription.subscribe("news")
        assert subscription.get_message(timeout=1) is None
        other.publish("news", "hello")
        message = subscription.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"hello"


def test_shard_channels_are_published_to_at_their_node(clean_cluster: Cluster) -> None:
    """Wherever the client points, the message goes to the node of the channel's slot."""
    channel = "{t}news"
    node = clean_cluster.primary_of(key_slot(b"t"))
    for pointed_at in clean_cluster.primaries:
        with routed(pointed_at) as client, node.connect() as listener:
            subscription = listener.pubsub(ignore_subscribe_messages=True)
            subscription.ssubscribe(channel)
            assert subscription.get_message(timeout=1) is None
            assert client.spublish(channel, "hello") == 1
            message = subscription.get_message(timeout=5)
            assert message is not None
            assert message["data"] == "hello"
            subscription.close()


def test_a_single_server_is_left_alone(clean_standalone: Any, caplog: Any) -> None:
    """Pointing at a server that is no cluster everything works as before; the log says so once."""
    caplog.set_level("INFO", "redis_middleware")
    with routed(clean_standalone) as client:
        assert client.mset({"a": 1, "b": 2}) is True
        assert client.mget("a", "b") == [b"1", b"2"]
        pipe = client.pipeline()
        assert pipe.set("a", 3).get("b").execute() == [True, b"2"]
        assert sorted(client.scan_iter()) == [b"a", b"b"]
        # From the second command on none of them comes by the plugin at all.
        assert middleware_of(client).chains.of(("GET", "a")) is None
    said = [record for record in caplog.records if "not a cluster" in record.message]
    assert len(said) == 1


async def test_a_single_server_is_left_alone_async(clean_standalone: Any) -> None:
    """The same for redis.asyncio."""
    async with routed_async(clean_standalone) as client:
        assert await client.mset({"a": 1, "b": 2}) is True
        pipe: Any = client.pipeline()
        assert await pipe.set("a", 3).get("b").execute() == [True, b"2"]
