"""A deployment whose servers play what a test says, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import MovedError

from redis_middleware import Call, Flow, Sleep
from redis_middleware.command import Command
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import FakeClock, client_view
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.deployment import Deployment
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings

A, B, C = (ServerAddress(name, 6379) for name in ("a.test", "b.test", "c.test"))

HALVES: list[Any] = [[0, 8191, [b"a.test", 6379, b"a"]], [8192, 16383, [b"b.test", 6379, b"b"]]]
"""CLUSTER SLOTS: the lower half of the slots is at ``A``, the upper half at ``B``."""


class PretendedServer:
    """A server that plays what it was told, again and again the last of it."""

    def __init__(self, address: ServerAddress, *, is_asking: bool = False) -> None:
        self.address = address
        self.is_asking = is_asking
        self.plays: list[Any] = [HALVES]
        self.asked = 0
        self._asking: PretendedServer | None = None

    @property
    def asking(self) -> PretendedServer:
        """The same server with ASKING."""
        if self._asking is None:
            self._asking = PretendedServer(self.address, is_asking=True)
        return self._asking

    def send(self, command: Command) -> Any:
        """The reply to a question of the plugin's own: for the topology."""
        self.asked += 1
        played = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if isinstance(played, Exception):
            raise played
        return played

    def __repr__(self) -> str:
        return f"{self.address.host}{' ASKING' if self.is_asking else ''}"


class Pretended:
    """A deployment of pretended servers, whose clock a test moves.

    Args:
        own: where the client itself points.
        seeds: more addresses.
        table: the table ``[slot_routing]``.

    Attributes:
        sent: for each command that was sent, the server that it was sent to.
        slept: seconds of each wait.
        background: flows that were to run in the background.
    """

    def __init__(
        self, own: ServerAddress = A, seeds: Sequence[ServerAddress] = (), **table: Any
    ) -> None:
        self.clock = FakeClock(100.0)
        self.servers: dict[ServerAddress, PretendedServer] = {}
        self.forgotten: list[ServerAddress] = []
        self.sent: list[str] = []
        self.slept: list[float] = []
        self.background: list[Callable[[], Flow]] = []
        self._own = own
        self.view = client_view()
        settings = SlotRoutingSettings.model_validate(table)
        self.deployment = Deployment(
            "the client's server",
            self.view,
            self,
            settings,
            Counters(self.clock),
            seeds=lambda: [None, *seeds],
            is_cluster=settings.cluster,
            start=self.background.append,
            clock=self.clock,
            random=lambda: 0.5,
        )

    def at(self, where: ServerAddress | None = None, *, read_only: bool = False) -> Any:
        """The server at an address."""
        address = self._own if where is None else where
        return self.servers.setdefault(address, PretendedServer(address))

    def forget(self, where: ServerAddress) -> None:
        """Note that it was forgotten."""
        self.forgotten.append(where)

    def run(self, flow: Flow, *outcomes: Any) -> Any:
        """Take a flow to its end: each command gets the next outcome, waits pass at once.

        Args:
            flow: the flow.
            outcomes: for each command in turn its reply or failure; a number of seconds and a
                failure in a tuple: that fails after a time.
        """
        left = list(outcomes)
        value: Any = None
        failure: BaseException | None = None
        while True:
            try:
                request = flow.send(value) if failure is None else flow.throw(failure)
            except StopIteration as stop:
                assert not left, f"these were not asked for: {left}"
                return stop.value
            value = failure = None
            try:
                value = self._perform(request, left)
            except Exception as error:
                failure = error

    def _perform(self, request: Any, left: list[Any]) -> Any:
        if isinstance(request, Sleep):
            self.slept.append(request.seconds)
            self.clock.advance(request.seconds)
            return None
        if isinstance(request, Call):
            return request.function()
        self.sent.append(repr(request.target))
        outcome = left.pop(0) if left else AssertionError(f"{request} was sent to {self.sent}")
        if isinstance(outcome, tuple):
            seconds, outcome = outcome
            self.clock.advance(seconds)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def get(self, key: str, *outcomes: Any) -> Any:
        """Send a GET, loaded or not."""
        return self.run(self.deployment.send(self.view.command("GET", key)), *outcomes)

    def run_background(self) -> None:
        """Run what was to run in the background."""
        flows, self.background[:] = list(self.background), []
        for flow in flows:
            self.run(flow())


def moved(slot: int, to: ServerAddress) -> MovedError:
    """The redirection that a server sends."""
    return MovedError(f"{slot} {to}")
