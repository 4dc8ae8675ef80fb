"""Listening for invalidations: a background flow with one connection of its own to each node.

A key's entry was read after its node had been told to report writes to that key, and every report
is handled: so an entry that is there has not been overtaken by a write that the server has
reported. While the connection to a node does not stand, nothing is cached of its keys.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from redis.exceptions import RedisError

from redis_middleware import Call, ClientView, Flow, ServerAddress, Sleep
from redis_middleware.redispy.dedicated import (
    DedicatedConnection,
    known_nodes,
    receive,
    receive_async,
)
from redis_middleware_plugins.local_cache.hearing import RefusedError, check_that_all_is_heard
from redis_middleware_plugins.local_cache.messages import (
    client_ids,
    is_client_list,
    is_invalidation,
    is_topology,
)
from redis_middleware_plugins.local_cache.nodes import (
    FIRST_DELAY,
    LONGEST_DELAY,
    Nodes,
    RestartError,
    ask,
)
from redis_middleware_plugins.local_cache.readers import Readers
from redis_middleware_plugins.local_cache.reports import Reports
from redis_middleware_plugins.local_cache.rules import Rule
from redis_middleware_plugins.local_cache.slots import Slots
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.topology import parse_topology

__all__ = ["Listener"]

logger = logging.getLogger("redis_middleware.local_cache")

_POLL: Final = 0.1
_SILENT_CHECKS: Final = 3
_LOOP_TURN: Final = 0.01
"""Seconds; so long hits in an event loop go on before they look whether a message waits."""
_TURNS: Final = 20


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
        state: ``"connecting"``, ``"on"``, ``"partial"``, ``"lost"`` or ``"refused"``.
        reason: why it is not ``"on"``, or what it fell back to; for people.
        losses: how often a connection that stood was lost.
        reports: the invalidations that came.
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
        self._nodes = Nodes(view, mode, clock)
        self._readers = Readers()
        self._slots = Slots(store, view)
        self._logged = ""
        self._stopped = False
        self._stood = False
        self._ticked = -math.inf
        self.state = "connecting"
        self.reason = "the connection for invalidations is being made"
        self.losses = 0
        self.reports = Reports()

    def stop(self) -> None:
        """Let the flow end soon; what it kept right is kept by nobody then."""
        self._stopped = True

    def guard(self) -> None:
        """Mark those of the rules whose keys the server already reports on."""
        for rule in self._rules():
            rule.guard(on=self._nodes.reports_on(rule), by_reading=self._mode == "tracking")

    # The flow

    def listen(self) -> Flow:
        """The background flow."""
        delay = FIRST_DELAY
        while not self._stopped:
            try:
                yield from self._session()
            except RestartError:
                self._close_cache("connecting", "the connection for invalidations is made anew")
                continue
            except RefusedError as error:
                if self._fall_back_to_ttl:
                    yield from self._without_reports(str(error))
                    return
                self._close_cache("refused", str(error))
            except (RedisError, OSError) as error:
                self.losses += self._stood and not self._view.spans_nodes
                self._close_cache("lost", _words(error), type(error).__name__)
            except BaseException:
                # Interrupted, as by the closing of the client: nobody listens from here on.
                self._close_cache("connecting", "the client was closed; it connects with its use")
                raise
            finally:
                stood, self._stood = self._stood, False
                self._nodes.close()
                self._readers = Readers()
                self._slots.topology = None
            delay = FIRST_DELAY if stood else min(2 * delay, LONGEST_DELAY)
            yield Sleep(delay)

    def _close_cache(self, state: str, reason: str, subject: str = "") -> None:
        dropped = self._store.close()
        for rule in self._rules():
            rule.guard(on=False)
        self._tell(state, reason, subject or reason, f"; {dropped} entries dropped")

    def _tell(self, state: str, reason: str, subject: str, more: str = "") -> None:
        """Note the state, and log it where it is about something new."""
        self.state, self.reason = state, reason
        if state == "connecting" or subject == self._logged:
            return
        self._logged = subject
        if state == "on":
            logger.warning("local_cache is on again")
        else:
            level = logging.ERROR if state == "refused" else logging.WARNING
            how = "on but for some nodes" if state == "partial" else f"off ({state})"
            logger.log(level, "local_cache is %s: %s%s", how, reason, more)

    def _without_reports(self, reason: str) -> Flow:
        logger.warning("local_cache goes by TTL alone, as fall_back_to_ttl allows: %s", reason)
        self.state, self.reason = "on", f"by TTL alone: {reason}"
        while not self._stopped:
            for rule in self._rules():
                rule.guard()
            self._store.trusted_until = math.inf
            self._store.open()
            yield Sleep(_POLL)

    def _session(self) -> Flow:
        """Connect, and handle what comes until everything is lost."""
        next_check = self._clock() + self._check_every
        spans_nodes = self._view.spans_nodes
        while not self._stopped:
            rules = list(self._rules())
            if self._view.spans_nodes is not spans_nodes:
                # Another plugin routes the commands, or has found out where they go.
                raise RestartError
            if not rules or spans_nodes is None or self._awaits_nodes():
                yield Sleep(_POLL)
                continue
            check_that_all_is_heard(self._view, self._mode)
            yield from self._connect(rules)
            if not all(self._nodes.reports_on(rule) for rule in rules):
                yield from self._nodes.add_prefixes(rules)
            self._stands()
            connections = [node.connection for node in self._nodes.standing.values()]
            outcomes = yield Call(
                partial(receive, connections, _POLL), partial(receive_async, connections, _POLL)
            )
            for connection, message in outcomes:
                self._handle(connection, message)
            now = self._clock()
            if now >= next_check:
                next_check = now + self._check_every
                yield from self._check(now)

    def _awaits_nodes(self) -> bool:
        """Whether the cluster's nodes are not known yet: redis.asyncio asks with a command."""
        return bool(self._view.spans_nodes and not self._stood and not known_nodes(self._view))

    def _stands(self) -> None:
        if self._stopped:
            return
        self.guard()
        self._stood = True
        store, nodes = self._store, self._nodes
        self._ticked = now = self._clock()
        store.trusted_until = now + (_LOOP_TURN if self._view.is_async else self._check_every)
        if self._slots.topology is None:
            store.open()
        else:
            self._slots.hear(nodes.standing)
        if nodes.lost:
            lost = {str(address): each.reason for address, each in nodes.lost.items()}
            words = "; ".join(f"{address}: {reason}" for address, reason in lost.items())
            self._tell("partial", f"nothing is heard from {words}", ", ".join(lost))
        else:
            self._tell("on", "", "")

    def _lose(self, address: ServerAddress | None, error: Exception) -> None:
        """Go on without a node of a cluster.

        Raises:
            Exception: the error, where there is no other node.
        """
        if not self._view.spans_nodes:
            raise error
        self.losses += self._nodes.lose(address, _words(error))
        self._readers.forget(address)
        self._slots.hear(self._nodes.standing)

    # Nodes

    def _connect(self, rules: list[Rule]) -> Flow:
        """Connect to each node that is not connected yet."""
        nodes = self._nodes
        if not self._view.spans_nodes:
            if not nodes.standing:
                yield from nodes.connect(None, rules)
            return
        if self._slots.topology is None:
            yield from self._find_topology(rules)
        wanted = self._slots.nodes()
        for gone in [known for known in nodes.standing if known not in wanted]:
            nodes.drop(gone)
            self._readers.forget(gone)
        for gone in [known for known in nodes.lost if known not in wanted]:
            del nodes.lost[gone]
        failure: Exception | None = None
        for node in wanted:
            if node not in nodes.standing and nodes.is_due(node):
                try:
                    yield from nodes.connect(node, rules)
                except (RedisError, OSError) as error:
                    failure = error
                    self._lose(node, error)
        if not nodes.standing:
            raise failure or ConnectionError("no node of the cluster is reached")

    def _find_topology(self, rules: list[Rule]) -> Flow:
        failure: Exception = ConnectionError("the cluster client knows no nodes")
        for address in known_nodes(self._view):
            try:
                yield from self._nodes.connect(address, rules)
                reply = yield ask(self._nodes.standing[address].connection, "CLUSTER", "SLOTS")
            except (RedisError, OSError) as error:
                self._nodes.drop(address)
                failure = error
                continue
            self._slots.topology = parse_topology(reply, address)
            return
        raise failure

    def _check(self, now: float) -> Flow:
        """Ask every connection for a sign of life, and one of a cluster's nodes for the slots."""
        limit = _SILENT_CHECKS * self._check_every
        asks_slots = self._view.spans_nodes
        for address, node in list(self._nodes.standing.items()):
            connection, behind = node.connection, now - next(iter(node.asked), now)
            try:
                if behind > limit:
                    raise TimeoutError(f"{connection.address} did not answer for {behind:.1f} s")
                yield node.ask(now, *(("CLUSTER", "SLOTS") if asks_slots else ("PING",)))
                asks_slots = False
                readers = self._readers.ask_for(address)
                if readers:
                    yield node.ask(now, "CLIENT", "LIST", "ID", *readers)
            except (RedisError, OSError) as error:
                self._lose(address, error)
        if not self._view.spans_nodes:
            connected = self._nodes.standing[None].connection.address
            wanted = self._view.address_of()
            if connected is not None and wanted is not None and wanted != connected:
                raise ConnectionError(f"the client has moved from {connected} to {wanted}")

    # Messages

    def _handle(self, connection: DedicatedConnection, message: Any) -> None:
        try:
            address = self._nodes.address_of(connection)
        except KeyError:
            # It was lost by an earlier message of the same moment.
            return
        if isinstance(message, Exception):
            self._lose(address, message)
            return
        if is_invalidation(message):
            self.reports.handle(message, self._store)
            return
        self._nodes.standing[address].answered()
        if is_topology(message) and address is not None:
            self._slots.follow(message, address, self._nodes.standing)
        elif is_client_list(message) and self._readers.gone(address, client_ids(message)):
            dropped = self._store.clear()
            logger.info("a connection of the pool ended; %d entries dropped", dropped)

    # What reads ask

    def told_by(self, address: ServerAddress | None) -> int | None:
        """In tracking mode the connection that a node is to report to; ``None`` without one."""
        node = self._nodes.standing.get(address)
        return None if node is None else node.client_id

    def read_over(self, address: ServerAddress | None, connection_id: int) -> None:
        """Note that something was read, in tracking mode, over this connection of the pool."""
        self._readers.add(address, connection_id)

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
                nodes = list(self._nodes.standing.values())
                if not any(node.connection.has_pending() for node in nodes):
                    self._store.trusted_until = self._clock() + _LOOP_TURN
                    return True
                yield Sleep(0)
        return False


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
