"""Which server each slot's commands go to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from redis.exceptions import AskError

from redis_middleware.commands import SLOT_COUNT
from redis_middleware.redispy.servers import Server
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.counters import Counters, NodeCounts
from redis_middleware_plugins.slot_routing.parsing import Remap
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology

__all__ = ["Endpoint", "ServersOfDeployment", "Table"]

_UNKNOWN_HOSTS: Final = ("", "?")


class ServersOfDeployment(Protocol):
    """What gives a server for an address: the engine's ``Servers``."""

    def at(self, where: ServerAddress | None = None, *, read_only: bool = False) -> Any:
        """The server, the same object each time; ``None``: where the client itself goes."""

    def forget(self, where: ServerAddress) -> None:
        """Forget a server that is no more."""


class Endpoint:
    """A server that commands are sent to, and what is counted of it.

    Attributes:
        address: where it is.
        name: the address as text.
        server: the target of its commands.
        counts: its counts.
    """

    __slots__ = ("address", "counts", "name", "server")

    def __init__(self, address: ServerAddress, server: Server, counts: NodeCounts) -> None:
        self.address = address
        self.name = str(address)
        self.server = server
        self.counts = counts

    def __repr__(self) -> str:
        return f"<Endpoint {self.server!r}>"


class Table:
    """The topology in force, and for each slot the endpoint of its primary.

    Args:
        servers: the deployment's servers.
        counters: what is counted by node.
        remap: address translation, for the addresses in redirections.
        random: gives numbers from 0 up to, but not including, 1.

    Attributes:
        endpoints: for each slot the endpoint of its primary, ``None`` where nobody serves it. It
            stays the same list, changed in place.
        shards: for each slot its shard, likewise.
        topology: what the servers told last; ``None`` before the first time.
    """

    def __init__(
        self,
        servers: ServersOfDeployment,
        counters: Counters,
        remap: Remap,
        random: Callable[[], float],
    ) -> None:
        self.endpoints: list[Endpoint | None] = [None] * SLOT_COUNT
        self.shards: list[Shard | None] = [None] * SLOT_COUNT
        self.topology: Topology | None = None
        self._servers = servers
        self._counters = counters
        self._remap = remap
        self._random = random
        self._known: dict[tuple[ServerAddress, bool], Endpoint] = {}
        self._any: Endpoint | None = None

    def endpoint(self, address: ServerAddress, *, read_only: bool = False) -> Endpoint:
        """The endpoint at an address, the same object each time."""
        endpoint = self._known.get((address, read_only))
        if endpoint is None:
            server = self._servers.at(address, read_only=read_only)
            endpoint = Endpoint(address, server, self._counters.node(address))
            endpoint = self._known.setdefault((address, read_only), endpoint)
        return endpoint

    def use(self, topology: Topology) -> None:
        """Let a topology be in force; connections to servers that left it go."""
        before = self.addresses
        endpoints: list[Endpoint | None] = [None] * SLOT_COUNT
        for shard in topology.shards:
            if shard.primary is not None:
                primary = self.endpoint(shard.primary.address)
                for first, last in shard.ranges:
                    endpoints[first : last + 1] = [primary] * (last + 1 - first)
        self.topology = topology
        self.shards[:] = topology.by_slot
        self.endpoints[:] = endpoints
        present = self.addresses
        if self._any is not None and self._any.address not in self.primaries:
            self._any = None
        for address in before - present:
            self._servers.forget(address)
            for read_only in (False, True):
                self._known.pop((address, read_only), None)

    def moved(self, slot: int, address: ServerAddress) -> Endpoint:
        """One slot has another primary, as a server told; give its endpoint."""
        endpoint = self.endpoint(address)
        if self.endpoints[slot] is not endpoint:
            self.endpoints[slot] = endpoint
            self.shards[slot] = self._shard_of(address)
        return endpoint

    def _shard_of(self, address: ServerAddress) -> Shard:
        for shard in self.topology.shards if self.topology is not None else ():
            if shard.primary is not None and shard.primary.address == address:
                return shard
        return Shard(Node(address))

    def redirection(self, error: AskError, asked: ServerAddress) -> ServerAddress:
        """The address that a redirection names.

        Its host may be empty, which stands for the server that was asked, or ``?`` for one whose
        name the server does not know, which is looked for among the known ones.

        Args:
            error: the redirection, MOVED or ASK.
            asked: the server that sent it.
        """
        host, port = error.host, error.port
        if host == "?":
            for address in self.addresses:
                if address.port == port:
                    return address
        if host in _UNKNOWN_HOSTS:
            host = asked.host
        return self._remap(ServerAddress(host, port))

    @property
    def addresses(self) -> set[ServerAddress]:
        """Of every known node, primaries and replicas."""
        return set() if self.topology is None else {node.address for node in self.topology.nodes}

    @property
    def primaries(self) -> list[ServerAddress]:
        """Of every shard that has one, each once."""
        if self.topology is None:
            return []
        return list(dict.fromkeys([node.address for node in self.topology.primaries]))

    def any_primary(self, tried: Collection[ServerAddress] = ()) -> Endpoint | None:
        """The primary for commands without keys: the same one for as long as it works.

        Args:
            tried: addresses that were tried in vain; where there is no other, one of them.
        """
        present = self._any
        if present is not None and present.address not in tried:
            return present
        candidates = [each for each in self.primaries if each not in tried] or self.primaries
        if not candidates:
            return None
        self._any = self.endpoint(candidates[int(self._random() * len(candidates))])
        return self._any

    def prefer(self, address: ServerAddress | None) -> None:
        """Send commands without keys to this server, where it is one of the primaries."""
        if address in self.primaries:
            self._any = self.endpoint(address)

    def random_primary(self) -> Endpoint | None:
        """A primary by chance."""
        primaries = self.primaries
        if not primaries:
            return None
        return self.endpoint(primaries[int(self._random() * len(primaries))])
