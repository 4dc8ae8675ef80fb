"""Commands on keys of several slots, through clients of a cluster."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import (
    ClusterCrossSlotError,
    ConnectionError,
    DataError,
    OutOfMemoryError,
    RedisClusterException,
)
from tests.plugins.slot_routing.clients import OPTIONS, either, run, run_pipeline
from tests.plugins.slot_routing.routed import key_at, routed

from redis_middleware import Command, Flow, hookimpl, wrap
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, cluster
from redis_middleware.notes import NODES
from redis_middleware_plugins.slot_routing import SlotRouting
from redis_middleware_plugins.slot_routing.outcomes import partly_done
from redis_middleware_plugins.slot_routing.refusing import CrossSlotError, CrossSlotTransaction

_KEYS: list[Any] = [f"key:{number}" for number in range(60)]
_OF_EVERY_TYPE: list[Any] = [
    "text",
    "\N{EURO SIGN}",
    b"bytes",
    b"\xff{tag}",
    "{tag}1",
    "{}",
    "",
    7,
    1.5,
    memoryview(b"view"),
    bytearray(b"array"),
]

COMMANDS: list[tuple[Any, ...]] = [
    ("MSET", *[element for key in _KEYS for element in (key, f"value of {key}")]),
    ("MGET", *_KEYS),
    ("MGET", *_KEYS[:5], "missing", *_KEYS[:5], _KEYS[0]),
    ("MGET", _KEYS[0]),
    ("mget", "key:1", "{key:1}", "key:2"),
    ("MSET", "a", 1, "b", 2, "a", 3, "c", 4, "b", 5),
    ("MGET", "a", "b", "c"),
    ("MSET", *[element for key in _OF_EVERY_TYPE for element in (key, 1)]),
    ("MGET", *_OF_EVERY_TYPE),
    ("EXISTS", *_KEYS, "missing", *_KEYS),
    ("TOUCH", *_KEYS, "missing", _KEYS[0]),
    ("HSET", "hash", "f", 1),
    ("MGET", "hash", "key:1", "key:2"),
    ("DEL", *_KEYS[:20], "missing", _KEYS[0]),
    ("UNLINK", *_KEYS[10:40]),
    ("EXISTS", *_KEYS),
    ("MGET",),
    ("MSET", "a", 1, "a"),
    ("MGET", None, "a"),
    ("MGET", "\ud800", "a"),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_like_a_single_server(
    clean_cluster: Cluster, clean_standalone: Server, is_async: bool, options: dict[str, Any]
) -> None:
    """Replies and errors are those of a single server, in order and of the same types."""
    async with (
        either(clean_standalone, is_async=is_async, **options) as single,
        either(clean_cluster, is_async=is_async, **options) as several,
    ):
        for command in COMMANDS:
            _check_same(await run(several, *command), await run(single, *command), command)


@pytest.mark.parametrize("is_async", [False, True])
async def test_like_a_single_server_in_pipelines(
    clean_cluster: Cluster, clean_standalone: Server, is_async: bool
) -> None:
    """In a pipeline, between other commands, replies come in order as well."""
    commands = [
        part
        for index, command in enumerate(COMMANDS)
        if None not in command and "\ud800" not in command
        for part in (command, ("SET", f"between:{index}", index), ("GET", f"between:{index}"))
    ]
    async with (
        either(clean_standalone, is_async=is_async) as single,
        either(clean_cluster, is_async=is_async) as several,
    ):
        expected = await run_pipeline(single, *commands)
        found = await run_pipeline(several, *commands)
    for command, reply, other in zip(commands, found, expected, strict=True):
        _check_same(reply, other, command)


def _check_same(reply: Any, expected: Any, command: tuple[Any, ...]) -> None:
    if isinstance(expected, Exception):
        assert (type(reply), str(reply)) == (type(expected), str(expected)), command
    else:
        assert (type(reply), reply) == (type(expected), expected), command


def test_methods(clean_cluster: Cluster) -> None:
    """redis-py's methods for these commands work as on a single server."""
    with routed(clean_cluster) as client:
        assert client.mset({"a": 1, "b": 2, "c": 3}) is True
        assert client.mget("a", "b", "missing") == [b"1", b"2", None]
        assert client.mget(["a", "b", "c"]) == [b"1", b"2", b"3"]
        assert client.exists("a", "b", "b", "missing") == 3
        assert client.touch("a", "b", "missing") == 2
        assert client.delete("a", "missing", "b") == 2
        assert client.unlink("a", "c") == 1


@pytest.mark.parametrize(
    ("split", "refused"),
    [
        ("refuse", {"MGET", "EXISTS", "TOUCH", "MSET", "DEL", "UNLINK"}),
        ("reads", {"MSET", "DEL", "UNLINK"}),
    ],
)
@pytest.mark.parametrize("in_pipeline", [False, True])
async def test_splitting_can_be_refused(
    clean_cluster: Cluster, split: str, refused: set[str], in_pipeline: bool
) -> None:
    """What the setting does not let be split is refused before anything is sent."""
    with routed(clean_cluster, table={"split": split}) as client:
        for command in (
            *[(name, "a", "b") for name in ("MGET", "EXISTS", "TOUCH", "DEL", "UNLINK")],
            ("MSET", "a", 1, "b", 2),
        ):
            if command[0] not in refused:
                assert not isinstance(await run(client, *command), Exception)
                continue
            match = f'{command[0]}.*split = "{split}"'
            if in_pipeline:
                with pytest.raises(CrossSlotError, match=match):
                    await run_pipeline(client, ("SET", "a", 1), command)
            else:
                with pytest.raises(CrossSlotError, match=match):
                    client.execute_command(*command)
            assert client.get("a") is None
        assert client.mset({"{t}a": 1, "{t}b": 2})
        assert client.mget("{t}a", "{t}b") == [b"1", b"2"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_cannot_be_split_is_refused(clean_cluster: Cluster, is_async: bool) -> None:
    """Nothing is sent; the error names the keys and their slots, and is redis-py's own too."""
    refused: list[tuple[Any, ...]] = [
        ("MSETNX", "a", 1, "b", 2),
        ("RENAME", "a", "b"),
        ("RENAMENX", "a", "b"),
        ("COPY", "a", "b"),
        ("SMOVE", "a", "b", "m"),
        ("SINTERSTORE", "d", "a", "b"),
        ("SUNION", "a", "b"),
        ("ZUNIONSTORE", "d", 2, "a", "b"),
        ("PFMERGE", "a", "b"),
        ("PFCOUNT", "a", "b"),
        ("BITOP", "AND", "d", "a", "b"),
        ("LMOVE", "a", "b", "LEFT", "LEFT"),
        ("BLPOP", "a", "b", 0),
        ("XREAD", "STREAMS", "a", "b", 0, 0),
        ("EVAL", "return 1", 2, "a", "b"),
        ("SORT", "a", "STORE", "b"),
    ]
    async with either(clean_cluster, is_async=is_async) as client:
        assert await run(client, "SET", "a", 1) is True
        for command in refused:
            error = await run(client, *command)
            assert isinstance(error, CrossSlotError), command
            assert isinstance(error, ClusterCrossSlotError | RedisClusterException)
            for part in (command[0], "b'a' in slot 15495", "b'b' in slot 3300", "{user:7}:name"):
                assert part in str(error)
        assert await run(client, "GET", "a") == (b"1")
        assert await run(client, "DBSIZE") == 1


@contextmanager
def _without_memory(server: Server) -> Iterator[None]:
    server.command("CONFIG SET", "maxmemory", 1)
    try:
        yield
    finally:
        server.command("CONFIG SET", "maxmemory", 0)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_write_that_is_done_in_part(clean_cluster: Cluster, is_async: bool) -> None:
    """The error of the node that refuses is raised, and tells which keys are set all the same."""
    full, *others = clean_cluster.primaries
    there = [key_at(clean_cluster, server) for server in others]
    lost = key_at(clean_cluster, full)
    async with either(clean_cluster, is_async=is_async) as client:
        with _without_memory(full):
            error = await run(client, "MSET", there[0], 1, lost, 1, there[1], 1)
            assert isinstance(error, OutOfMemoryError)
            assert f"done for {there[0].encode()!r}, {there[1].encode()!r}" in str(error)
            assert f"not for {lost.encode()!r}" in str(error)
            outcome = partly_done(error)
            assert outcome is not None
            assert (outcome.refused, outcome.unknown) == ((repr(lost.encode()),), ())
            replies = await run_pipeline(
                client, ("SET", there[0], 2), ("MSET", there[1], 2, lost, 2), ("GET", there[1])
            )
            assert replies[0] is True
            assert isinstance(replies[1], OutOfMemoryError)
            assert replies[2] == b"2"
        assert await run(client, "MGET", *there, lost) == [b"2", b"2", None]


@pytest.mark.parametrize("is_async", [False, True])
async def test_transactions_are_not_split(clean_cluster: Cluster, is_async: bool) -> None:
    """They are for one slot: keys of several, and what is for all keys, are refused."""
    async with either(clean_cluster, is_async=is_async) as client:
        await run(client, "SET", key_at(clean_cluster, clean_cluster.primaries[2]), 1)

        async def transaction(*commands: tuple[Any, ...]) -> Any:
            pipe = client.pipeline()
            for command in commands:
                pipe.execute_command(*command)
            replies = pipe.execute()
            return await replies if inspect.isawaitable(replies) else replies

        with pytest.raises(CrossSlotTransaction, match="b'a' in slot 15495, b'b' in slot 3300"):
            await transaction(("MSET", "a", 1, "b", 2))
        for command in (("DBSIZE",), ("SCAN", 0)):
            with pytest.raises(CrossSlotTransaction, match=f"{command[0]} is refused"):
                await transaction(("MSET", "{b}1", 1, "{b}2", 2), command)
        assert await transaction(("MSET", "{b}1", 1, "{b}2", 2), ("PING",)) == [True, True]


class _Watch:
    """What another plugin sees of the parts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[tuple[Any, ...]] = []
        self.nodes: list[int | None] = []

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        self.seen.append(command.args)
        reply = yield command
        self.nodes.append(command.notes.get(NODES))
        return reply


def test_plugins_inside_see_parts_and_those_outside_the_whole(clean_cluster: Cluster) -> None:
    """One before slot_routing in the list sees the command, and over how many nodes it went."""
    outside, inside = _Watch("outside"), _Watch("inside")
    server = clean_cluster.nodes[0]
    bare = redis.Redis(host=server.host, port=server.port)
    with wrap(bare, {}, plugins=[outside, SlotRouting, inside]) as client:
        client.mget("a", "{a}1", "b")
    assert outside.seen == [("MGET", "a", "{a}1", "b")]
    assert outside.nodes == [2]
    assert inside.seen[-2:] == [("MGET", "a", "{a}1"), ("MGET", "b")]


@pytest.mark.parametrize("is_async", [False, True])
async def test_cluster_clients_split_too(clean_cluster: Cluster, is_async: bool) -> None:
    """A RedisCluster, which itself refuses MGET over slots, splits with the plugin around it."""
    make: Any = redis.asyncio.RedisCluster if is_async else redis.RedisCluster
    server = clean_cluster.nodes[0]
    client = wrap(make(host=server.host, port=server.port), {}, plugins=[SlotRouting])

    async def call(name: str, *args: Any) -> Any:
        reply = getattr(client, name)(*args)
        return await reply if inspect.isawaitable(reply) else reply

    try:
        keys = [f"key:{number}" for number in range(20)]
        assert await call("mset", dict.fromkeys(keys, 1)) is True
        assert await call("mget", [*keys, "missing"]) == [b"1"] * 20 + [None]
        assert await call("exists", *keys) == 20
        assert await call("mget", "key:1", "key:1") == [b"1", b"1"]
        assert await call("delete", *keys[:5]) == 5
        assert await call("execute_command", "DEL", *keys) == 15
        with pytest.raises(RedisClusterException):
            await call("rename", "a", "b")
    finally:
        await (client.aclose() if is_async else call("close"))


def test_cluster_clients_can_refuse(clean_cluster: Cluster) -> None:
    """The setting goes for RedisCluster as well."""
    server = clean_cluster.nodes[0]
    bare = redis.RedisCluster(host=server.host, port=server.port)
    table = {"slot_routing": {"split": "refuse"}}
    with wrap(bare, table, plugins=[SlotRouting]) as client, pytest.raises(CrossSlotError):
        client.mget("a", "b")


@pytest.mark.parametrize("is_async", [False, True])
async def test_while_a_slot_moves(clean_cluster: Cluster, is_async: bool) -> None:
    """Parts are redirected one by one, with ASK and MOVED, and the reply is whole."""
    source, target, _ = clean_cluster.primaries
    moving = key_at(clean_cluster, source)
    keys = [moving, key_at(clean_cluster, target), *_KEYS]
    migration = clean_cluster.migration(key_slot(moving.encode()), target)
    async with either(clean_cluster, is_async=is_async) as client:
        await run(client, "MSET", *[element for key in keys for element in (key, key)])
        values = [key.encode() for key in keys]
        migration.start()
        try:
            migration.move_keys()
            assert await run(client, "MGET", *keys) == values
        finally:
            migration.finish()
        try:
            assert await run(client, "MGET", *keys) == values
            assert await run(client, "UNLINK", *keys) == len(set(keys))
        finally:
            clean_cluster.migrate([migration.slot], source)


def test_arguments_that_redis_py_refuses(clean_cluster: Cluster) -> None:
    """The error is redis-py's own, and nothing was sent."""
    refused: list[tuple[Any, ...]] = [
        ("MSET", "a", 1, "b", None),
        ("MSET", "a", 1, None, 2),
        ("MSET", "a", 1, "b", "\ud800"),
        ("MSET", "a", 1, "\ud800", 2),
        ("DEL", "a", None),
    ]
    with routed(clean_cluster) as client:
        client.set("there", 1)
        for command in refused:
            with pytest.raises((DataError, UnicodeEncodeError)):
                client.execute_command(*command)
        assert client.dbsize() == 1
        assert client.mget([]) == []


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("refused", [("GET", None), ("SET", "there", None)])
def test_a_pipeline_with_an_argument_that_redis_py_refuses(
    clean_cluster: Cluster, refused: tuple[Any, ...], raises: bool
) -> None:
    """Nothing of it is sent to any node, wherever the argument is, as on a single server."""
    with routed(clean_cluster) as client, clean_cluster.nodes[0].connect() as single:
        for server in clean_cluster.primaries:
            key = key_at(clean_cluster, server)
            others = {key_at(clean_cluster, each, "other") for each in clean_cluster.primaries}
            for others_too in (others, ()):
                pipe = client.pipeline(transaction=False)
                for other in others_too:
                    pipe.set(other, 1)
                pipe.set(key, 1)
                pipe.execute_command(*[key if arg == "there" else arg for arg in refused])
                with pytest.raises(DataError) as error:
                    pipe.execute(raise_on_error=raises)
                with pytest.raises(DataError) as expected:
                    single.execute_command(*refused)
                assert str(error.value) == str(expected.value)
        assert client.dbsize() == 0


async def test_a_write_to_a_node_that_is_gone() -> None:
    """Keys of a node that cannot be reached are told apart from those that may have been set."""
    options: dict[str, Any] = {"table": {"deadline": 0.3}, "socket_timeout": 2}
    with cluster(primaries=3, replicas=0) as servers:
        keys = [key_at(servers, server) for server in servers.primaries]
        lost = repr(keys[1].encode())
        async with (
            either(servers, is_async=False, **options) as sync_client,
            either(servers, is_async=True, **options) as async_client,
        ):
            clients = (sync_client, async_client)
            for client in clients:
                assert await _set(client, keys, 1) is True
            servers.primaries[1].kill()
            for client in clients:
                # The first try finds that its connection is of no use: perhaps it was sent.
                outcome = partly_done(await _set(client, keys, 2))
                assert outcome is not None
                assert outcome.done == (repr(keys[0].encode()), repr(keys[2].encode()))
                assert {*outcome.unknown, *outcome.refused} == {lost}
                error = await _set(client, keys, 3)
                assert isinstance(error, ConnectionError)
                outcome = partly_done(error)
                assert outcome is not None
                assert (outcome.refused, outcome.unknown) == ((lost,), ())
                assert await run(client, "MGET", keys[0], keys[2]) == [b"3", b"3"]


async def _set(client: Any, keys: list[str], value: int) -> Any:
    return await run(client, "MSET", *[part for key in keys for part in (key, value)])
