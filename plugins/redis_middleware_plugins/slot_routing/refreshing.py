"""Asking the servers for the topology: one at a time, by one caller, and not too often."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from redis_middleware import Call, Command, Flow, Sleep
from redis_middleware.redispy.servers import Server
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.parsing import (
    Remap,
    details_of_shards,
    topology_of_shards,
    topology_of_slots,
)
from redis_middleware_plugins.slot_routing.table import ServersOfDeployment, Table
from redis_middleware_plugins.slot_routing.topology import Topology

__all__ = ["NotAClusterError", "Refreshing", "Seeds"]

logger = logging.getLogger("redis_middleware.slot_routing")

Seeds = Callable[[], Sequence[ServerAddress | None]]
"""Gives addresses; ``None`` for where the client itself, or the deployment's URL, points."""

_INCOMPLETE_AT_MOST: Final = 5
"""Of so many servers that know no primary for some slots the best is taken."""


class NotAClusterError(ResponseError):
    """A server said that it is no part of a cluster, or does not answer questions about one.

    Attributes:
        is_refused: whether it does not let this user ask.
    """

    is_refused = False


class Refreshing:
    """Keeps a table up to date.

    Args:
        table: the table.
        servers: the deployment's servers.
        command: makes a command, as ``ClientView.command`` does.
        remap: address translation.
        seeds: gives addresses to ask besides those that are known.
        interval: seconds from the begin of one refresh to that of the next, at least.
        clock: seconds from any fixed point.
        random: gives numbers from 0 up to, but not including, 1.
        wants_details: whether CLUSTER SHARDS is asked too, for what reading from replicas needs.
        start: runs a flow in the background.

    Attributes:
        interval: seconds from the begin of one refresh to that of the next, at least.
        count: how many refreshes have begun.
    """

    def __init__(
        self,
        table: Table,
        servers: ServersOfDeployment,
        command: Callable[..., Command],
        *,
        remap: Remap,
        seeds: Seeds,
        interval: float,
        clock: Callable[[], float],
        random: Callable[[], float],
        wants_details: bool,
        start: Callable[[Callable[[], Flow]], None],
    ) -> None:
        self.count = 0
        self._table = table
        self._servers = servers
        self._command = command
        self._remap = remap
        self._seeds = seeds
        self.interval = interval
        self._clock = clock
        self._random = random
        self._wants_details = wants_details
        self._start = start
        self._failure: RedisError | None = None
        self._lost: set[ServerAddress] = set()
        self._hint: ServerAddress | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked child: whoever refreshed is not in this process."""
        self._lock = threading.Lock()
        self._is_running = False
        self._is_requested = False
        self._next = 0.0 if not self.count else self._clock()

    def request(self, hint: ServerAddress | None = None) -> None:
        """Have the table refreshed in the background, soon.

        Args:
            hint: a server that knows more than the table: it is asked first.
        """
        with self._lock:
            self._hint = hint or self._hint
            if self._is_requested:
                return
            self._is_requested = True
        self._start(self._in_background)

    def _in_background(self) -> Flow:
        try:
            while (wait := self._next - self._clock()) > 0 or self._is_running:
                yield Sleep(max(wait, self.interval / 4))
        finally:
            # What is requested from now on is not answered by what is about to be asked.
            self._is_requested = False
        try:
            yield from self.refresh()
        except RedisError:
            # It is logged; whoever needs the table asks himself.
            return

    def refresh(self) -> Generator[Any, Any, bool]:
        """Refresh the table now, unless somebody is at it or was a moment ago.

        Returns:
            Whether this call did it; else the caller waits a moment and looks again.

        Raises:
            NotAClusterError: the servers are no cluster.
            RedisError: no server gave a topology, now or a moment ago: it names each.
        """
        with self._lock:
            if self._is_running:
                return False
            if self._clock() < self._next:
                if self._failure is not None and self._table.topology is None:
                    raise _alike(self._failure)
                return False
            self._is_running = True
            self._next = self._clock() + self.interval
            self.count += 1
        try:
            topology = yield from self._asked()
        except RedisError as error:
            if self._failure is None and not isinstance(error, NotAClusterError):
                logger.warning("the topology cannot be refreshed: %s", error)
            self._failure = _alike(error)
            raise
        else:
            self._failure = None
            self._table.use(topology)
            self._lost.intersection_update(self._table.addresses)
            return True
        finally:
            self._is_running = False

    def lost(self, address: ServerAddress) -> None:
        """A server could not be reached: it is asked last, until it answers again."""
        self._lost.add(address)

    def told_by(self, address: ServerAddress) -> Generator[Any, Any, Topology]:
        """The topology as one server has it now.

        Raises:
            RedisError: it does not tell.
        """
        return (yield from self._ask(self._servers.at(address)))

    def _asked(self) -> Generator[Any, Any, Topology]:
        best: tuple[int, Topology] | None = None
        incomplete = 0
        failures: dict[str, RedisError | OSError] = {}
        for server in self._in_turn():
            try:
                topology = yield from self._ask(server)
            except (RedisError, OSError, ValueError) as error:
                failures[str(server.address)] = (
                    ResponseError(str(error)) if isinstance(error, ValueError) else error
                )
                if server.address is not None:
                    self.lost(server.address)
                continue
            if server.address is not None:
                self._lost.discard(server.address)
            missing = topology.by_slot.count(None)
            if best is None or missing < best[0]:
                best = missing, topology
            incomplete += 1
            if not missing or incomplete == _INCOMPLETE_AT_MOST:
                break
        if best is None:
            try:
                raise _failure_of(failures)
            finally:
                # The traceback holds this frame.
                del failures
        return best[1]

    def _in_turn(self) -> Iterator[Server]:
        """The servers to ask, each once: the one with news, the known ones by chance, the seeds."""
        hint, self._hint = self._hint, None
        known: list[ServerAddress | None] = [*self._table.addresses]
        known.sort(key=lambda _: self._random())
        order = [*known, *self._seeds()] if hint is None else [hint, *known, *self._seeds()]
        order.sort(key=lambda address: address in self._lost)
        asked = set()
        for address in order:
            server = self._servers.at(address)
            if address is None and server.address is not None and server.address.port is not None:
                # The client's own pool would try for seconds, while the next seed may answer.
                server = self._servers.at(server.address)
            if server.address not in asked:
                asked.add(server.address)
                yield server

    def _ask(self, server: Server) -> Generator[Any, Any, Topology]:
        asked = server.address or ServerAddress("", None)
        try:
            slots = yield from self._sent(server, "SLOTS")
        except ResponseError as error:
            if "unknown" not in str(error).lower() and not isinstance(error, NoPermissionError):
                # Not a cluster, or a proxy that knows no such command.
                raise _not_a_cluster(error) from error
            try:
                # Servers may have the other one no more, or this user may ask for this one only.
                shards = yield from self._sent(server, "SHARDS")
            except ResponseError:
                raise _not_a_cluster(error) from error
            return topology_of_shards(shards, asked, self._remap, tls=_uses_tls(server))
        details = None
        if self._wants_details:
            try:
                shards = yield from self._sent(server, "SHARDS")
                details = details_of_shards(shards, asked)
            except ResponseError:
                # Servers that do not have it yet: the replicas' health is not known then.
                details = None
        return topology_of_slots(slots, asked, self._remap, details)

    def _sent(self, server: Server, what: str) -> Generator[Any, Any, Any]:
        command = self._command("CLUSTER", what, NEVER_DECODE=True)

        def send() -> Any:
            return server.send(command)

        return (yield Call(send, send))


def _uses_tls(server: Server) -> bool:
    return "ssl" in server.pool.connection_class.__name__.lower()


def _not_a_cluster(refusal: ResponseError) -> NotAClusterError:
    error = NotAClusterError(str(refusal))
    error.is_refused = isinstance(refusal, NoPermissionError)
    return error


def _alike(error: RedisError) -> RedisError:
    """The same error but for its traceback and its causes, whose frames hold clients."""
    other = type(error).__new__(type(error), *error.args)
    vars(other).update(vars(error))
    return other


def _failure_of(failures: dict[str, RedisError | OSError]) -> RedisError:
    """The error for what no server answered: each with what came of it."""
    errors = list(failures.values())
    if not errors:
        return ConnectionError("no server of the cluster is known yet")
    first = errors[0]
    is_no_cluster = all(isinstance(error, NotAClusterError) for error in errors)
    if isinstance(first, RedisError) and (is_no_cluster or len(errors) == 1):
        return first
    told = "; ".join(f"{address}: {error}" for address, error in failures.items())
    message = f"no server gave the cluster's topology: {told}"
    refused = all(isinstance(error, AuthenticationError) for error in errors)
    return (AuthenticationError if refused else ConnectionError)(message)
