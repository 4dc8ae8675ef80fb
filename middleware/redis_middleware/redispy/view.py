"""What plugins may know of the client they serve and of its connections."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import redis
import redis.asyncio
from redis.utils import HIREDIS_AVAILABLE

from redis_middleware.command import Command, spec_for
from redis_middleware.redispy.likeness import Likeness

if TYPE_CHECKING:
    from redis_middleware.redispy.deployments import Servers

__all__ = ["ClientView", "Connection", "Routing", "ServerAddress"]

AnyClient = redis.Redis | redis.asyncio.Redis | redis.RedisCluster | redis.asyncio.RedisCluster


class ServerAddress(NamedTuple):
    """Where a server is: host and port, or the path of a unix socket.

    Attributes:
        host: its name or address; for a unix socket the socket's path.
        port: its TCP port; ``None`` for a unix socket.
    """

    host: str
    port: int | None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


class Routing(Protocol):
    """What a plugin tells that sends a client's commands to servers of its choice."""

    @property
    def is_cluster(self) -> bool | None:
        """Whether they go to the nodes of a cluster; ``None`` while that is not known."""

    @property
    def leaves_deployment(self) -> bool:
        """Whether some of them go to other deployments than the client's own."""

    @property
    def reads_from_replicas(self) -> bool:
        """Whether some reads go to replicas."""

    @property
    def nodes(self) -> list[ServerAddress]:
        """The nodes of the cluster that are known now, primaries first."""

    def address_of(self, command: Command) -> ServerAddress | None:
        """The primary of a command's slot; ``None`` where there is none, or it is not known."""


class ClientView:
    """Facts of a wrapped client; it does not keep the client alive.

    Attributes:
        routing: what the plugin tells that routes the client's commands; ``None`` without one.
        is_async: whether it is one of ``redis.asyncio``.
        is_cluster: whether it is a ``RedisCluster``.
    """

    __slots__ = (
        "_client",
        "_clients",
        "_encoder",
        "_keeper",
        "_likeness",
        "_make_client",
        "_observe",
        "_server_pools",
        "encode",
        "is_async",
        "is_cluster",
        "routing",
    )

    encode: Callable[[Any], bytes]
    """The bytes on the wire of an argument: ``encode(value)``, as redis-py packs it.

    Raises ``redis.exceptions.DataError`` for types that redis-py refuses.
    """

    def __init__(self, client: AnyClient) -> None:
        self.is_async = isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster)
        self.is_cluster = isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster)
        self._encoder: Any = client.get_encoder()
        self.encode = self._encoder.encode
        if HIREDIS_AVAILABLE and not self.is_async:
            # With hiredis a sync client packs text as UTF-8, whatever its encoding is.
            utf_8: Any = type(self._encoder)("utf-8", "strict", decode_responses=False)
            self.encode = utf_8.encode
        self.routing: Routing | None = None
        self._server_pools: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._observe: Callable[[Any], None] = _nothing
        self._make_client: Callable[[], AnyClient | None] = _no_client
        # By their identity: an application's own class may have no hash.
        self._clients: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self.follow(client)

    def follow(self, client: AnyClient) -> None:
        """Speak of this client too, and rather of it than of others of the same pool."""
        self._clients[id(client)] = client
        self._client: Callable[[], AnyClient | None] = weakref.ref(client)
        self._keeper = weakref.ref(keeper_of(client))
        self._likeness = (
            Likeness(client, keeps_callbacks=False)
            if isinstance(client, redis.Redis | redis.asyncio.Redis)
            else None
        )

    def leave(self, client: AnyClient) -> None:
        """Speak of this client no more."""
        self._clients.pop(id(client), None)
        if self._client() is client:
            self._client = _no_client

    @property
    def living_client(self) -> AnyClient | None:
        """One of the wrapped clients that somebody still has."""
        client = self._client()
        if client is None:
            others = [reference() for reference in self._clients.valuerefs()]
            client = next((other for other in others if other is not None), None)
            if client is not None:
                self._client = weakref.ref(client)
        return client

    @property
    def client(self) -> AnyClient | None:
        """The wrapped client itself; commands on it run plugins.

        Where several share a connection pool it is one of them. Where all of them are garbage, and
        something that they made is still at work, such as a pipeline, it is one in their place;
        ``None`` for a cluster client, or after the plugins have ended.
        """
        client = self.living_client
        return self._make_client() if client is None else client

    def make_clients_with(self, make: Callable[[], AnyClient | None]) -> None:
        """Let this function make the client in the place of those that are garbage."""
        self._make_client = make

    def stand_in(self) -> AnyClient | None:
        """A client like the one that was followed last, on its pool; it runs no plugins.

        Every method of it works: it is of that one's class only if that can be made without more.
        ``None`` for a cluster client, or when the pool is garbage.
        """
        pool = self.pool
        if pool is None or self._likeness is None:
            return None
        client: AnyClient = self._likeness.on(pool, completely=False)
        return client

    def command(self, *args: Any, **options: Any) -> Command:
        """A command that no application sent, to be yielded by a flow: ``command("PING")``.

        Args:
            args: the arguments as for ``client.execute_command``, the name first.
            options: redis-py's options.
        """
        return Command(args, options, None, self)

    @property
    def spans_nodes(self) -> bool | None:
        """Whether its commands go to the nodes of a cluster, by its own doing or by a plugin's.

        ``None`` while that is not known.
        """
        if self.is_cluster or self.routing is None:
            return self.is_cluster
        return self.routing.is_cluster

    def servers(self, url: str | None = None) -> Servers:
        """The servers of a deployment, to be targets of commands: see ``Servers.at(address)``.

        Whoever asks keeps them, or some of them: with the last reference to one its connections
        go. They are closed with the client.

        Args:
            url: where the deployment is, ``redis://host:port/db`` and the like; all that it does
                not say is as the client has it, but for user and password. ``None`` for the
                client's own deployment.

        Raises:
            ValueError: the URL is not one that redis-py takes.
        """
        from redis_middleware.redispy.deployments import Servers

        return Servers(self, url, self._add_pool)

    def _add_pool(self, pool: Any) -> None:
        self._server_pools[id(pool)] = pool
        self._observe(pool)

    def observe_pools(self, observe: Callable[[Any], None]) -> None:
        """Call the function with each of ``server_pools``, those to come included."""
        self._observe = observe
        for pool in self.server_pools:
            observe(pool)

    @property
    def server_pools(self) -> list[Any]:
        """redis-py's pools that were made for ``servers``: not those that are the client's own."""
        pools = [reference() for reference in self._server_pools.valuerefs()]
        return [pool for pool in pools if pool is not None]

    @property
    def pool(self) -> Any:
        """What its connections belong to: redis-py's pool, or a cluster's nodes manager.

        ``None`` when it is garbage.
        """
        keeper = self._keeper()
        return None if keeper is None else getattr(keeper, "nodes_manager", keeper)

    def has_callback(self, name: str) -> bool:
        """Whether the client has a response callback for a command: makes something of its replies.

        Args:
            name: the command's name, in upper case.
        """
        client = self.client
        if isinstance(client, redis.RedisCluster):
            return name in client.cluster_response_callbacks
        return client is not None and name in client.response_callbacks

    @property
    def decode_responses(self) -> bool:
        """Whether replies are decoded to ``str``."""
        return bool(self._encoder.decode_responses)

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """The settings of its connections, as redis-py keeps them; empty when it is garbage."""
        pool = self.pool
        return {} if pool is None else dict(pool.connection_kwargs)

    @property
    def db(self) -> int:
        """The number of its database."""
        return int(self.connection_kwargs.get("db") or 0)

    def node_of(self, command: Command) -> Any:
        """The primary of a command's slot, to be a command's ``target``; ``None`` without one.

        Only a cluster client has nodes.
        """
        pool = self.pool
        if pool is None or not self.is_cluster or command.slot is None:
            return None
        nodes = pool.slots_cache.get(command.slot)
        return nodes[0] if nodes else None

    def address_of(self, command: Command | None = None) -> ServerAddress | None:
        """The server that a command goes to, as far as it can be told before it is sent.

        That is its target, where a plugin chose a server. In a cluster that is the primary of the
        command's slot, or ``None`` for commands without keys, or with keys of several slots. For
        Sentinel it is the address found last.
        """
        node = command.target if command is not None else None
        chosen: ServerAddress | None = getattr(node, "address", None)
        if chosen is not None:
            return chosen
        pool = self.pool
        if pool is None:
            return None
        if not self.is_cluster:
            if command is not None and self.routing is not None and self.routing.is_cluster:
                return self.routing.address_of(command)
            return pool_address(pool)
        if node is None and command is not None:
            node = self.node_of(command)
        return None if node is None or not hasattr(node, "port") else address(node.host, node.port)


def keeper_of(client: AnyClient) -> Any:
    """What keeps the connections of the client: its pool, or a cluster's nodes manager.

    For redis.asyncio's cluster that is the client itself: nothing can refer weakly to its nodes
    manager, which no other client can share.
    """
    if isinstance(client, redis.asyncio.RedisCluster):
        return client
    return (
        client.nodes_manager if isinstance(client, redis.RedisCluster) else client.connection_pool
    )


def address(host: Any, port: Any) -> ServerAddress:
    """An address from what redis-py keeps as host and port."""
    return ServerAddress(str(host), None if port is None else int(port))


def pool_address(pool: Any) -> ServerAddress | None:
    """Where a pool's connections go; for Sentinel the address found last."""
    found = getattr(pool, "master_address", None)
    if isinstance(found, tuple):
        return address(*found)
    kwargs = pool.connection_kwargs
    if "path" in kwargs:
        return ServerAddress(str(kwargs["path"]), None)
    if hasattr(pool, "sentinel_manager"):
        return None
    # redis-py's own defaults, of connections that were told neither.
    return address(kwargs.get("host", "localhost"), kwargs.get("port", 6379))


class Connection:
    """A connection in the making, as ``redis_connect`` receives it.

    Attributes:
        client: facts of the client whose pool it is of.
        raw: redis-py's connection object.
        is_made: whether it stands, so that commands can be sent on it.
    """

    __slots__ = ("client", "is_made", "raw")

    def __init__(self, raw: Any, client: ClientView) -> None:
        self.raw = raw
        self.client = client
        self.is_made = False

    @property
    def address(self) -> ServerAddress | None:
        """Where it connects to."""
        path = getattr(self.raw, "path", None)
        if path is not None:
            return ServerAddress(str(path), None)
        host = getattr(self.raw, "host", None)
        return None if host is None else address(host, getattr(self.raw, "port", None))

    @property
    def peer(self) -> ServerAddress | None:
        """The address that the socket is connected to, names resolved; ``None`` until it stands."""
        writer = getattr(self.raw, "_writer", None)
        if writer is not None:
            name = writer.get_extra_info("peername")
        else:
            socket = getattr(self.raw, "_sock", None)
            try:
                name = None if socket is None else socket.getpeername()
            except OSError:
                return None
        if isinstance(name, tuple):
            return address(name[0], name[1])
        return ServerAddress(str(name), None) if name else None

    def command(self, *args: Any) -> Command:
        """A command to be yielded for sending on this connection once it stands."""
        return Command(args, {}, spec_for(args), self.client)

    def __repr__(self) -> str:
        return f"<Connection to {self.address}>"


def _no_client() -> None:
    return None


def _nothing(pool: Any) -> None:
    return None
