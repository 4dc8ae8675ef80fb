"""The figures as metrics; nothing in them grows with the number of keys.

Their names begin with ``key_access.``:

=================== ================ ==============================================================
metric              unit             attributes
=================== ================ ==============================================================
``rank.share``      ``1``            ``rank``: ``"1"`` to ``"10"``
``hot_keys``        ``{key}``
``rate``            ``{access}/s``   ``kind``: ``read`` or ``write``
``io``              ``By/s``
``group.accesses``  ``{access}``     ``group``: at most ``most_groups`` of them and ``overflow``
``node.share``      ``1``            ``node``
``node.imbalance``  ``1``
``fleet.sent``      ``{message}``
``fleet.dropped``   ``{message}``
``key.rate``        ``{access}/s``   ``key``; only with the setting ``metrics_keys``
=================== ================ ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.key_access.breakdown import Part
from redis_middleware_plugins.key_access.report import FleetStatus, WindowReport, imbalance_of

__all__ = ["RANKS", "metrics_of"]

RANKS = 10
"""Of so many of the top keys the share is told, by their rank."""

_COUNTER, _SUM, _GAUGE = Kind.COUNTER, Kind.UP_DOWN_COUNTER, Kind.GAUGE


def metrics_of(
    window: WindowReport,
    *,
    hot_keys: int,
    nodes: Sequence[Part],
    groups: Mapping[str, float],
    fleet: FleetStatus | None,
    named_keys: int,
) -> Iterator[Metric]:
    """The metrics of one moment.

    Args:
        window: the shortest window, with as many keys as are told of.
        hot_keys: how many keys are hot.
        nodes: accesses by server.
        groups: accesses by group since the start.
        fleet: how sharing goes; ``None`` where it is not enabled.
        named_keys: for how many of the top keys the name becomes an attribute.
    """
    imbalance = imbalance_of(nodes)
    seconds = window.seconds or 1.0

    def metric(
        name: str, kind: Kind, unit: str, description: str, readings: list[Reading]
    ) -> Metric:
        return Metric(f"key_access.{name}", kind, unit, description, readings)

    yield metric(
        "rank.share",
        _GAUGE,
        "1",
        "Share of the accesses that the key of a rank has.",
        [
            Reading(key.share.estimate, {"rank": str(rank)})
            for rank, key in enumerate(window.keys[:RANKS], start=1)
        ],
    )
    yield metric("hot_keys", _GAUGE, "{key}", "Keys that are hot.", [Reading(hot_keys)])
    yield metric(
        "rate",
        _SUM,
        "{access}/s",
        "Accesses of keys per second.",
        [
            Reading(window.reads / seconds, {"kind": "read"}),
            Reading(window.writes / seconds, {"kind": "write"}),
        ],
    )
    yield metric(
        "io",
        _SUM,
        "By/s",
        "Bytes of arguments and replies per second.",
        [Reading(window.size / seconds)],
    )
    yield metric(
        "group.accesses",
        _COUNTER,
        "{access}",
        "Accesses of a group of keys.",
        [Reading(count, {"group": group}) for group, count in groups.items()],
    )
    yield metric(
        "node.share",
        _GAUGE,
        "1",
        "Share of the accesses that a server has.",
        [Reading(node.share, {"node": node.name}) for node in nodes],
    )
    yield metric(
        "node.imbalance",
        _GAUGE,
        "1",
        "Accesses of the busiest server over those of the idlest.",
        [] if imbalance is None else [Reading(imbalance)],
    )
    yield metric(
        "fleet.sent",
        _COUNTER,
        "{message}",
        "Statistics told to the fleet.",
        [] if fleet is None else [Reading(fleet.sent)],
    )
    yield metric(
        "fleet.dropped",
        _COUNTER,
        "{message}",
        "Statistics that could not be told, and were dropped.",
        [] if fleet is None else [Reading(fleet.dropped)],
    )
    yield metric(
        "key.rate",
        _SUM,
        "{access}/s",
        "Accesses per second of the top keys.",
        [Reading(key.rate.estimate, {"key": key.name}) for key in window.keys[:named_keys]],
    )
