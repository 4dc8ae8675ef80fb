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
from typing import TYPE_CHECKING, Any, Final, Literal

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

from redis_middleware import Batch, Command, Sleep
from redis_middleware.command import Place
from redis_middleware.notes import NODE, note_redirection, note_retry
from redis_middleware.redispy.servers import never_sent
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.table import Endpoint

if TYPE_CHECKING:
    from redis_middleware_plugins.slot_routing.deployment import Deployment

__all__ = ["FAILURES", "Attempts", "kind_of"]

_FINAL: Final = (AuthenticationError, AuthorizationError, MaxConnectionsError)
"""Failures of connections that another try, or another node, does not mend."""

_UNBLOCKED: Final = "UNBLOCKED force unblock"
"""What a blocked command gets when its server is a primary no more; CLIENT UNBLOCK says else."""

_TOLD_AS: Final = (
    TryAgainError,
    ClusterDownError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
"""What an error is that tells of all tries: as the last one, else a ``ConnectionError``."""

FAILURES: Final = (RedisError, OSError)
"""What a try fails with."""

_FIRST_WAIT: Final = 0.01
_LONGEST_WAIT: Final = 0.5

Kind = Literal["moved", "ask", "wait", "refresh", "lost", "final"]


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


class Attempts:
    """The tries of one command, or of one transaction.

    Args:
        deployment: where it goes.
        subject: what is sent.
        name: what messages call it.
        choose: gives the endpoint it belongs to by the table as it is now, ``None`` where there is
            none; called with the addresses that were tried in vain.
        is_safe: whether sending it twice does no harm.
        began: when the first try began, by the deployment's clock.
        slot: its slot; ``None`` without keys.
    """

    def __init__(
        self,
        deployment: Deployment,
        subject: Command | Batch,
        name: str,
        choose: Callable[[set[ServerAddress]], Endpoint | None],
        *,
        is_safe: bool,
        began: float,
        slot: int | None,
    ) -> None:
        self._deployment = deployment
        self._subject = subject
        self._name = name
        self._choose = choose
        self._is_safe = is_safe
        self._began = began
        self._slot = slot
        self._redirections = 0
        self._waits = 0
        self._tried: Counter[tuple[str, str]] = Counter()
        self._in_vain: set[ServerAddress] = set()

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
        deployment = self._deployment
        kind = kind_of(error)
        if kind == "ask" and self._subject.place is Place.WATCH:
            # Keys are watched where their slot is; before long that is the importing node.
            kind = "wait"
        if kind == "final":
            raise error
        node = endpoint.address
        self._tried[str(node), type(error).__name__] += 1
        if kind == "moved" or kind == "ask":
            return (yield from self._redirected(error, kind, endpoint))
        counts = endpoint.counts
        if kind != "wait":
            self._in_vain.add(node)
        if kind == "lost":
            deployment.lost(node)
            resends = deployment.settings.resend_writes
            if not (self._is_safe or resends or never_sent(error)):
                deployment.refreshing.request()
                error.add_note(
                    f"slot_routing: {self._name} (slot {self._slot}) was sent to {node}, which may "
                    "have carried it out: it is not sent again"
                )
                raise error
        elif isinstance(error, TryAgainError):
            counts.redirected("tryagain")
            # It is the deadline that limits how long a slot may be on its way, with an ASK before
            # each TRYAGAIN.
            self._redirections = 0
        elif isinstance(error, ClusterDownError):
            counts.redirected("clusterdown")
        yield from self._wait(error, refresh=kind != "wait")
        note_retry(self._subject)
        return (yield from self.start())

    def _redirected(
        self, error: Any, kind: Literal["moved", "ask"], endpoint: Endpoint
    ) -> Generator[Any, Any, Endpoint]:
        deployment = self._deployment
        self._redirections += 1
        endpoint.counts.redirected(kind)
        if self._redirections > deployment.settings.max_redirections:
            raise self._given_up(error, f"redirected {self._redirections} times")
        self._slot = error.slot_id
        if self._redirections > 2:
            # Two nodes that send a command to each other will agree before long.
            yield from self._wait(error, refresh=False)
        if kind == "moved":
            to = deployment.moved(error, endpoint)
            self._subject.target = to.server
            note_redirection(self._subject, "MOVED", to.name)
        else:
            to = deployment.table.endpoint(deployment.table.redirection(error, endpoint.address))
            self._subject.target = to.server.asking
            note_redirection(self._subject, "ASK", to.name)
        return to

    def _wait(self, error: Exception, *, refresh: bool) -> Generator[Any, Any, None]:
        """Wait before the next try, longer each time, and have the table refreshed."""
        deployment = self._deployment
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._waits) * (0.5 + deployment.random() / 2)
        self._waits += 1
        left = self._began + deployment.settings.deadline - deployment.clock()
        if left <= 0:
            raise self._given_up(error, "the deadline has passed")
        if refresh:
            try:
                yield from deployment.refreshing.refresh()
            except RedisError:
                # Perhaps the next one succeeds: the deadline limits it.
                deployment.refreshing.request()
        yield Sleep(min(wait, left))

    def _given_up(self, error: Exception, why: str) -> Exception:
        tried = ", ".join(
            f"{node} ({kind}{f', {count} times' if count > 1 else ''})"
            for (node, kind), count in self._tried.items()
        )
        slot = "without a slot" if self._slot is None else f"in slot {self._slot}"
        passed = self._deployment.clock() - self._began
        message = (
            f"slot_routing gave up on {self._name} {slot} after {passed:.2f} s, {why}; "
            f"tried: {tried or 'no node'}; the last error was: {error}"
        )
        made: Exception
        if isinstance(error, AskError):
            made = ClusterError(message)
        else:
            kinds = (kind for kind in _TOLD_AS if isinstance(error, kind))
            made = next(kinds, ConnectionError)(message)
        made.__cause__ = error
        return made
