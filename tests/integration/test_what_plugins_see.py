"""What a plugin is given: each command exactly once, with its name, keys, place and position."""

from __future__ import annotations

import contextlib
from typing import Any

import redis
from tests.integration import awaiting
from tests.integration.each_kind import each_kind, wrapped
from tests.integration.kinds import KINDS, WRITING, Kind, kinds
from tests.integration.pass_through import PassThrough, three
from tests.integration.servers import Servers

from redis_middleware import Place, middleware_of, wrap

TRANSACTIONAL = [kind for kind in WRITING if kind.has_transactions]
PLAIN_BYTES = [kind for kind in WRITING if not kind.is_fake and not kind.decodes]
SCRIPTING = [kind for kind in WRITING if not kind.is_fake]


def seen(plugin: PassThrough) -> list[tuple[str, tuple[bytes, ...], Place, int | None]]:
    """What it saw so far; forgets it."""
    commands = [
        (command.name, command.keys, command.place, command.position) for command in plugin.commands
    ]
    plugin.commands.clear()
    return commands


@each_kind(KINDS)
async def test_single_commands(kind: Kind, servers: Servers) -> None:
    """Single commands: keys as bytes on the wire, whatever they were given as."""
    plugins = three()
    async with wrapped(kind, servers, plugins) as client:
        await awaiting.settle(client.get("text"))
        await awaiting.settle(client.get(b"bytes"))
        await awaiting.settle(client.get(17))
        await awaiting.settle(client.get("äöü"))
        await awaiting.settle(client.mget("{k}1", b"{k}2"))
        await awaiting.settle(client.ping())
        if not kind.is_fake:
            await awaiting.settle(client.config_get("maxmemory"))
    expected = [
        ("GET", (b"text",), Place.SINGLE, None),
        ("GET", (b"bytes",), Place.SINGLE, None),
        ("GET", (b"17",), Place.SINGLE, None),
        ("GET", ("äöü".encode(),), Place.SINGLE, None),
        ("MGET", (b"{k}1", b"{k}2"), Place.SINGLE, None),
        ("PING", (), Place.SINGLE, None),
    ]
    if not kind.is_fake:
        expected.append(("CONFIG GET", (), Place.SINGLE, None))
    assert [seen(plugin) for plugin in plugins] == [expected] * 3


@each_kind()
async def test_facts_of_the_client(kind: Kind, servers: Servers) -> None:
    """The command knows its client: colour, kind, decoding, database and, if it can, server."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        await awaiting.settle(client.get("key"))
        (command,) = plugin.commands
        view = command.client
        assert (view.is_async, view.is_cluster) == (kind.is_async, kind.is_cluster)
        assert (view.decode_responses, view.db) == (kind.decodes, 0)
        assert view.client is client
        address = view.address_of(command)
        if not kind.is_fake:
            nodes = kind.control(servers).nodes
            ports = [node.get_connection_kwargs()["port"] for node in nodes]
            assert address is not None
            assert address.port in ports


# redis-py's own sync cluster looks for such a key in the slot of other bytes than it sends.
@each_kind(kind for kind in PLAIN_BYTES if kind.is_async or not kind.is_cluster)
async def test_keys_of_another_encoding(kind: Kind, servers: Servers) -> None:
    """Keys are the bytes on the wire, whatever redis-py makes of ``encoding``."""
    watcher = PassThrough()
    async with wrapped(kind, servers, [watcher], encoding="latin-1") as client:
        await awaiting.settle(client.set("\u00e9", "v"))
        keys = {key for node in kind.control(servers).nodes for key in node.keys("*")}
        seen = [command.keys for command in watcher.commands if command.name == "SET"]
        assert seen == [tuple(keys)]


@each_kind()
async def test_pipelines(kind: Kind, servers: Servers) -> None:
    """Commands of pipelines: the same, with place and position; the batch once."""
    plugins = three()
    places = [Place.PIPELINE, Place.TRANSACTION] if kind.has_transactions else [Place.PIPELINE]
    async with wrapped(kind, servers, plugins) as client:
        for place in places:
            pipe = client.pipeline(transaction=place is Place.TRANSACTION)
            pipe.set("{k}1", 1).get(b"{k}2").lpush("{k}1", 2)
            await awaiting.settle(pipe.execute(raise_on_error=False))
            for plugin in plugins:
                assert seen(plugin) == [
                    ("SET", (b"{k}1",), place, 0),
                    ("GET", (b"{k}2",), place, 1),
                    ("LPUSH", (b"{k}1",), place, 2),
                ]
                (batch,) = plugin.batches
                assert batch.place is place
                assert [command.name for command in batch.commands] == ["SET", "GET", "LPUSH"]
                plugin.batches.clear()


@each_kind(TRANSACTIONAL)
async def test_watching(kind: Kind, servers: Servers) -> None:
    """Under WATCH commands are of that place, WATCH itself too; then those of the transaction."""
    plugin = PassThrough()
    async with (
        wrapped(kind, servers, [plugin]) as client,
        awaiting.entered(client.pipeline(transaction=True)) as pipe,
    ):
        await awaiting.settle(pipe.watch("{k}1", b"{k}2"))
        await awaiting.settle(pipe.get("{k}1"))
        await awaiting.settle(pipe.unwatch())
        await awaiting.settle(pipe.watch("{k}1"))
        pipe.multi()
        pipe.set("{k}1", 1)
        await awaiting.settle(pipe.execute())
    assert seen(plugin) == [
        ("WATCH", (b"{k}1", b"{k}2"), Place.WATCH, None),
        ("GET", (b"{k}1",), Place.WATCH, None),
        ("UNWATCH", (), Place.WATCH, None),
        ("WATCH", (b"{k}1",), Place.WATCH, None),
        ("SET", (b"{k}1",), Place.TRANSACTION, 0),
    ]


@each_kind(SCRIPTING)
async def test_scripts_and_locks(kind: Kind, servers: Servers) -> None:
    """Scripts and locks: their commands with their keys, the loading of scripts too."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        script = client.register_script("return redis.call('GET', KEYS[1])")
        await awaiting.settle(script(keys=["{k}1"]))
        assert [entry[:2] for entry in seen(plugin)] == [
            ("EVALSHA", (b"{k}1",)),
            ("SCRIPT LOAD", ()),
            ("EVALSHA", (b"{k}1",)),
        ]
        async with awaiting.entered(client.lock("lock", timeout=5)):
            assert [entry[:2] for entry in seen(plugin)] == [("SET", (b"lock",))]
        assert seen(plugin)[0][:2] == ("EVALSHA", (b"lock",))
        await awaiting.settle(client.eval("return 1", 2, "{k}1", "{k}2", "argument"))
        assert seen(plugin)[0][:2] == ("EVAL", (b"{k}1", b"{k}2"))


@each_kind(SCRIPTING)
async def test_modules(kind: Kind, servers: Servers) -> None:
    """Commands of modules, and of their pipelines."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        for call in (
            lambda: client.json().get("doc"),
            lambda: client.ts().get("t"),
            lambda: client.ft("index").info(),
            lambda: client.bf().exists("filter", "x"),
        ):
            await _tried(call)
        names = [entry[0] for entry in seen(plugin)]
        assert names == ["JSON.GET", "TS.GET", "FT.INFO", "BF.EXISTS"]
        if not kind.is_async and not kind.is_cluster:
            pipe = client.json().pipeline()
            pipe.get("doc")
            pipe.set("{k}1", "$", 1)
            await _tried(lambda: pipe.execute(raise_on_error=False))
            assert [entry[0] for entry in seen(plugin)] == ["JSON.GET", "JSON.SET"]


async def _tried(call: Any) -> None:
    # No server of the tests has modules; cluster clients do not even know where to send.
    with contextlib.suppress(redis.RedisError):
        await awaiting.settle(call())


@each_kind([kind for kind in WRITING if not kind.is_cluster])
async def test_further_clients(kind: Kind, servers: Servers) -> None:
    """What ``client()`` makes runs the same plugins, and its pipelines do."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        single = client.client()
        assert middleware_of(single) is middleware_of(client)
        await awaiting.settle(single.set("key", 1))
        pipe = single.pipeline()
        pipe.get("key")
        await awaiting.settle(pipe.execute())
        await awaiting.settle(single.aclose() if kind.is_async else single.close())
        assert [entry[0] for entry in seen(plugin)] == ["SET", "GET"]


@each_kind([kind for kind in WRITING if kind.has("pubsub")])
async def test_messages(kind: Kind, servers: Servers) -> None:
    """Published messages once each, with channel and payload; confirmations not at all."""
    plugin = PassThrough()
    async with (
        wrapped(kind, servers, [plugin]) as client,
        awaiting.entered(client.pubsub()) as pubsub,
    ):
        await awaiting.settle(pubsub.subscribe("{c}one"))
        await awaiting.settle(pubsub.psubscribe("{c}p*"))
        for _ in range(2):
            await _received(kind, pubsub)
        await awaiting.settle(client.publish("{c}one", "news"))
        await awaiting.settle(client.publish("{c}pattern", "more news"))
        for _ in range(2):
            await _received(kind, pubsub)
    text = str if kind.decodes else str.encode
    assert [(m.type, m.pattern, m.channel, m.data) for m in plugin.messages] == [
        ("message", None, text("{c}one"), text("news")),
        ("pmessage", text("{c}p*"), text("{c}pattern"), text("more news")),
    ]


async def _received(kind: Kind, pubsub: Any) -> Any:
    return await awaiting.until(lambda: pubsub.get_message(timeout=0.05), is_async=kind.is_async)


@each_kind([kind for kind in KINDS if kind.is_cluster and kind.has("pubsub")])
async def test_messages_of_shard_channels(kind: Kind, servers: Servers) -> None:
    """Messages of shard channels, from several nodes, once each."""
    plugin = PassThrough()
    channels = [f"shard-{number}" for number in range(4)]
    async with wrapped(kind, servers, [plugin]) as client:
        pubsub = client.pubsub()
        for channel in channels:
            await awaiting.settle(pubsub.ssubscribe(channel))
            await awaiting.settle(client.spublish(channel, "news"))
        await awaiting.until(lambda: _polled(pubsub, plugin, len(channels)), is_async=kind.is_async)
        await awaiting.settle(pubsub.aclose() if kind.is_async else pubsub.close())
    assert {message.type for message in plugin.messages} == {"smessage"}
    received = [message.channel for message in plugin.messages]
    text = str if kind.decodes else str.encode
    assert sorted(received) == [text(channel) for channel in channels]


async def _polled(pubsub: Any, plugin: PassThrough, count: int) -> bool:
    await awaiting.settle(pubsub.get_sharded_message(timeout=0.01))
    return len(plugin.messages) >= count


@each_kind(kinds(lambda kind: not kind.is_cluster))
async def test_connections(kind: Kind, servers: Servers) -> None:
    """The making of each connection, once. That of a sync client's only one is over by then."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        before = plugin.connections
        for _ in range(3):
            await awaiting.settle(client.get("key"))
        assert plugin.connections == before + (0 if kind.is_single and not kind.is_async else 1)


@each_kind([kind for kind in KINDS if kind.is_cluster])
async def test_connections_of_clusters(kind: Kind, servers: Servers) -> None:
    """As many connections as the client made to nodes, since it was wrapped."""
    plugin = PassThrough()
    async with wrapped(kind, servers, [plugin]) as client:
        for number in range(20):
            await awaiting.settle(client.get(f"key-{number}"))
        made = plugin.connections
        assert made >= 2
        for number in range(20):
            await awaiting.settle(client.get(f"key-{number}"))
        assert plugin.connections == made


@each_kind(kinds(lambda kind: "shared pool" in kind.name))
async def test_shared_pool(kind: Kind, servers: Servers) -> None:
    """Of clients on one pool each has its own plugins; connections are seen by all of them."""
    first, second = PassThrough("first"), PassThrough("second")
    async with wrapped(kind, servers, [first]) as client:
        neighbour = wrap(client.neighbour, {}, plugins=[second])
        await awaiting.settle(client.set("key", 1))
        await awaiting.settle(neighbour.get("key"))
        assert (first.names, second.names) == (["SET"], ["GET"])
        assert first.connections == second.connections == 1


@each_kind()
async def test_as_often_as_sent(kind: Kind, servers: Servers) -> None:
    """A plugin sees a command as often as the server does."""
    if kind.is_fake:
        return
    plugin = PassThrough()
    control = kind.control(servers)
    async with wrapped(kind, servers, [plugin]) as client:
        control.clear()
        for number in range(5):
            await awaiting.settle(client.set("{k}1", number))
            pipe = client.pipeline()
            pipe.set("{k}1", number).get("{k}1").get("{k}2")
            await awaiting.settle(pipe.execute())
        counts = control.command_counts()
        assert (counts["set"], counts["get"]) == (10, 10)
        assert (plugin.names.count("SET"), plugin.names.count("GET")) == (10, 10)
