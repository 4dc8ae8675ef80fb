"""Which servers to scan: the one that was named, or one of each shard of its cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.exceptions import RedisError, ResponseError

__all__ = ["Node", "find_nodes"]


class Node(NamedTuple):
    """A server to scan.

    Attributes:
        name: host and port, or the path of its socket.
        client: a client of it, with one connection, whose replies are bytes.
        keys: how many keys it has.
        is_replica: whether it is a replica.
    """

    name: str
    client: redis.Redis
    keys: int
    is_replica: bool


def find_nodes(url: str, *, replicas: bool = True) -> tuple[list[Node], bool]:
    """Find the servers that hold all keys between them.

    Args:
        url: the URL of a server, of any one of a cluster.
        replicas: whether to ask a replica of each shard, where one is there, not its primary.

    Returns:
        The servers, and whether they are a cluster.

    Raises:
        redis.exceptions.RedisError: the server cannot be asked.
    """
    client = redis.Redis.from_url(url, single_connection_client=True, decode_responses=False)
    settings = client.get_connection_kwargs()
    information: Any = client.info("cluster")
    if not information.get("cluster_enabled"):
        name = settings.get("path") or f"{settings['host']}:{settings.get('port', 6379)}"
        return [Node(name, client, _count(client), False)], False
    client.close()

    def connect(host: str, port: int) -> redis.Redis:
        return redis.Redis.from_url(
            url_at(url, host, port), single_connection_client=True, decode_responses=False
        )

    return [_node_of(servers, connect, replicas) for servers in _shards(url)], True


def url_at(url: str, host: str, port: int) -> str:
    """The same URL, credentials and options included, with another host and port."""
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}:{port}"))


def _shards(url: str) -> list[list[tuple[str, int]]]:
    """Host and port of each shard's servers, its primary first."""
    with redis.Redis.from_url(url, decode_responses=False) as client:
        host = client.get_connection_kwargs()["host"]
        ranges: Any = client.execute_command("CLUSTER SLOTS")
    shards: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for _, _, *servers in ranges:
        # An empty host is the one that was asked.
        addresses = [((_text(each[0]) or host), int(each[1])) for each in servers]
        shards[addresses[0]] = addresses
    return list(shards.values())


def _node_of(
    servers: list[tuple[str, int]], connect: Callable[[str, int], redis.Redis], replicas: bool
) -> Node:
    primary, *others = servers
    for host, port in others if replicas else []:
        client = connect(host, port)
        try:
            client.readonly()
            keys = _count(client)
        except RedisError:
            # A replica that is down is no reason not to scan its primary.
            client.close()
        else:
            return Node(f"{host}:{port}", client, keys, True)
    client = connect(*primary)
    return Node(f"{primary[0]}:{primary[1]}", client, _count(client), False)


def _count(client: redis.Redis) -> int:
    try:
        return int(client.dbsize())
    except ResponseError:
        # Only the progress bar needs it.
        return 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
