"""Commands for all nodes, through a plain client of a cluster, beside a single server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import redis
from redis.exceptions import ConnectionError
from tests.plugins.slot_routing.clients import OPTIONS, either, run, run_pipeline
from tests.plugins.slot_routing.routed import routed

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, cluster
from redis_middleware_plugins.slot_routing.outcomes import partly_done

_SHA = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
_LIBRARY = "#!lua name=l\nredis.register_function('f', function() return 1 end)"
_KEYS = {f"key:{number}": "value" for number in range(50)}


def _same(reply: Any) -> Any:
    return reply


def _prefix(reply: Any) -> Any:
    return reply[:4]


def _fields(reply: dict[str, Any]) -> set[str]:
    """What is told of a server of a cluster as of one that is none."""
    apart = ("cmdstat", "errorstat", "listener", "slave")
    return {name for name in reply if not name.startswith(apart)}


def _statistics(reply: dict[Any, Any]) -> set[str]:
    """What is told of memory, but for databases that other tests have used on the single server."""
    names = {name.decode() if isinstance(name, bytes) else name for name in reply}
    return {name for name in names if not name.startswith("db.")}


def _kinds(reply: list[Any]) -> set[Any]:
    return {frozenset(entry) if isinstance(entry, dict) else len(entry) for entry in reply}


# The last element takes from a reply what is the same on one server and on several.
COMMANDS: list[tuple[Callable[[Any], Any], tuple[Any, ...]]] = [
    (_same, ("DBSIZE",)),
    (sorted, ("KEYS", "*")),
    (sorted, ("KEYS", "key:1*")),
    (_prefix, ("RANDOMKEY",)),
    (_same, ("PING",)),
    (_same, ("INFO", "keyspace")),
    (_fields, ("INFO",)),
    (_same, ("CONFIG SET", "slowlog-log-slower-than", 0)),
    (_same, ("CONFIG GET", "slowlog-log-slower-than")),
    (_kinds, ("SLOWLOG GET", 3)),
    (_same, ("CONFIG SET", "slowlog-log-slower-than", 10_000)),
    (_same, ("SLOWLOG RESET",)),
    (_same, ("SLOWLOG GET",)),
    (_same, ("SLOWLOG LEN",)),
    (_same, ("SCRIPT LOAD", "return 1")),
    (_same, ("SCRIPT EXISTS", _SHA, "0" * 40)),
    (_same, ("SCRIPT FLUSH",)),
    (_same, ("SCRIPT EXISTS", _SHA)),
    (_same, ("SCRIPT KILL",)),
    (_same, ("FUNCTION LOAD", _LIBRARY)),
    (_same, ("FUNCTION STATS",)),
    (_same, ("FUNCTION LIST",)),
    (_same, ("FUNCTION LOAD", _LIBRARY)),
    (_same, ("FUNCTION DELETE", "l")),
    (_same, ("FUNCTION FLUSH",)),
    (_same, ("FUNCTION KILL",)),
    (_same, ("PUBSUB CHANNELS",)),
    (_same, ("PUBSUB NUMSUB", "a", "b")),
    (_same, ("PUBSUB NUMSUB",)),
    (_same, ("PUBSUB NUMPAT",)),
    (_same, ("PUBSUB SHARDCHANNELS",)),
    (_same, ("PUBSUB SHARDNUMSUB", "a")),
    (_same, ("MEMORY PURGE",)),
    (_statistics, ("MEMORY STATS",)),
    # What it says depends on what the tests before have left behind.
    (_prefix, ("MEMORY DOCTOR",)),
    (_same, ("LATENCY DOCTOR",)),
    (_same, ("LATENCY RESET",)),
    (_same, ("LATENCY LATEST",)),
    (_same, ("LATENCY HISTORY", "command")),
    (_same, ("WAITAOF", 0, 0, 0)),
    (_same, ("ACL SETUSER", "somebody")),
    (_same, ("ACL DELUSER", "somebody")),
    (_same, ("CONFIG RESETSTAT",)),
    (_same, ("CONFIG SET", "no-such-setting", 1)),
    (_kinds, ("CLIENT LIST",)),
    (_same, ("CLIENT KILL", "LADDR", "127.0.0.1:1")),
    (_same, ("CLIENT KILL", "127.0.0.1:1")),
    (_same, ("FLUSHDB",)),
    (_same, ("RANDOMKEY",)),
    (_same, ("DBSIZE",)),
    (_same, ("FLUSHALL",)),
    (_same, ("FLUSHALL", "SYNC")),
    (_same, ("KEYS", "*")),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_like_a_single_server(
    clean_cluster: Cluster, clean_standalone: Server, is_async: bool, options: dict[str, Any]
) -> None:
    """The one reply has the shape that a single server gives it, and where it can its value."""
    async with (
        either(clean_standalone, is_async=is_async, **options) as single,
        either(clean_cluster, is_async=is_async, **options) as several,
    ):
        for client in (single, several):
            await run(client, "MSET", *[element for pair in _KEYS.items() for element in pair])
        for what, command in COMMANDS:
            _check_same(what, await run(several, *command), await run(single, *command), command)


async def test_like_a_single_server_in_pipelines(
    clean_cluster: Cluster, clean_standalone: Server
) -> None:
    """Between other commands of a pipeline as well."""
    commands = [command for _, command in COMMANDS]
    async with (
        either(clean_standalone, is_async=False) as single,
        either(clean_cluster, is_async=False) as several,
    ):
        for client in (single, several):
            client.mset(_KEYS)
        expected = await run_pipeline(single, *commands)
        found = await run_pipeline(several, *commands)
    for (what, command), reply, other in zip(COMMANDS, found, expected, strict=True):
        _check_same(what, reply, other, command)


def _check_same(
    what: Callable[[Any], Any], reply: Any, expected: Any, command: tuple[Any, ...]
) -> None:
    if isinstance(expected, TypeError):
        # redis-py cannot parse SLOWLOG GET where replies are decoded.
        assert isinstance(reply, Exception), command
        return
    assert type(reply) is type(expected), command
    if isinstance(expected, Exception):
        assert str(reply) == str(expected), command
    elif expected is not None:
        assert what(reply) == what(expected), command


def test_every_node_did_it(clean_cluster: Cluster) -> None:
    """Settings, scripts and users are changed on replicas too, functions and data on primaries."""
    with routed(clean_cluster) as client:
        client.mset(_KEYS)
        client.config_set("lua-time-limit", 4999)
        client.script_load("return 1")
        assert client.client_pause(1)
        for node in clean_cluster.nodes:
            assert node.command("CONFIG GET", "lua-time-limit") == {"lua-time-limit": "4999"}
            assert node.command("SCRIPT EXISTS", _SHA) == [True]
        client.config_set("lua-time-limit", 5000)
        client.script_flush()
        client.flushall()
        for node in clean_cluster.primaries:
            assert node.command("SCRIPT EXISTS", _SHA) == [False]
            assert node.command("DBSIZE") == 0


def test_scripts_run_where_their_keys_are(clean_cluster: Cluster) -> None:
    """A registered script is there on whichever node its key is."""
    with routed(clean_cluster) as client:
        script = client.register_script("return redis.call('SET', KEYS[1], ARGV[1])")
        for key in _KEYS:
            assert script(keys=[key], args=[1]) == b"OK"
        assert client.dbsize() == len(_KEYS)


def test_subscribers_of_all_nodes_are_counted(clean_cluster: Cluster) -> None:
    """Each node knows its own: replicas and primaries are asked, and the numbers added up."""
    subscribed = []
    try:
        for node in clean_cluster.nodes[::2]:
            pubsub = redis.Redis(host=node.host, port=node.port).pubsub()
            pubsub.subscribe("news", str(node.port))
            pubsub.psubscribe("n*")
            for _ in range(3):
                assert pubsub.get_message(timeout=5) is not None
            subscribed.append(pubsub)
        with routed(clean_cluster, decode_responses=True) as client:
            assert client.pubsub_numsub("news", "none") == [("news", 3), ("none", 0)]
            channels = {"news", *(str(node.port) for node in clean_cluster.nodes[::2])}
            assert set(client.pubsub_channels()) == channels
            assert len(client.pubsub_channels()) == len(channels)
            assert client.pubsub_numpat() == 3
    finally:
        for pubsub in subscribed:
            pubsub.close()


def test_a_random_key_may_be_on_any_node(clean_cluster: Cluster) -> None:
    """Where one node alone has keys it is one of them; else each node has its turn."""
    with routed(clean_cluster) as client:
        client.set("a", 1)
        assert {client.randomkey() for _ in range(5)} == {b"a"}
        client.mset(_KEYS)
        owners = {key_slot(client.randomkey()) // 5462 for _ in range(60)}
        assert owners == {0, 1, 2}


def test_a_script_is_killed_wherever_it_runs(clean_cluster: Cluster) -> None:
    """One node that had a script to kill is enough."""
    server = clean_cluster.primaries[1]
    with redis.Redis(host=server.host, port=server.port) as busy, routed(clean_cluster) as client:
        # Milliseconds after which a script can be killed.
        client.config_set("busy-reply-threshold", 10)
        failures = []

        def spin() -> None:
            try:
                busy.eval("while true do end", 0)
            except redis.ResponseError as error:
                failures.append(error)

        thread = threading.Thread(target=spin)
        thread.start()
        killed = False
        while thread.is_alive() and not killed:
            # An error until the script has begun.
            with suppress(redis.ResponseError):
                killed = client.script_kill()
        thread.join(10)
        client.config_set("busy-reply-threshold", 5000)
        assert killed is True
        assert len(failures) == 1


def test_a_node_that_is_gone() -> None:
    """What reads and what writes fail when the deadline has passed, and tell what was done."""
    with (
        cluster(primaries=3, replicas=0) as servers,
        routed(servers, table={"deadline": 0.3}, socket_timeout=2) as client,
    ):
        client.mset(_KEYS)
        servers.primaries[2].kill()
        with pytest.raises(redis.RedisError, match="DBSIZE"):
            client.dbsize()
        with pytest.raises(ConnectionError) as raised:
            client.flushall()
        outcome = partly_done(raised.value)
        assert outcome is not None
        alive = {f"{node.host}:{node.port}" for node in servers.primaries[:2]}
        assert set(outcome.done) == alive
        gone = f"{servers.primaries[2].host}:{servers.primaries[2].port}"
        assert (outcome.refused, outcome.unknown) == ((gone,), ())
        assert f"not for {gone}" in str(raised.value)
        assert all(node.command("DBSIZE") == 0 for node in servers.primaries[:2])


@pytest.mark.parametrize("is_async", [False, True])
async def test_after_a_failover(clean_cluster: Cluster, is_async: bool) -> None:
    """A replica that took its primary's place is asked instead, although the table is old."""
    old = clean_cluster.primaries[0]
    async with either(clean_cluster, is_async=is_async) as client:
        await run(client, "MSET", *[element for pair in _KEYS.items() for element in pair])
        clean_cluster.wait_until_ok()
        clean_cluster.fail_over(clean_cluster.replicas_of(old)[0])
        try:
            assert await run(client, "FLUSHALL") is True
            assert await run(client, "DBSIZE") == 0
            assert all(node.command("DBSIZE") == 0 for node in _primaries(clean_cluster))
            # While the table is old, a read finds the same on the server that became a replica.
            assert await run(client, "SET", "a", 1) is True
            assert await run(client, "KEYS", "*") == [b"a"]
        finally:
            clean_cluster.wait_until_ok()
            clean_cluster.fail_over(old)
            clean_cluster.wait_until_ok()


def _primaries(servers: Cluster) -> list[Server]:
    return [node for node in servers.nodes if node.command("ROLE")[0] == "master"]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("is_pipeline", [False, True])
async def test_every_spelling_has_the_shape_of_a_single_servers_reply(
    clean_cluster: Cluster, clean_standalone: Server, options: Any, is_pipeline: bool
) -> None:
    """Names as bytes, in lower case or in two words, which redis-py does not parse replies to."""
    commands: list[tuple[str, ...]] = [
        ("INFO", "server"),
        ("MEMORY STATS",),
        ("PUBSUB NUMSUB", "news", "sport"),
        ("PUBSUB SHARDNUMSUB", "news"),
        ("SCRIPT EXISTS", _SHA, "0" * 40),
        ("CLIENT LIST",),
        ("LATENCY LATEST",),
        ("DBSIZE",),
    ]
    spellings: list[tuple[Any, ...]] = []
    for name, *arguments in commands:
        for spelt in (name, name.lower(), name.encode()):
            spellings += [(spelt, *arguments), (*spelt.split(), *arguments)]
    shapes = []
    for servers in (clean_cluster, clean_standalone):
        async with either(servers, is_async=False, **options) as client:
            if is_pipeline:
                replies = await run_pipeline(client, *spellings)
            else:
                replies = [await run(client, *spelling) for spelling in spellings]
        shapes.append([_shape(reply) for reply in replies])
    assert dict(zip(spellings, shapes[0], strict=True)) == dict(
        zip(spellings, shapes[1], strict=True)
    )


def _shape(reply: Any) -> Any:
    first = reply[0] if isinstance(reply, list | tuple) and reply else None
    return type(reply), type(first)
