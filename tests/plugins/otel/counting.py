"""A plugin that tells of metrics, as many and in whatever way a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from redis_middleware import Command, Flow, hookimpl
from redis_middleware.readings import Kind, Metric, Reading

METRICS = 20

Tell = Callable[["Counting"], Iterable[Metric]]


def all_metrics(plugin: Counting) -> Iterable[Metric]:
    """So many counters, each with the plugin's value."""
    for number in range(METRICS):
        name = f"{plugin.name}.metric{number}"
        yield Metric(name, Kind.COUNTER, "1", "It counts.", [Reading(plugin.value)])


class Counting:
    """A plugin that tells of many metrics, or whatever its ``tell`` does instead.

    Attributes:
        value: the reading of each metric.
        asked: how often it was asked.
    """

    def __init__(self, name: str = "counting", tell: Tell = all_metrics, value: float = 1) -> None:
        self.name = name
        self.tell = tell
        self.value = value
        self.asked = 0

    def metrics(self) -> Iterable[Metric]:
        """What it counts."""
        self.asked += 1
        return self.tell(self)

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Let it pass."""
        return (yield command)
