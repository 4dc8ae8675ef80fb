"""What a plugin counts, told without naming any metrics library.

A plugin that has something to count gives it from a method ``metrics()``::

    def metrics(self) -> Iterable[Metric]:
        yield Metric(
            "my_plugin.tickets", Kind.COUNTER, "{ticket}", "Tickets that were torn.",
            [Reading(self.torn, {"gate": "north"})],
        )

Plugins that export metrics (``otel``) call it once whenever metrics are collected, from any thread,
and when the client is first used. Where it raises, the plugin's metrics are missing from that
collection, and the bug is counted in ``middleware.bugs`` under the plugin's name.

Which metrics there are must not change while the plugin runs; their readings may. Attributes are
labels: they come from small fixed sets, and never hold keys unless the application asked for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["Kind", "Metric", "Metrics", "Reading"]


class Kind(Enum):
    """How readings of several clients are put together, and how they are shown."""

    COUNTER = "counter"
    """Only ever grows; readings of several clients add up."""
    UP_DOWN_COUNTER = "up_down_counter"
    """Grows and shrinks; readings of several clients add up."""
    GAUGE = "gauge"
    """Does not add up, such as a ratio or an age; of several clients the largest is shown."""


class Reading(NamedTuple):
    """A value, and the attributes that tell it from the metric's other ones.

    Attributes:
        value: the value; one that is not finite is left out.
        attributes: strings, numbers and truth values by name.
    """

    value: float
    attributes: Mapping[str, str | int | float | bool] = {}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with its readings of this moment.

    Attributes:
        name: in lower case, words joined by dots, the plugin's name first.
        kind: what it is.
        unit: by the Unified Code for Units of Measure, such as ``s``, ``By``, ``1`` or ``{key}``.
        description: one sentence.
        readings: one for each set of attributes.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    readings: Sequence[Reading] = field(default=())


@runtime_checkable
class Metrics(Protocol):
    """A plugin that has something to count."""

    def metrics(self) -> Iterable[Metric]:
        """Its metrics, with their readings of this moment; quick, and from any thread."""
