"""Listening for invalidations: a background flow with one connection of its own to each node.

While any of the connections it needs does not stand, nothing is cached. A key's entry was read
after the server had been told to report writes to that key, and every report is handled: so an
entry that is there has not been overtaken by a write that the server has reported.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from redis_middleware import Call, ClientView, Flow, ServerAddress, Sleep
from redis_middleware.redispy.dedicated import (
    DedicatedConnection,
    known_nodes,
    reads_from_replicas,
    receive,
    receive_async,
)
from redis_middleware_plugins.local_cache.messages import (
    CHANNEL,
    Topology,
    client_ids,
    invalidated_keys,
    is_client_list,
    is_invalidation,
    is_topology,
    parse_topology,
    slot_is_in,
)
from redis_middleware_plugins.local_cache.rules import Rule, broadcast_prefixes, is_covered
from redis_middleware_plugins.local_cache.store import Store

__all__ = ["Listener", "RefusedError"]

logger = logging.getLogger("redis_middleware.local_cache")

_POLL: Final = 0.1
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 10.0
_SILENT_CHECKS: Final = 3
_LOOP_TURN: Final = 0.01
"""Seconds; so long hits in an event loop go on before they look whether a message waits."""
_TURNS: Final = 20


class _RestartError(Exception):
    """The connections must be made anew."""


class RefusedError(Exception):
    """The server does not do what is needed for invalidations."""


class Listener:
    """Keeps a cache right by what the servers report.

    Args:
        store: what is kept right.
        rules: gives the rules in force.
        view: the client.
        mode: ``"broadcast"`` or ``"tracking"``.
        check_every: seconds between two checks of each connection.
        fall_back_to_ttl: whether to cache without reports where the server refuses them.
        clock: seconds from any fixed point.

    Attributes:
        state: ``"connecting"``, ``"on"``, ``"lost"`` or ``"refused"``.
        reason: why it is not ``"on"``, or what it fell back to; for people.
        losses: how often connections that stood were lost.
        messages: how many invalidations came.
        malformed: how many of them made no sense.
        client_ids: in tracking mode the connection that each node is to report to.
    """

    def __init__(
        self,
        store: Store,
        rules: Callable[[], Iterable[Rule]],
        view: ClientView,
        mode: str,
        *,
        check_every: float,
        fall_back_to_ttl: bool,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._rules = rules
        self._view = view
        self._mode = mode
        self._check_every = check_every
        self._fall_back_to_ttl = fall_back_to_ttl
        self._clock = clock
        self._prefixes: list[bytes] = []
        self._heard: dict[ServerAddress | None, float] = {}
        self._connections: dict[ServerAddress | None, DedicatedConnection] = {}
        self._topology: Topology | None = None
        self._logged = ""
        self._stopped = False
        self._stood = False
        self._ticked = -math.inf
        self.state = "connecting"
        self.reason = "the connection for invalidations is being made"
        self.losses = 0
        self.messages = 0
        self.malformed = 0
        self.client_ids: dict[ServerAddress | None, int] = {}
        self._readers: dict[ServerAddress | None, set[int]] = {}
        self._asked_for: dict[ServerAddress | None, set[int]] = {}

    def stop(self) -> None:
        """Let the flow end soon; what it kept right is kept by nobody then."""
        self._stopped = True

    def guard(self) -> None:
        """Mark those of the rules whose keys the server already reports on."""
        for rule in self._rules():
            rule.is_guarded = self._mode == "tracking" or is_covered(rule.prefix, self._prefixes)

    def listen(self) -> Flow:
        """The background flow."""
        delay = _FIRST_DELAY
        while not self._stopped:
            try:
                yield from self._session()
            except _RestartError:
                self._close_cache("connecting", "the connection for invalidations is made anew")
                continue
            except RefusedError as error:
                if self._fall_back_to_ttl:
                    yield from self._without_reports(str(error))
                    return
                self._close_cache("refused", str(error))
            except (RedisError, OSError) as error:
                self._close_cache("lost", f"{type(error).__name__}: {error}")
            except BaseException:
                # Interrupted, as by the closing of the client: nobody listens from here on.
                self._close_cache("connecting", "the client was closed; it connects with its use")
                raise
            finally:
                stood = self._disconnect()
            delay = _FIRST_DELAY if stood else min(2 * delay, _LONGEST_DELAY)
            yield Sleep(delay)

    def _close_cache(self, state: str, reason: str) -> None:
        if self.state == "on" and state == "lost":
            self.losses += 1
        self.state, self.reason = state, reason
        dropped = self._store.close()
        for rule in self._rules():
            rule.is_guarded = False
        text = f"local_cache is off ({state}): {reason}; {dropped} entries dropped"
        if state != "connecting" and reason != self._logged:
            self._logged = reason
            logger.error(text) if state == "refused" else logger.warning(text)

    def _without_reports(self, reason: str) -> Flow:
        logger.warning("local_cache goes by TTL alone, as fall_back_to_ttl allows: %s", reason)
        self.state, self.reason = "on", f"by TTL alone: {reason}"
        while not self._stopped:
            for rule in self._rules():
                rule.is_guarded = True
            self._store.open()
            self._store.trusted_until = math.inf
            yield Sleep(_POLL)

    def _disconnect(self) -> bool:
        """Close the connections; whether they all stood."""
        stood, self._stood = self._stood, False
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._heard.clear()
        self._prefixes = []
        self.client_ids = {}
        self._readers = {}
        self._asked_for = {}
        self._topology = None
        return stood

    def _session(self) -> Flow:
        """Connect, and handle what comes until something is lost."""
        next_check = self._clock() + self._check_every
        while not self._stopped:
            rules = list(self._rules())
            if not rules:
                yield Sleep(_POLL)
                continue
            yield from self._connect_all(rules)
            if self._mode == "broadcast" and not all(
                is_covered(rule.prefix, self._prefixes) for rule in rules
            ):
                yield from self._add_prefixes(rules)
            self._stands()
            connections = list(self._connections.values())
            outcomes = yield Call(
                partial(receive, connections, _POLL), partial(receive_async, connections, _POLL)
            )
            for connection, message in outcomes:
                self._handle(connection, message)
            now = self._clock()
            if now >= next_check:
                next_check = now + self._check_every
                yield from self._check(now)

    def _stands(self) -> None:
        if self._stopped:
            return
        self.guard()
        self._stood = True
        store = self._store
        self._ticked = now = self._clock()
        store.trusted_until = now + (_LOOP_TURN if self._view.is_async else self._check_every)
        if self.state != "on" or not store.is_open:
            self.state, self.reason = "on", ""
            if self._logged:
                logger.warning("local_cache is on again")
                self._logged = ""
            store.open()

    def read_over(self, node: ServerAddress | None, connection_id: int) -> None:
        """Note that something was read, in tracking mode, over this connection of the pool."""
        readers = self._readers.setdefault(node, set())
        if connection_id not in readers:
            self._readers[node] = {*readers, connection_id}

    def regain_trust(self) -> Flow:
        """Make sure, off the path of most hits, that this flow is at work; returns whether it is.

        An event loop whose tasks never wait, as those that are answered from memory, would not let
        it come to its turn.
        """
        now = self._clock()
        if now >= self._ticked + self._check_every:
            return False
        if self._view.is_async:
            for _ in range(_TURNS):
                if not any(each.has_pending() for each in self._connections.values()):
                    self._store.trusted_until = self._clock() + _LOOP_TURN
                    return True
                yield Sleep(0)
        return False

    def _connect_all(self, rules: list[Rule]) -> Flow:
        """Connect to each node that is not connected yet."""
        if not self._view.is_cluster:
            if not self._connections:
                yield from self._connect(None, rules)
            return
        if self._topology is None:
            yield from self._find_topology(rules)
        assert self._topology is not None
        wanted = self._wanted(self._topology)
        for gone in [known for known in self._connections if known not in wanted]:
            self._connections.pop(gone).close()
            self._heard.pop(gone, None)
            self.client_ids.pop(gone, None)
        missing = [node for node in wanted if node not in self._connections]
        if missing:
            # What is read from a node that does not report yet must not be kept.
            self._store.hold()
            for node in missing:
                yield from self._connect(node, rules)
            self._store.resume()

    def _wanted(self, topology: Topology) -> list[ServerAddress]:
        replicas = topology.replicas if reads_from_replicas(self._view) else []
        return [*topology.primaries, *replicas]

    def _find_topology(self, rules: list[Rule]) -> Flow:
        failure: Exception = ConnectionError("the cluster client knows no nodes")
        for node in known_nodes(self._view):
            try:
                yield from self._connect(node, rules)
                connection = self._connections[node]
                reply = yield Call(
                    partial(connection.call, "CLUSTER", "SLOTS"),
                    partial(connection.call_async, "CLUSTER", "SLOTS"),
                )
            except (RedisError, OSError) as error:
                failure = error
                continue
            self._topology = parse_topology(reply, node)
            return
        raise failure

    def _connect(self, node: ServerAddress | None, rules: list[Rule]) -> Flow:
        # Only RESP3 lets a connection that is told of invalidations send other commands too.
        needs_commands = self._view.is_cluster or self._mode == "tracking"
        protocol = 3 if needs_commands else None
        connection = DedicatedConnection(self._view, node, protocol)
        try:
            yield Call(connection.open, connection.open_async)
            yield from self._subscribe(connection, node, rules)
        except BaseException:
            connection.close()
            raise
        self._connections[node] = connection
        self._heard[node] = self._clock()

    def _subscribe(
        self, connection: DedicatedConnection, node: ServerAddress | None, rules: list[Rule]
    ) -> Flow:
        def ask(*args: Any) -> Flow:
            return (
                yield Call(partial(connection.call, *args), partial(connection.call_async, *args))
            )

        try:
            if self._mode == "tracking" or not connection.resp3:
                client_id = int((yield from ask("CLIENT", "ID")))
            if self._mode == "broadcast":
                prefixes = self._prefixes or broadcast_prefixes(rules)
                redirect = () if connection.resp3 else ("REDIRECT", client_id)
                yield from ask("CLIENT", "TRACKING", "ON", *redirect, *_broadcast(prefixes))
                self._prefixes = prefixes
            else:
                self.client_ids[node] = client_id
            if not connection.resp3:
                yield from ask("SUBSCRIBE", CHANNEL)
        except AuthenticationError:
            raise
        except ResponseError as error:
            raise RefusedError(_refusal(connection, error)) from error

    def _add_prefixes(self, rules: list[Rule]) -> Flow:
        """Ask for reports on the keys of new rules, on the connections that stand."""
        wanted = broadcast_prefixes(rules)
        added = [prefix for prefix in wanted if not is_covered(prefix, self._prefixes)]
        clash = any(is_covered(known, added) for known in self._prefixes)
        if clash or not all(connection.resp3 for connection in self._connections.values()):
            # The server takes no prefix that covers another one; RESP2 takes no more commands.
            raise _RestartError
        for connection in self._connections.values():
            args = ("CLIENT", "TRACKING", "ON", *_broadcast(added))
            yield Call(partial(connection.call, *args), partial(connection.call_async, *args))
        self._prefixes = [*self._prefixes, *added]

    def _handle(self, connection: DedicatedConnection, message: Any) -> None:
        if isinstance(message, Exception):
            raise message
        node = next(known for known, own in self._connections.items() if own is connection)
        self._heard[node] = self._clock()
        if is_invalidation(message):
            self._invalidate(message)
        elif is_topology(message) and node is not None:
            self._follow(message, node)
        elif is_client_list(message):
            self._look_for_readers(client_ids(message), node)

    def _look_for_readers(self, there: set[int], node: ServerAddress | None) -> None:
        """Drop everything if a connection is gone that something was read over.

        The server forgets what a connection read when that ends, and tells nobody.
        """
        gone = self._asked_for.pop(node, set()) - there
        if gone:
            self._readers[node] = self._readers.get(node, set()) - gone
            dropped = self._store.clear()
            logger.info("a connection of the pool ended; %d entries dropped", dropped)

    def _invalidate(self, message: list[Any]) -> None:
        self.messages += 1
        store = self._store
        try:
            keys = invalidated_keys(message)
        except ValueError as error:
            self.malformed += 1
            store.clear()
            logger.warning(
                "an invalidation message made no sense, so everything was dropped: %s", error
            )
            return
        if keys is None:
            store.clear()
        else:
            store.invalidate(keys)

    def _follow(self, reply: list[Any], node: ServerAddress) -> None:
        """Drop what moved to another node, and go on with the nodes that there are now."""
        before = self._topology
        if before is None or reply == before.reply:
            return
        self._topology = parse_topology(reply, node)
        moved = self._topology.moved(before)
        if moved:
            dropped = self._store.invalidate_where(partial(slot_is_in, moved))
            logger.info("%d slots moved; %d entries dropped", len(moved), dropped)

    def _check(self, now: float) -> Flow:
        """Ask every connection for a sign of life, and one of a cluster's nodes for the slots."""
        limit = _SILENT_CHECKS * self._check_every
        asks_slots = self._view.is_cluster
        for node, connection in self._connections.items():
            silent = now - self._heard[node]
            if silent > limit:
                raise TimeoutError(f"{connection.address} has been silent for {silent:.1f} s")
            args: tuple[Any, ...] = ("CLUSTER", "SLOTS") if asks_slots else ("PING",)
            asks_slots = False
            yield Call(partial(connection.send, *args), partial(connection.send_async, *args))
            readers = self._readers.get(node)
            if readers:
                self._asked_for[node] = readers
                args = ("CLIENT", "LIST", "ID", *readers)
                yield Call(partial(connection.send, *args), partial(connection.send_async, *args))
        if not self._view.is_cluster:
            connected = self._connections[None].address
            wanted = self._view.address_of()
            if connected is not None and wanted is not None and wanted != connected:
                raise ConnectionError(f"the client has moved from {connected} to {wanted}")


def _broadcast(prefixes: list[bytes]) -> Iterator[Any]:
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
    return (
        f"{connection.address} refuses CLIENT TRACKING: {problem}: {error}; to cache by TTL alone "
        'set invalidation = "ttl" or fall_back_to_ttl = true'
    )
