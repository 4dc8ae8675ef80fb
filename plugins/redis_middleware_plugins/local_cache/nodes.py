"""The connections for invalidations: one to each node, which is told to report on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from redis_middleware import Call, ClientView, Flow, ServerAddress
from redis_middleware.redispy.dedicated import DedicatedConnection
from redis_middleware.redispy.steps import call_of
from redis_middleware_plugins.local_cache.hearing import BY_TTL_ALONE, RefusedError
from redis_middleware_plugins.local_cache.messages import CHANNEL
from redis_middleware_plugins.local_cache.rules import Rule, broadcast_prefixes, is_covered

__all__ = [
    "FIRST_DELAY",
    "LONGEST_DELAY",
    "Node",
    "Nodes",
    "RestartError",
    "ask",
]

Address = ServerAddress | None

_CONNECT_WITHIN: Final = 5.0
_RECONNECT_WITHIN: Final = (0.5, 2.0)
"""Seconds, at first and at most: as long as one node is connected, the others' messages wait."""
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 10.0


class RestartError(Exception):
    """The connections must be made anew."""


class Node:
    """A connection that stands.

    Attributes:
        connection: the connection.
        client_id: in tracking mode its id at the server, which other connections are redirected to.
        asked: when what the server has not answered yet was asked, by the clock. It answers and
            reports in order: whoever is answered knows of all that was reported before.
    """

    __slots__ = ("asked", "client_id", "connection")

    def __init__(self, connection: DedicatedConnection, client_id: int | None) -> None:
        self.connection = connection
        self.client_id = client_id
        self.asked: deque[float] = deque()

    def ask(self, now: float, *args: Any) -> Call:
        """What a flow yields to send a command whose reply comes among the messages."""
        self.asked.append(now)
        connection = self.connection
        return call_of(connection.send(*args))

    def answered(self) -> None:
        """A reply came."""
        if self.asked:
            self.asked.popleft()


class _Lost:
    """A node that could not be reached.

    Attributes:
        reason: why, in words.
        delay: seconds between the last two attempts.
        next_try: the reading of the clock of the next one.
    """

    __slots__ = ("delay", "next_try", "reason")

    def __init__(self, reason: str, delay: float, now: float) -> None:
        self.reason = reason
        self.delay = delay
        self.next_try = now + delay


class Nodes:
    """The nodes of a client's servers: ``None`` stands for the only one outside of a cluster.

    Args:
        view: the client.
        mode: ``"broadcast"`` or ``"tracking"``.
        clock: seconds from any fixed point.

    Attributes:
        standing: the connections that stand.
        lost: the nodes that could not be reached.
        prefixes: in broadcast mode what the nodes were told to report on.
    """

    def __init__(self, view: ClientView, mode: str, clock: Callable[[], float]) -> None:
        self._view = view
        self._mode = mode
        self._clock = clock
        self.standing: dict[Address, Node] = {}
        self.lost: dict[Address, _Lost] = {}
        self.prefixes: list[bytes] = []

    def address_of(self, connection: DedicatedConnection) -> Address:
        """The node of a connection.

        Raises:
            KeyError: the connection does not stand any more.
        """
        for address, node in self.standing.items():
            if node.connection is connection:
                return address
        raise KeyError(connection)

    def connect(self, address: Address, rules: list[Rule]) -> Flow:
        """A flow that connects to a node and tells it to report.

        Raises:
            RefusedError: the node does not do that.
            RedisError: it was not reached, or failed.
            OSError: likewise.
        """
        # Only RESP3 lets a connection that is told of invalidations send other commands too.
        needs_commands = self._view.spans_nodes or self._mode == "tracking"
        connection = DedicatedConnection(
            self._view, address, 3 if needs_commands else None, within=self._patience(address)
        )
        try:
            yield call_of(connection.open())
            client_id = yield from self._subscribe(connection, rules)
        except BaseException:
            connection.close()
            raise
        self.lost.pop(address, None)
        self.standing[address] = Node(connection, client_id)

    def _patience(self, address: Address) -> float:
        if not self.standing:
            return _CONNECT_WITHIN
        first, most = _RECONNECT_WITHIN
        lost = self.lost.get(address)
        return first if lost is None else min(max(first, lost.delay), most)

    def _subscribe(self, connection: DedicatedConnection, rules: list[Rule]) -> Flow:
        client_id = None
        try:
            if self._mode == "tracking" or not connection.resp3:
                client_id = int((yield ask(connection, "CLIENT", "ID")))
            if self._mode == "broadcast":
                prefixes = self.prefixes or broadcast_prefixes(rules)
                redirect = () if client_id is None else ("REDIRECT", client_id)
                options = (*redirect, *_broadcast(prefixes))
                yield ask(connection, "CLIENT", "TRACKING", "ON", *options)
                self.prefixes = prefixes
            if not connection.resp3:
                yield ask(connection, "SUBSCRIBE", CHANNEL)
        except AuthenticationError:
            raise
        except ResponseError as error:
            raise RefusedError(_refusal(connection, error)) from error
        return client_id

    def add_prefixes(self, rules: list[Rule]) -> Flow:
        """A flow that asks for reports on the keys of new rules too.

        Raises:
            RestartError: that takes new connections.
        """
        wanted = broadcast_prefixes(rules)
        added = [prefix for prefix in wanted if not is_covered(prefix, self.prefixes)]
        clash = any(is_covered(known, added) for known in self.prefixes)
        nodes = list(self.standing.values())
        if clash or not all(node.connection.resp3 for node in nodes):
            # The server takes no prefix that covers another one; RESP2 takes no more commands.
            raise RestartError
        for node in nodes:
            yield ask(node.connection, "CLIENT", "TRACKING", "ON", *_broadcast(added))
        self.prefixes = [*self.prefixes, *added]

    def reports_on(self, rule: Rule) -> bool:
        """Whether the nodes that stand report on the keys of a rule."""
        return self._mode == "tracking" or is_covered(rule.prefix, self.prefixes)

    def is_due(self, address: Address) -> bool:
        """Whether a node that does not stand is to be connected now."""
        lost = self.lost.get(address)
        return lost is None or self._clock() >= lost.next_try

    def lose(self, address: Address, reason: str) -> bool:
        """A node was lost, or could not be connected; whether it stood."""
        stood = self.drop(address)
        before = self.lost.get(address)
        delay = FIRST_DELAY if before is None else min(2 * before.delay, LONGEST_DELAY)
        self.lost[address] = _Lost(reason, delay, self._clock())
        return stood

    def drop(self, address: Address) -> bool:
        """Close the connection to a node that is not wanted any more; whether it stood."""
        node = self.standing.pop(address, None)
        if node is not None:
            node.connection.close()
        return node is not None

    def close(self) -> None:
        """Close all connections, and forget everything."""
        for address in list(self.standing):
            self.drop(address)
        self.lost.clear()
        self.prefixes = []


def ask(connection: DedicatedConnection, *args: Any) -> Call:
    """What a flow yields to send a command and be given its reply."""
    return call_of(connection.call(*args))


def _broadcast(prefixes: Iterable[bytes]) -> Iterator[Any]:
    yield "BCAST"
    for prefix in prefixes:
        if prefix:
            yield from ("PREFIX", prefix)


def _refusal(connection: DedicatedConnection, error: Exception) -> str:
    problem = (
        "the user may not do it (its ACL needs +client|tracking and +client|id)"
        if isinstance(error, NoPermissionError)
        else "it is as old as Redis 5, or behind a proxy"
    )
    return f"{connection.address} refuses CLIENT TRACKING: {problem}: {error}; {BY_TTL_ALONE}"
