"""Settings that change while it runs, cluster clients, and connections made as the client's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.plugins.slot_routing.routed import Noting, key_at, plugin_of, routed, routed_async

from redis_middleware import (
    SettingsError,
    middleware_of,
    notes,
    unwrap,
    wrap,
)
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, cluster
from redis_middleware_plugins.slot_routing import SlotRouting, SlotRoutingSettings


@pytest.fixture(scope="module")
def locked_cluster() -> Iterator[Cluster]:
    """Run a cluster that asks for a password."""
    config = {"requirepass": "secret", "primaryauth": "secret"}
    with cluster(primaries=2, replicas=0, config=config) as servers:
        yield servers


def test_node_connections_are_as_the_clients_own(locked_cluster: Cluster) -> None:
    """Password, name, decoding and protocol are those of the plain client."""
    options: dict[str, Any] = {
        "password": "secret",
        "client_name": "of-the-client",
        "decode_responses": True,
        "protocol": 3,
    }
    with routed(locked_cluster, **options) as client:
        for server in locked_cluster.primaries:
            key = key_at(locked_cluster, server)
            assert client.set(key, "text") is True
            assert client.get(key) == "text"
            named: Any = server.command("CLIENT LIST")
            assert any(each["name"] == "of-the-client" and each["resp"] == "3" for each in named)


def test_response_callbacks_of_the_client_hold(clean_cluster: Cluster) -> None:
    """An application's own callback is called for replies of every node."""
    with routed(clean_cluster) as client:
        client.set_response_callback("GET", lambda reply, **options: ("seen", reply))
        for server in clean_cluster.primaries:
            key = key_at(clean_cluster, server)
            client.set(key, 1)
            assert client.get(key) == ("seen", b"1")


def test_settings_change_while_it_runs(clean_cluster: Cluster) -> None:
    """Limits and splitting at once; the topology is not asked for again."""
    with routed(clean_cluster) as client:
        assert client.mset({"a": 1, "b": 2}) is True
        plugin = plugin_of(client)
        deployment = plugin.deployments["client"]
        plugin.reconfigure(SlotRoutingSettings(split="refuse", deadline=3))
        with pytest.raises(redis.RedisError, match=r'split( is| =) "refuse"'):
            client.mget("a", "b")
        assert client.get("a") == b"1"
        assert plugin.deployments["client"] is deployment
        assert deployment.settings.deadline == 3
        assert deployment.refreshing.count == 1


def test_other_addresses_make_another_deployment(clean_cluster: Cluster) -> None:
    """Seeds and translation are used from the next command on."""
    with routed(clean_cluster) as client:
        client.set("a", 1)
        plugin = plugin_of(client)
        before = plugin.deployments["client"]
        plugin.reconfigure(SlotRoutingSettings(seeds=(f"127.0.0.1:{clean_cluster.nodes[1].port}",)))
        assert client.get("a") == b"1"
        assert plugin.deployments["client"] is not before


def test_unwrapped_it_is_a_plain_client_again(clean_cluster: Cluster) -> None:
    """MOVED reaches the application then."""
    key = key_at(clean_cluster, clean_cluster.primaries[1])
    client = routed(clean_cluster)
    with client:
        client.set(key, 1)
        unwrap(client)
        with pytest.raises(redis.exceptions.MovedError):
            client.get(key)


def test_a_cluster_client_routes_itself(clean_cluster: Cluster) -> None:
    """A ``RedisCluster`` gets slot and node told, and what it refuses split; no servers are asked.

    Its replies are its own.
    """
    noting = Noting()
    bare = redis.RedisCluster(*clean_cluster.addresses[0])
    with wrap(bare, plugins=[noting, SlotRouting]) as client:
        assert client.set("a", 1) is True
        assert client.mset({"b": 2, "c": 3}) is True
        assert client.mget("a", "b", "c") == [b"1", b"2", b"3"]
        pipe = client.pipeline()
        assert pipe.get("a").get("b").execute() == [b"1", b"2"]
        told = noting.commands[0].notes
        assert told[notes.SLOT] == key_slot(b"a")
        assert told[notes.NODE] == f"127.0.0.1:{clean_cluster.primary_of(key_slot(b'a')).port}"
        assert plugin_of(client).deployments["client"].refreshing.count == 0


def test_a_cluster_client_whose_nodes_have_no_connections_yet(clean_cluster: Cluster) -> None:
    """As those of a topology that the client has just been told."""
    bare = redis.RedisCluster(*clean_cluster.addresses[0])
    for node in bare.get_nodes():
        node.redis_connection = None
    with wrap(bare, plugins=[SlotRouting]) as client:
        assert client.mset({"a": 1, "b": 2}) is True
        assert client.mget("a", "b") == [b"1", b"2"]


async def test_an_async_cluster_client_routes_itself(clean_cluster: Cluster) -> None:
    """The same for redis.asyncio."""
    noting = Noting()
    bare = redis.asyncio.RedisCluster(*clean_cluster.addresses[0])
    async with wrap(bare, plugins=[noting, SlotRouting]) as client:
        assert await client.set("a", 1) is True
        assert await client.mset({"b": 2, "c": 3}) is True
        assert await client.mget("a", "b", "c") == [b"1", b"2", b"3"]
        assert noting.commands[0].notes[notes.SLOT] == key_slot(b"a")


def test_a_client_that_is_closed_can_be_used_again(clean_cluster: Cluster) -> None:
    """As redis-py's own: connections are made anew."""
    client = routed(clean_cluster)
    keys = [key_at(clean_cluster, server) for server in clean_cluster.primaries]
    for _ in range(2):
        for key in keys:
            assert client.set(key, 1) is True
        client.close()
    deployment = plugin_of(client).deployments["client"]
    pools = [endpoint.server.pool for endpoint in set(deployment.table.endpoints) if endpoint]
    assert not any(pool._in_use_connections for pool in pools)


async def test_an_async_client_that_is_closed_can_be_used_again(clean_cluster: Cluster) -> None:
    """The same for redis.asyncio."""
    client = routed_async(clean_cluster)
    for _ in range(2):
        for server in clean_cluster.primaries:
            assert await client.set(key_at(clean_cluster, server), 1) is True
        await client.aclose()


def test_moved_topologies_leave_no_work_behind(clean_cluster: Cluster) -> None:
    """Each refresh in the background is over with itself: none is kept, no thread stays."""
    with routed(clean_cluster, table={"refresh_interval": "1 ms"}) as client:
        client.set("a", 1)
        refreshing = plugin_of(client).deployments["client"].refreshing
        for number in range(20):
            refreshing.request()
            while refreshing.count < number + 2:
                client.get("a")
        assert len(middleware_of(client).background) <= 2


def test_a_server_that_cannot_be_reached(clean_standalone: Server) -> None:
    """The error is that of the bare client, within the deadline."""
    bare = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    client = wrap(bare, {"slot_routing": {"deadline": "300 ms"}}, plugins=[SlotRouting])
    with pytest.raises(redis.ConnectionError, match="Connection refused"):
        client.get("k")


def test_each_client_has_a_plugin_of_its_own(clean_cluster: Cluster) -> None:
    """One object cannot route for two clients; after the first it can for the second."""
    plugin = SlotRouting(SlotRoutingSettings())
    first, second = (redis.Redis(port=clean_cluster.nodes[0].port) for _ in range(2))
    with first, second:
        wrap(first, plugins=[plugin])
        assert first.set("a", 1) is True
        with pytest.raises(SettingsError, match="part of another client"):
            wrap(second, plugins=[plugin])
        assert first.get("a") == b"1"
        unwrap(first)
        wrap(second, plugins=[plugin])
        assert second.get("a") == b"1"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
async def test_clients_of_other_encodings(clean_cluster: Cluster, encoding: str) -> None:
    """The slot of a text is that of the bytes that the client makes of it."""
    async with routed_async(clean_cluster, encoding=encoding) as client:
        assert await client.set("a", "text") is True
        assert await client.mget("a", "b", "c") == ["text".encode(encoding), None, None]
