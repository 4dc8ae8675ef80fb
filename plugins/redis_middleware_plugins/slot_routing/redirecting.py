"""What comes after a command failed: another node, the same one a moment later, or an error.

The rules are those of the Redis cluster specification, "Redirection and resharding":

=======================  =========================================================================
a server, or redis-py    then
=======================  =========================================================================
MOVED                    the slot's place in the table is changed, the rest is refreshed in the
                         background; sent again at once
ASK                      sent to the importing node with ASKING, this once; the table is left alone
TRYAGAIN                 sent again after a wait: a slot is on its way and only some keys have come
CLUSTERDOWN, MASTERDOWN, sent again after a wait, and with a table that was refreshed
LOADING, READONLY,
UNBLOCKED
a lost connection        the same, where that is safe: nothing was sent, or it only reads
anything else            raised as it is
=======================  =========================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, Final, Literal, Protocol

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    ConnectionError,
    MaxConnectionsError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from redis_middleware import Sleep
from redis_middleware.command import Place
from redis_middleware.notes import NODE, note_redirection, note_retry
from redis_middleware.redispy.servers import Server, never_sent
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.refreshing import Refreshing
from redis_middleware_plugins.slot_routing.table import Endpoint, Table

__all__ = ["Attempts", "Limits", "Subject", "kind_of", "learn"]

_FINAL: Final = (AuthenticationError, AuthorizationError, MaxConnectionsError)
"""Failures of connections that another try, or another node, does not mend."""

_UNBLOCKED: Final = "UNBLOCKED force unblock"
"""What a blocked command gets when its server is a primary no more; CLIENT UNBLOCK says else."""

_FIRST_WAIT: Final = 0.01
_LONGEST_WAIT: Final = 0.5

Kind = Literal["moved", "ask", "wait", "refresh", "lost", "final"]


class Subject(Protocol):
    """What is sent: a command, or a batch that is a transaction."""

    target: Any

    @property
    def notes(self) -> dict[str, Any]:
        """Where plugins leave notes for each other."""


class Limits(Protocol):
    """The settings that limit how long, and how often, something is tried."""

    @property
    def deadline(self) -> float:
        """Seconds from the first try until there is none any more."""

    @property
    def max_redirections(self) -> int:
        """How often it may be redirected."""

    @property
    def resend_writes(self) -> bool:
        """Whether writes are sent again although the first try may have been carried out."""


def kind_of(error: Exception) -> Kind:
    """What is to be done about a failure."""
    if isinstance(error, AskError):
        return "moved" if isinstance(error, MovedError) else "ask"
    if isinstance(error, TryAgainError):
        return "wait"
    if isinstance(error, ClusterDownError | BusyLoadingError | ReadOnlyError):
        return "refresh"
    if isinstance(error, _FINAL):
        return "final"
    if isinstance(error, ConnectionError | TimeoutError | OSError):
        return "lost"
    if isinstance(error, ResponseError) and str(error).startswith(_UNBLOCKED):
        return "refresh"
    return "final"


def learn(
    table: Table, refreshing: Refreshing, error: MovedError, address: ServerAddress
) -> Endpoint:
    """Learn from a MOVED: its slot at once, all others in the background.

    Returns:
        The endpoint that it names.
    """
    refreshing.request(address)
    return table.moved(error.slot_id, address)


class Attempts:
    """The tries of one command, or of one transaction.

    Args:
        subject: what is sent.
        name: what messages call it.
        table: the deployment's table.
        refreshing: what refreshes it.
        limits: the settings.
        is_safe: whether sending it twice does no harm.
        lost: called with the address of a server that could not be reached.
        choose: gives the endpoint it belongs to by the table as it is now, ``None`` where there is
            none; called with the addresses that were tried in vain.
        began: when the first try began, by the clock.
        clock: seconds from any fixed point.
        random: gives numbers from 0 up to, but not including, 1.
        slot: its slot; ``None`` without keys.
    """

    def __init__(
        self,
        subject: Any,
        name: str,
        table: Table,
        refreshing: Refreshing,
        limits: Limits,
        *,
        is_safe: bool,
        choose: Callable[[set[Any]], Endpoint | None],
        lost: Callable[[ServerAddress], None],
        began: float,
        clock: Callable[[], float],
        random: Callable[[], float],
        slot: int | None = None,
    ) -> None:
        self._subject = subject
        self._name = name
        self._table = table
        self._refreshing = refreshing
        self._limits = limits
        self._is_safe = is_safe
        self._choose = choose
        self._lost = lost
        self._began = began
        self._clock = clock
        self._random = random
        self._slot = slot
        self._redirections = 0
        self._waits = 0
        self._tried: Counter[tuple[str, str]] = Counter()
        self._in_vain: set[Any] = set()

    def start(self) -> Generator[Any, Any, Endpoint]:
        """The endpoint for the first try, with waits for the table where it knows none.

        Raises:
            RedisError: there is none within the deadline.
        """
        while (endpoint := self._choose(self._in_vain)) is None:
            problem = "Hash slot not served" if self._slot is not None else "No node is known"
            # The server's own words for it.
            yield from self._wait(ClusterDownError(problem), refresh=True)
        self._subject.target = endpoint.server
        self._subject.notes[NODE] = endpoint.name
        return endpoint

    def after(self, error: Exception, endpoint: Endpoint) -> Generator[Any, Any, Endpoint]:
        """The endpoint for the next try; the subject's target is set to it.

        Args:
            error: what the try failed with.
            endpoint: where that was.

        Raises:
            Exception: the error itself where there is nothing to be done about it, or one that
                tells of all tries.
        """
        kind = kind_of(error)
        if kind == "ask" and self._subject.place is Place.WATCH:
            # Keys are watched where their slot is; before long that is the importing node.
            kind = "wait"
        asked: Server = self._subject.target
        node = asked.address or endpoint.address
        if kind == "final":
            raise error
        self._tried[str(node), type(error).__name__] += 1
        if kind == "moved" or kind == "ask":
            return (yield from self._redirected(error, kind, endpoint))
        counts = endpoint.counts
        if kind != "wait":
            self._in_vain.add(node)
        if kind == "lost":
            self._lost(node)
            if not (self._is_safe or self._limits.resend_writes or never_sent(error)):
                self._refreshing.request()
                error.add_note(
                    f"slot_routing: {self._name} (slot {self._slot}) was sent to {node}, which may "
                    "have carried it out: it is not sent again"
                )
                raise error
        elif isinstance(error, TryAgainError):
            counts.redirected("tryagain")
        elif isinstance(error, ClusterDownError):
            counts.redirected("clusterdown")
        yield from self._wait(error, refresh=kind != "wait")
        note_retry(self._subject)
        return (yield from self.start())

    def _redirected(
        self, error: Any, kind: Literal["moved", "ask"], endpoint: Endpoint
    ) -> Generator[Any, Any, Endpoint]:
        self._redirections += 1
        endpoint.counts.redirected(kind)
        if self._redirections > self._limits.max_redirections:
            raise self._given_up(error, f"redirected {self._redirections} times")
        address = self._table.redirection(error, endpoint.address)
        self._slot = error.slot_id
        if self._redirections > 2:
            # Two nodes that send a command to each other will agree before long.
            yield from self._wait(error, refresh=False)
        if kind == "moved":
            to = learn(self._table, self._refreshing, error, address)
            self._subject.target = to.server
            note_redirection(self._subject, "MOVED", str(address))
        else:
            to = self._table.endpoint(address)
            self._subject.target = to.server.asking
            note_redirection(self._subject, "ASK", str(address))
        return to

    def _wait(self, error: Exception, *, refresh: bool) -> Generator[Any, Any, None]:
        """Wait before the next try, longer each time, and have the table refreshed."""
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._waits) * (0.5 + self._random() / 2)
        self._waits += 1
        left = self._began + self._limits.deadline - self._clock()
        if left <= 0:
            raise self._given_up(error, "the deadline has passed")
        if refresh:
            try:
                yield from self._refreshing.refresh()
            except RedisError:
                # Perhaps the next one succeeds: the deadline limits it.
                self._refreshing.request()
        yield Sleep(min(wait, left))

    def _given_up(self, error: Exception, why: str) -> Exception:
        tried = ", ".join(
            f"{node} ({kind}{f', {count} times' if count > 1 else ''})"
            for (node, kind), count in self._tried.items()
        )
        slot = "without a slot" if self._slot is None else f"in slot {self._slot}"
        message = (
            f"slot_routing gave up on {self._name} {slot} after "
            f"{self._clock() - self._began:.2f} s, {why}; tried: {tried or 'no node'}; the last "
            f"error was: {error}"
        )
        made: Exception
        if isinstance(error, AskError):
            made = ClusterError(message)
        else:
            made = next(
                kind(message)
                for kind in (
                    TryAgainError,
                    ClusterDownError,
                    TimeoutError,
                    ConnectionError,
                    ResponseError,
                    Exception,
                )
                if isinstance(error, kind)
            )
        made.__cause__ = error
        return made
