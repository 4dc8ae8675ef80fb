"""Which servers and databases to scan: those that hold all keys between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.connection import parse_url
from redis.exceptions import RedisError, ResponseError

__all__ = ["Databases", "Node", "find_nodes", "named_database"]

Databases = Sequence[int] | Literal["all"] | None
"""Numbers of databases; all that have keys; ``None`` for the one that the URL names, or 0."""

_Address = tuple[str, int]


class Node(NamedTuple):
    """A database of a server to scan.

    Attributes:
        name: host and port, or the path of its socket, and the database unless it is 0.
        client: a client of it, with one connection, whose replies are bytes.
        keys: how many keys it has.
        is_replica: whether the server is a replica.
        database: the number of the database.
    """

    name: str
    client: redis.Redis
    keys: int
    is_replica: bool
    database: int = 0


def find_nodes(
    url: str, *, replicas: bool = True, databases: Databases = None
) -> tuple[list[Node], bool]:
    """Find the databases that hold all keys between them.

    Args:
        url: the URL of a server, of any one of a cluster.
        replicas: whether to ask a replica that is online in the place of each primary.
        databases: which databases.

    Returns:
        The databases, server by server, and whether the servers are a cluster.

    Raises:
        redis.exceptions.RedisError: the server cannot be asked.
    """
    if databases is None:
        databases = [named_database(url) or 0]
    with _connect(url, None) as client:
        information: Any = client.info("cluster")
        is_cluster = bool(information.get("cluster_enabled"))
        shards = _shards(client) if is_cluster else [_Shard(None, *_replicas(client))]
    nodes: list[Node] = []
    for shard in shards:
        nodes += _nodes_of_shard(url, shard if replicas else shard._replace(others=[]), databases)
    return nodes, is_cluster


def named_database(url: str) -> int | None:
    """The number of the database that a URL names; ``None`` where it names none."""
    database: int | None = _named(url).get("db")
    return database


def _named(url: str) -> dict[str, Any]:
    """What redis-py reads in a URL."""
    parse: Any = parse_url
    return dict(parse(url))


class _Shard(NamedTuple):
    """Servers with the same keys.

    Attributes:
        primary: its address; ``None`` for that of the URL.
        others: the addresses of its replicas.
        history: what those of them have in ``master_replid`` that are really its replicas; empty
            where the cluster vouches for them.
    """

    primary: _Address | None
    others: list[_Address]
    history: str = ""


def _shards(client: redis.Redis) -> list[_Shard]:
    host = client.get_connection_kwargs().get("host", "localhost")
    ask: Any = client.execute_command
    ranges = ask("CLUSTER SLOTS")
    shards: dict[_Address, list[_Address]] = {}
    for _, _, *servers in ranges:
        # An empty host is the one that was asked.
        primary, *others = [((_text(each[0]) or host), int(each[1])) for each in servers]
        shards[primary] = others
    return [_Shard(primary, others) for primary, others in shards.items()]


def _replicas(client: redis.Redis) -> tuple[list[_Address], str]:
    """The addresses of a primary's replicas that are online, and its history."""
    replication: Any = client.info("replication")
    online = [
        (str(each["ip"]), int(each["port"]))
        for name, each in replication.items()
        if name.startswith("slave") and isinstance(each, dict) and each.get("state") == "online"
    ]
    return online, str(replication.get("master_replid", ""))


def _nodes_of_shard(url: str, shard: _Shard, databases: Databases) -> list[Node]:
    for address in shard.others:
        try:
            nodes = _nodes_at(url, address, databases, shard)
        except RedisError:
            # A replica that is down is no reason not to scan its primary.
            continue
        if nodes:
            return nodes
    return _nodes_at(url, shard.primary, databases)


def _nodes_at(
    url: str, address: _Address | None, databases: Databases, replica_of: _Shard | None = None
) -> list[Node]:
    """The databases of a server; none where it is not the replica that it is taken for."""
    in_cluster = replica_of is not None and not replica_of.history
    with _connect(url, address) as client:
        replication: Any = client.info("replication")
        # Seen from here, a replica's address may be that of quite another server.
        if replica_of and not in_cluster and replication.get("master_replid") != replica_of.history:
            return []
        if databases == "all":
            keyspace: Any = client.info("keyspace")
            databases = sorted(int(name.removeprefix("db")) for name in keyspace) or [0]
    nodes = []
    for database in databases or ():
        client = _connect(url, address, database, reads_replica=in_cluster)
        name = _name(url, address, database)
        is_replica = replication.get("role") == "slave"
        nodes.append(Node(name, client, _count(client), is_replica, database))
    return nodes


def _connect(
    url: str, address: _Address | None, database: int = 0, *, reads_replica: bool = False
) -> redis.Redis:
    """A client with one connection, of the URL's server or of another one like it."""
    parts = urlsplit(url)
    place = parts.netloc
    if address is not None:
        credentials, at, _ = parts.netloc.rpartition("@")
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        place = f"{credentials}{at}{host}:{address[1]}"
    path = parts.path if parts.scheme == "unix" else ""
    # The database that a URL names has precedence over the one asked for.
    options = [(name, value) for name, value in parse_qsl(parts.query) if name != "db"]
    return redis.Redis.from_url(
        f"{parts.scheme}://{place}{path}?{urlencode(options)}",
        db=database,
        single_connection_client=True,
        decode_responses=False,
        redis_connect_func=_allow_reading if reads_replica else None,
    )


def _allow_reading(connection: Any) -> None:
    """Set up a connection so that a replica of a cluster answers, also when it is made anew."""
    connection.on_connect()
    connection.send_command("READONLY")
    connection.read_response()


def _name(url: str, address: _Address | None, database: int) -> str:
    named = _named(url)
    if address is None and "path" in named:
        return f"{named['path']}?db={database}" if database else str(named["path"])
    host, port = address or (named.get("host", "localhost"), named.get("port", 6379))
    return f"{host}:{port}/{database}" if database else f"{host}:{port}"


def _count(client: redis.Redis) -> int:
    try:
        return int(client.dbsize())
    except ResponseError:
        # Only the progress bar needs it.
        return 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
