"""What is measured while the demo runs: the requests, and the work of each server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis

from redis_middleware.cli.demo.durations import Durations
from redis_middleware.cli.demo.load import Load
from redis_middleware.embedded import Server

__all__ = ["Meter", "Reading", "ServerWork"]


@dataclass(frozen=True)
class ServerWork:
    """What one server did in some time.

    Attributes:
        address: the server's host and port.
        cpu: how much of one core it used, from 0 to about 1, by its own account.
        commands: how many commands it carried out per second, by its own account.
    """

    address: str
    cpu: float
    commands: float


@dataclass(frozen=True)
class Reading:
    """What was measured in some time.

    Attributes:
        seconds: how long that was.
        durations: of every request.
        servers: what each server did.
    """

    seconds: float
    durations: Durations
    servers: tuple[ServerWork, ...]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.durations) / self.seconds if self.seconds else 0.0

    @property
    def p50(self) -> float:
        """The median of the durations, in seconds."""
        return self.durations.percentile(0.5)

    @property
    def p99(self) -> float:
        """The duration, in seconds, that 99% of the requests did not exceed."""
        return self.durations.percentile(0.99)

    @property
    def busiest(self) -> ServerWork:
        """The server that carried out the most commands."""
        return max(self.servers, key=lambda server: server.commands)

    def server(self, address: str) -> ServerWork:
        """What one server did."""
        (found,) = [each for each in self.servers if each.address == address]
        return found


@dataclass(frozen=True)
class _Look:
    at: float
    durations: Durations
    totals: tuple[tuple[float, int], ...]


class Meter:
    """Measures by looks: each takes the requests since the last one, and asks the servers.

    Args:
        load: what sends the requests.
        servers: the servers.
        clock: seconds from any fixed point.
    """

    def __init__(self, load: Load, servers: Sequence[Server], clock: Callable[[], float]) -> None:
        self._load = load
        self._addresses = [f"{server.host}:{server.port}" for server in servers]
        self._clients = [server.connect() for server in servers]
        self._clock = clock
        self._looks: list[_Look] = []
        self.look()

    def close(self) -> None:
        """Close the connections to the servers."""
        for client in self._clients:
            client.close()

    def look(self) -> None:
        """Look once more."""
        totals = tuple([_totals(client) for client in self._clients])
        # What is taken belongs to the time since the last look, and no later one.
        durations = Durations(self._load.take_durations())
        self._looks.append(_Look(self._clock(), durations, totals))

    def mark(self) -> int:
        """Look, and give what `since` takes."""
        self.look()
        return len(self._looks) - 1

    def since(self, mark: int) -> Reading:
        """Look, and give what was measured since a mark."""
        self.look()
        return self._from(mark)

    def _from(self, mark: int) -> Reading:
        first, *between = self._looks[mark:]
        last = self._looks[-1]
        durations = Durations()
        for look in between:
            durations.add(look.durations)
        seconds = last.at - first.at
        servers = [
            ServerWork(
                address,
                (cpu - cpu_before) / seconds if seconds else 0.0,
                (commands - commands_before) / seconds if seconds else 0.0,
            )
            for address, (cpu_before, commands_before), (cpu, commands) in zip(
                self._addresses, first.totals, last.totals, strict=True
            )
        ]
        return Reading(seconds, durations, tuple(servers))

    def latest(self, seconds: float) -> Reading:
        """What was measured in the seconds before the last look, or a look longer than that."""
        begin = self._looks[-1].at - seconds
        mark = len(self._looks) - 1
        while mark > 0 and self._looks[mark].at > begin:
            mark -= 1
        return self._from(mark)

    def rates(self) -> list[float]:
        """The requests per second between each look and the next, from the start."""
        return [
            len(look.durations) / (look.at - before.at)
            for before, look in zip(self._looks, self._looks[1:], strict=False)
        ]


def _totals(client: redis.Redis) -> tuple[float, int]:
    with client.pipeline(transaction=False) as pipe:
        pipe.info("cpu")
        pipe.info("stats")
        cpu, stats = pipe.execute()
    return cpu["used_cpu_user"] + cpu["used_cpu_sys"], stats["total_commands_processed"]
