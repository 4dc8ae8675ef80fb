"""Clusters that are not as they should be, and ways to them that lead nowhere."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.plugins.slot_routing.routed import plugin_of

from redis_middleware import wrap
from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster, Server, cluster, standalone
from redis_middleware.embedded.ports import HOST, free_port
from redis_middleware_plugins.slot_routing import SlotRouting

pytestmark = pytest.mark.server

_KEYS = [f"key:{number}" for number in range(30)]
_DEADLINE = 0.6
_SLACK = 2.0


def _routed(host: str, port: int, *, protocol: int = 3, **table: Any) -> redis.Redis:
    client = redis.Redis(host=host, port=port, protocol=protocol, socket_timeout=5)
    return wrap(client, {"slot_routing": table}, plugins=[SlotRouting])


def _assert_all_reached(client: Any) -> None:
    for number, key in enumerate(_KEYS):
        assert client.set(key, number) is True
    assert [client.get(key) for key in _KEYS] == [b"%d" % number for number in range(len(_KEYS))]


def _keys_at(servers: Cluster, server: Server) -> list[str]:
    slots = servers.slots_of(server)
    return [key for key in _KEYS if key_slot(key.encode()) in slots]


def _another(servers: Cluster, server: Server) -> Server:
    return next(other for other in servers.primaries if other is not server)


@pytest.fixture(scope="module")
def odd_cluster() -> Iterator[Cluster]:
    """Run a cluster of two primaries; tests leave it whole, with keys."""
    with cluster(primaries=2, replicas=0) as servers:
        yield servers


@pytest.fixture
def unjoined() -> Iterator[Server]:
    """Run a server that could be part of a cluster and has not met any other."""
    with standalone(config={"cluster-enabled": "yes"}) as server:
        yield server


def test_seeds_that_lead_nowhere(
    clean_cluster: Cluster, clean_standalone: Server, unjoined: Server
) -> None:
    """Dead, unjoined and doubled seeds, and ones of no cluster, do not matter beside a good one."""
    dead = f"{HOST}:{free_port()}"
    good = clean_cluster.replicas[0]
    seeds = [
        *(dead, dead, f"{HOST}:{clean_standalone.port}", f"{HOST}:{unjoined.port}"),
        *("nowhere.invalid:1", f"{HOST}:{good.port}", f"{HOST}:{good.port}"),
    ]
    with _routed(HOST, free_port(), seeds=seeds) as client:
        _assert_all_reached(client)


def test_only_seeds_that_lead_nowhere() -> None:
    """The error names each of them, in time; a server that comes up there is used at last."""
    ports = [free_port(), free_port()]
    seeds = [f"{HOST}:{ports[1]}"]
    with (
        _routed(HOST, ports[0], seeds=seeds, deadline=_DEADLINE) as client,
        _routed(HOST, ports[0], seeds=seeds, deadline=30) as patient,
        ThreadPoolExecutor() as threads,
    ):
        began = time.monotonic()
        with pytest.raises(redis.ConnectionError) as caught:
            client.get("key")
        assert time.monotonic() - began < _DEADLINE + _SLACK
        assert all(str(port) in str(caught.value) for port in ports)
        waiting = threads.submit(patient.set, "key", "value")
        with cluster(primaries=1, replicas=0, port=ports[1]):
            assert waiting.result() is True
            _assert_all_reached(client)


def test_node_that_has_not_joined_yet(unjoined: Server) -> None:
    """A node without slots fails commands in time, and serves them once it has its slots."""
    with _routed(HOST, unjoined.port, deadline=_DEADLINE) as client:
        began = time.monotonic()
        with pytest.raises(redis.exceptions.ClusterDownError, match=r"GET.*slot.*not served"):
            client.get("key")
        assert time.monotonic() - began < _DEADLINE + _SLACK
        unjoined.command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        _eventually_reached(client)


def _eventually_reached(client: Any) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return _assert_all_reached(client)
        except redis.exceptions.ClusterDownError:
            assert time.monotonic() < deadline


def test_node_joins_while_the_client_points_at_it(clean_cluster: Cluster) -> None:
    """A client of a node that is just joining reaches everything as soon as it has joined."""
    new = clean_cluster.add_node()
    try:
        with _routed(HOST, new.port) as client:
            _assert_all_reached(client)
    finally:
        clean_cluster.remove_node(new)


@pytest.mark.parametrize("full_coverage", ["yes", "no"])
def test_uncovered_slots(odd_cluster: Cluster, full_coverage: str) -> None:
    """Keys of slots that nobody serves fail in time, the others go on if the servers let them."""
    owner = odd_cluster.primary_of(key_slot(_KEYS[0].encode()))
    other = _another(odd_cluster, owner)
    with _routed(HOST, owner.port, deadline=_DEADLINE) as client:
        _assert_all_reached(client)
        uncovered = _keys_at(odd_cluster, owner)[:2]
        slots = [key_slot(key.encode()) for key in uncovered]
        for server in odd_cluster.nodes:
            server.command("CONFIG SET", "cluster-require-full-coverage", full_coverage)
            server.command("CLUSTER DELSLOTS", *slots)
        for key in uncovered:
            began = time.monotonic()
            with pytest.raises(redis.exceptions.ClusterDownError):
                client.get(key)
            assert time.monotonic() - began < _DEADLINE + _SLACK
        if full_coverage == "no":
            for key in set(_KEYS) - set(uncovered):
                assert client.get(key) is not None
        # From now on the other one serves them.
        other.command("CLUSTER ADDSLOTS", *slots)
        _eventually_reached(client)
    odd_cluster.wait_until_ok()


def test_hosts_as_names() -> None:
    """Where servers tell names, the names are used; MOVED tells them too."""
    config = {
        "cluster-announce-hostname": "localhost",
        "cluster-preferred-endpoint-type": "hostname",
    }
    _assert_hosts(config, HOST, {"localhost"})


def test_hosts_that_are_not_told() -> None:
    """Where servers tell no host, it is the one that was asked, in MOVED too."""
    config = {"cluster-preferred-endpoint-type": "unknown-endpoint"}
    _assert_hosts(config, "localhost", {"localhost"})


def test_hosts_that_are_translated() -> None:
    """Where servers tell what is not reached from here, ``remap`` says what is, after MOVED too."""
    config = {
        "cluster-announce-hostname": "inside.invalid",
        "cluster-preferred-endpoint-type": "hostname",
    }
    with cluster(primaries=2, replicas=0, config=config) as servers:
        first, second = servers.primaries
        remap = {
            "inside.invalid": "localhost",
            f"inside.invalid:{second.port}": f"{second.host}:{second.port}",
        }
        with _routed(HOST, first.port, remap=remap) as client:
            _assert_reached_after_move(client, servers)
            assert _hosts(client) == {HOST, "localhost"}


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")
def test_ipv6() -> None:
    """IPv6 addresses are used as they are told, in MOVED too."""
    config = {"bind": f"{HOST} ::1", "cluster-announce-ip": "::1"}
    _assert_hosts(config, "::1", {"::1"})


def _assert_hosts(config: dict[str, str], points_at: str, expected: set[str]) -> None:
    """Clients that point at the first node reach everything by the hosts that are expected."""
    with cluster(primaries=2, replicas=0, config=config) as servers:
        port = servers.primaries[0].port
        for protocol in (2, 3):
            with _routed(points_at, port, protocol=protocol) as client:
                _assert_reached_after_move(client, servers)
                assert _hosts(client) == expected


def _hosts(client: redis.Redis) -> set[str]:
    commands = next(
        metric
        for metric in plugin_of(client).metrics()
        if metric.name == "slot_routing.node.commands"
    )
    nodes = [str(reading.attributes["node"]) for reading in commands.readings]
    return {node.rpartition(":")[0] for node in nodes}


def _assert_reached_after_move(client: redis.Redis, servers: Cluster) -> None:
    _assert_all_reached(client)
    source = servers.primary_of(key_slot(_KEYS[0].encode()))
    slots = [key_slot(key.encode()) for key in _keys_at(servers, source)]
    servers.migrate(slots, _another(servers, source))
    _assert_all_reached(client)


@pytest.fixture
def locked(odd_cluster: Cluster) -> Iterator[Server]:
    """Return a server of the cluster that asks for a password, which the others do not."""
    server = odd_cluster.primary_of(key_slot(_KEYS[0].encode()))
    server.command("CONFIG SET", "requirepass", "secret")
    yield server
    _unlock(server)


def _unlock(server: Server) -> None:
    with redis.Redis(host=server.host, port=server.port, password="secret") as administrator:
        administrator.config_set("requirepass", "")


def test_wrong_password_on_one_node(odd_cluster: Cluster, locked: Server) -> None:
    """Its keys fail at once with the server's words, the others are served; then all are."""
    other = _another(odd_cluster, locked)
    served = _keys_at(odd_cluster, other)
    with _routed(HOST, other.port) as client:
        for key in _KEYS:
            if key in served:
                assert client.set(key, key) is True
                continue
            began = time.monotonic()
            with pytest.raises(redis.AuthenticationError):
                client.get(key)
            assert time.monotonic() - began < _SLACK
        _unlock(locked)
        _assert_all_reached(client)


async def test_wrong_password_on_one_node_async(odd_cluster: Cluster, locked: Server) -> None:
    """The same with redis.asyncio, in one pipeline over all nodes."""
    other = _another(odd_cluster, locked)
    served = _keys_at(odd_cluster, other)
    bare = redis.asyncio.Redis(host=HOST, port=other.port)
    async with wrap(bare, {}, plugins=[SlotRouting]) as client:
        pipe = client.pipeline(transaction=False)
        for key in _KEYS:
            pipe.set(key, key)
        replies = await pipe.execute(raise_on_error=False)
    for key, reply in zip(_KEYS, replies, strict=True):
        if key in served:
            assert reply is True
        else:
            assert isinstance(reply, redis.AuthenticationError)


@pytest.mark.parametrize(
    ("permitted", "is_routed"), [("+cluster|slots", True), ("+cluster|shards", True), ("", False)]
)
def test_users_with_few_rights(
    odd_cluster: Cluster, caplog: pytest.LogCaptureFixture, permitted: str, is_routed: bool
) -> None:
    """Either question for the topology will do; without any a warning says what is amiss."""
    for server in odd_cluster.nodes:
        server.command(
            "ACL", "SETUSER", "poor", "reset", "on", ">secret", "~*", "+@connection", "+set",
            *permitted.split(),
        )  # fmt: skip
    first = odd_cluster.nodes[0]
    bare = redis.Redis(host=HOST, port=first.port, username="poor", password="secret")
    with wrap(bare, {}, plugins=[SlotRouting]) as client:
        foreign = next(key for key in _KEYS if key not in _keys_at(odd_cluster, first))
        if is_routed:
            assert client.set(foreign, 1) is True
        else:
            with pytest.raises(redis.exceptions.MovedError):
                client.set(foreign, 1)
    warnings = [record.message for record in caplog.records if "this user" in record.message]
    assert len(warnings) == (0 if is_routed else 1)
    for server in odd_cluster.nodes:
        server.command("ACL", "DELUSER", "poor")
