"""What is known of the replicas: whether they can be read, and how far behind they are.

Every ``check_every`` seconds the primaries are asked with INFO replication for the offset of their
replication stream, and then, when those replies are there, the replicas for theirs. What a replica
had applied is compared with what its primary had written *before* the replica was asked:

- **Seconds.** The primary told offset P in reply to a question sent at the time t. Everything that
  was written before t is within P. A replica of the same replication stream that tells an offset of
  P or more has all of it, and keeps it: what it answers from then on is at no time older than t. So
  with ``max_lag_seconds = 5`` a replica is read only while the newest such t is at most 5 seconds
  ago. That is a guarantee, by this process's monotonic clock, for every read that is sent, for as
  long as its primary has the stream; it does not bring back what a fail-over lost.
- **Bytes.** ``max_lag_bytes`` bounds P less the replica's offset at the last measurement, which is
  at most three checks old. What was written since then is not bounded.

A replica that does not answer, whose link to its primary is down, that is being synchronised, or
that follows another stream than its shard's primary, is not read.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis.exceptions import BusyLoadingError, MasterDownError, ResponseError

from redis_middleware.command import Command
from redis_middleware.flow import Flow, Sleep
from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.topology import Node, Topology

__all__ = ["Bounds", "ReplicaStates"]

logger = logging.getLogger("redis_middleware.slot_routing")

_MEASUREMENTS: Final = 64
"""How many of a primary's measurements are kept: a replica further behind has no known age."""

_SECONDS_BETWEEN_REFRESHES: Final = 30.0

_UNKNOWN: Final = float("-inf")


class Bounds(NamedTuple):
    """How far behind a replica may be.

    Attributes:
        lag_bytes: bytes of the replication stream; ``None``: it does not matter.
        lag_seconds: seconds; ``None``: it does not matter.
    """

    lag_bytes: int | None = None
    lag_seconds: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any bound."""
        return self.lag_bytes is not None or self.lag_seconds is not None


class _Measured(NamedTuple):
    """A primary's offset, and when the question for it was sent."""

    at: float
    stream: str
    offset: int


class _State(NamedTuple):
    """What a replica told last.

    Attributes:
        is_in_step: its link to its primary is up, and it is not being synchronised.
        measured: when the primary's offset was asked for that this one is compared with.
        lag: bytes that it lacked of that; ``None`` where it cannot be compared.
        complete_until: it has everything that was written before this time.
    """

    is_in_step: bool
    measured: float
    lag: int | None
    complete_until: float


class ReplicaStates:
    """The state of every replica, as measured last.

    Args:
        check_every: seconds between two measurements.
        clock: seconds from any fixed point; never set back.
    """

    def __init__(
        self, check_every: float = 1.0, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.check_every = check_every
        self._clock = clock
        self._states: dict[ServerAddress, _State] = {}
        self._primaries: dict[ServerAddress, deque[_Measured]] = {}
        self._lost: dict[ServerAddress, float] = {}
        self._refused: set[ServerAddress] = set()
        self._is_stopped = False

    def is_readable(self, node: Node, bounds: Bounds, now: float) -> bool:
        """Whether a replica can be read within bounds.

        What was measured counts more than what the topology has, which may be old. Without bounds
        a replica of which nothing was measured yet can be read if its cluster has it as online;
        with bounds it cannot.
        """
        if node.address in self._lost:
            return False
        state = self._states.get(node.address)
        if state is None:
            return node.health == "online" and not bounds.are_set
        if not state.is_in_step:
            return False
        if bounds.lag_seconds is not None and now - state.complete_until > bounds.lag_seconds:
            return False
        return bounds.lag_bytes is None or (
            state.lag is not None
            and state.lag <= bounds.lag_bytes
            and now - state.measured <= 3 * self.check_every
        )

    def lost(self, address: ServerAddress) -> None:
        """Do not read a replica that did not answer, until it answers the next measurement."""
        self._lost[address] = self._clock()

    def watch(
        self,
        topology: Callable[[], Topology | None],
        server_of: Callable[[Node], Any],
        command: Callable[..., Command],
        refresh: Callable[[], object],
    ) -> Flow:
        """The background flow that measures, until it is stopped.

        Args:
            topology: gives the present topology; ``None`` while there is none.
            server_of: gives the target for a node.
            command: makes a command, as ``ClientView.command`` does.
            refresh: called every half minute: nothing tells a client that there is a new replica,
                as MOVED tells of a new primary.
        """
        refreshed = self._clock()
        while not self._is_stopped:
            present = topology()
            if present is not None:
                yield from self.measure(present, server_of, command)
            if self._clock() - refreshed >= _SECONDS_BETWEEN_REFRESHES:
                refreshed = self._clock()
                refresh()
            yield Sleep(self.check_every)

    def stop(self) -> None:
        """End the background flow with its next step."""
        self._is_stopped = True

    def measure(
        self,
        topology: Topology,
        server_of: Callable[[Node], Any],
        command: Callable[..., Command],
    ) -> Flow:
        """A flow that asks every primary that has replicas, and then the replicas: two rounds.

        Args:
            topology: the present topology.
            server_of: gives the target for a node.
            command: makes a command, as ``ClientView.command`` does.
        """
        shards = [shard for shard in topology.shards if shard.replicas]
        primaries = [shard.primary for shard in shards if shard.primary is not None]
        self._forget_all_but({node.address for node in topology.nodes})
        asked = self._clock()
        for node, reply in (yield from _ask(primaries, server_of, command)):
            self._primary_told(node, reply, asked)
        replicas = [node for shard in shards for node in shard.replicas]
        primary_of = {
            replica.address: shard.primary for shard in shards for replica in shard.replicas
        }
        for node, reply in (yield from _ask(replicas, server_of, command)):
            self._replica_told(node, primary_of[node.address], reply)

    def _primary_told(self, node: Node, reply: Any, asked: float) -> None:
        facts = _replication_facts(reply)
        if facts is None or facts.get("role") != "master":
            return
        measured = self._primaries.setdefault(node.address, deque(maxlen=_MEASUREMENTS))
        measured.append(
            _Measured(
                asked, str(facts.get("master_replid", "")), int(facts.get("master_repl_offset", 0))
            )
        )

    def _replica_told(self, node: Node, primary: Node | None, reply: Any) -> None:
        address = node.address
        facts = _replication_facts(reply)
        if facts is None:
            self._did_not_tell(address, reply)
            return
        self._lost.pop(address, None)
        # One that was promoted has no link to a primary: it is read again once the topology knows.
        is_in_step = (
            facts.get("master_link_status") == "up"
            and int(facts.get("master_sync_in_progress", 0)) == 0
        )
        lag: int | None = None
        measured_at = complete_until = _UNKNOWN
        history = self._primaries.get(primary.address) if primary is not None else None
        if history:
            stream = str(facts.get("master_replid", ""))
            offset = int(facts.get("slave_repl_offset", 0))
            latest = history[-1]
            if latest.stream == stream:
                measured_at, lag = latest.at, max(0, latest.offset - offset)
            complete_until = max(
                (each.at for each in history if each.stream == stream and each.offset <= offset),
                default=_UNKNOWN,
            )
        self._states[address] = _State(is_in_step, measured_at, lag, complete_until)

    def _did_not_tell(self, address: ServerAddress, reply: Any) -> None:
        if _is_refusal(reply):
            # It answers, only not this question: bounds cannot be kept, other reads can be served.
            self._lost.pop(address, None)
            self._states.pop(address, None)
            if address not in self._refused:
                self._refused.add(address)
                logger.warning(
                    "the replica %s does not tell its replication offset (%s): it is not read "
                    "where max_lag_bytes or max_lag_seconds is set",
                    address,
                    reply,
                )
            return
        self._lost[address] = self._clock()

    def metrics(self) -> Iterator[Metric]:
        """How far the replicas are behind, by ``node``: ``replica.lag`` and ``replica.age``."""
        states = list(self._states.items())
        now = self._clock()
        yield Metric(
            "slot_routing.replica.lag",
            Kind.GAUGE,
            "By",
            "What a replica lacked of its primary's replication stream when it was measured last.",
            [
                Reading(state.lag, {"node": str(address)})
                for address, state in states
                if state.lag is not None
            ],
        )
        yield Metric(
            "slot_routing.replica.age",
            Kind.GAUGE,
            "s",
            "How long ago the moment is of which a replica is known to have everything.",
            [
                Reading(now - state.complete_until, {"node": str(address)})
                for address, state in states
                if state.complete_until != _UNKNOWN
            ],
        )

    def _forget_all_but(self, addresses: Collection[ServerAddress]) -> None:
        self._refused.intersection_update(addresses)
        known: Sequence[dict[ServerAddress, Any]] = (self._states, self._primaries, self._lost)
        for table in known:
            for address in [each for each in table if each not in addresses]:
                del table[address]


def _ask(
    nodes: Sequence[Node], server_of: Callable[[Node], Any], command: Callable[..., Command]
) -> Generator[Any, Any, list[tuple[Node, Any]]]:
    if not nodes:
        return []
    questions = []
    for node in nodes:
        question = command("INFO", "replication")
        question.target = server_of(node)
        questions.append(question)
    replies = yield questions
    return list(zip(nodes, replies, strict=True))


def _replication_facts(reply: Any) -> Mapping[str, Any] | None:
    """The section of INFO, whether redis-py has parsed it or not; ``None`` for a failure."""
    if isinstance(reply, Mapping):
        return reply
    if isinstance(reply, bytes):
        reply = reply.decode("utf-8", "replace")
    if not isinstance(reply, str):
        return None
    pairs = (line.partition(":") for line in reply.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _is_refusal(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and not isinstance(
        reply, BusyLoadingError | MasterDownError
    )
