"""What plugins beside slot_routing are told of where a client's commands go."""

from __future__ import annotations

from typing import Any

import redis
from tests.plugins.slot_routing.routed import key_at

from redis_middleware import Command, Flow, Middleware, hookimpl, middleware_of, wrap
from redis_middleware.embedded import Cluster
from redis_middleware_plugins.slot_routing import SlotRouting


class _Onlooker:
    """Notes each command it sees, with the slot and the node it is told of afterwards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[tuple[str, int | None, str]] = []

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Look at a command when it is done."""
        reply = yield command
        address = command.client.address_of(command)
        self.seen.append((command.name, command.slot, str(address)))
        return reply


def _wrapped(cluster: Cluster, *plugins: Any) -> tuple[Any, Middleware]:
    server = cluster.nodes[0]
    client = wrap(redis.Redis(host=server.host, port=server.port), {}, plugins=plugins)
    return client, middleware_of(client)


def test_each_command_is_seen_once_with_its_slot_and_node(clean_cluster: Cluster) -> None:
    """By itself, in a pipeline and in a transaction; before slot_routing and behind it alike."""
    outer, inner = _Onlooker("outer"), _Onlooker("inner")
    keys = [key_at(clean_cluster, server) for server in clean_cluster.primaries]
    client, _ = _wrapped(clean_cluster, outer, SlotRouting, inner)
    expected = []
    with client:
        for key, server in zip(keys, clean_cluster.primaries, strict=True):
            client.set(key, 1)
            client.pipeline(transaction=False).incr(key).execute()
            client.pipeline().incr(key).get(key).execute()
            slot, address = (
                client.execute_command("CLUSTER KEYSLOT", key),
                f"127.0.0.1:{server.port}",
            )
            expected += [(name, slot, address) for name in ("SET", "INCRBY", "INCRBY", "GET")]
    for onlooker in (outer, inner):
        assert [each for each in onlooker.seen if each[0] != "CLUSTER KEYSLOT"] == expected


def test_accesses_to_keys_are_counted_at_their_nodes(clean_cluster: Cluster) -> None:
    """key_access divides them among the nodes that they go to, not among what clients point at."""
    keys = [key_at(clean_cluster, server) for server in clean_cluster.primaries]
    client, middleware = _wrapped(clean_cluster, "key_access", SlotRouting)
    with client:
        client.ping()
        for key in keys * 100:
            client.get(key)
        tracker: Any = middleware.plugins["key_access"]
        shares = {part.name: part.share for part in tracker.report().nodes}
    assert set(shares) == {f"127.0.0.1:{server.port}" for server in clean_cluster.primaries}
    assert all(0.2 < share < 0.5 for share in shares.values())


def test_slow_pipelines_name_every_server(clean_cluster: Cluster) -> None:
    """slow_log tells the servers of all commands of a pipeline, and the one of a transaction."""
    keys = [key_at(clean_cluster, server) for server in clean_cluster.primaries]
    addresses = [f"127.0.0.1:{server.port}" for server in clean_cluster.primaries]
    server = clean_cluster.nodes[0]
    bare = redis.Redis(host=server.host, port=server.port)
    settings = {"slow_log": {"batch_threshold": "0 s"}}
    with wrap(bare, settings, plugins=["slow_log", SlotRouting]) as client:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
        pipe.execute()
        client.pipeline().get(keys[-1]).execute()
        log: Any = middleware_of(client).plugins["slow_log"]
        places = {entry.place: entry.servers for entry in log.entries()}
    assert set(places["pipeline"]) == set(addresses)
    assert places["transaction"] == (addresses[-1],)
