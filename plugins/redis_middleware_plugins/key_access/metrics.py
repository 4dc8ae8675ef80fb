"""The figures as OpenTelemetry metrics; nothing in them grows with the number of keys.

Their names begin with ``redis_middleware.key_access.``; besides the attributes here each has
``client``, the setting ``label``:

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

import weakref
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from redis_middleware import __version__
from redis_middleware_plugins.key_access.report import Report

if TYPE_CHECKING:
    from redis_middleware_plugins.key_access.plugin import KeyAccess

__all__ = ["register"]

_PREFIX = "redis_middleware.key_access"
_RANKS = 10
_REPORT_LASTS = 1.0

_Values = Iterable[tuple[float, dict[str, str]]]

_labels: dict[str, weakref.ref[KeyAccess]] = {}
_lock = Lock()


def register(plugin: KeyAccess) -> None:
    """Give the plugin's figures to the meter provider that is set.

    Where another plugin of the process has the same label, a number is added to it.

    Args:
        plugin: the plugin; its figures end when it is garbage, or its settings do not want them
            any more.
    """
    named_keys = plugin.settings.metrics_keys
    client = _own_label(plugin, plugin.settings.label)
    # A meter for each client: instruments of one name on one meter would be taken for one.
    meter = get_meter(_PREFIX, __version__, attributes={"client": client})
    source = _Source(plugin, max(_RANKS, named_keys))

    def gauge(name: str, unit: str, description: str, values: Callable[[Report], _Values]) -> None:
        meter.create_observable_gauge(
            f"{_PREFIX}.{name}", [source.callback(values, client)], unit, description
        )

    gauge("rank.share", "1", "Share of the accesses that the key of a rank has.", _ranks)
    gauge("hot_keys", "{key}", "Keys that are hot now.", lambda report: [(len(report.hot), {})])
    gauge("rate", "{access}/s", "Accesses of keys per second.", _rates)
    gauge("io", "By/s", "Bytes of arguments and replies per second.", _io)
    gauge("node.share", "1", "Share of the accesses that a server has.", _nodes)
    gauge("node.imbalance", "1", "Accesses of the busiest server over the idlest.", _imbalance)
    if named_keys:
        gauge(
            "key.rate",
            "{access}/s",
            "Accesses per second of the top keys.",
            lambda report: [
                (key.rate.estimate, {"key": key.name})
                for key in report.windows[0].keys[:named_keys]
            ],
        )
    for name, unit, description, values in (
        ("group.accesses", "{access}", "Accesses of a group of keys.", source.groups),
        ("fleet.sent", "{message}", "Statistics told to the fleet.", _fleet("sent")),
        ("fleet.dropped", "{message}", "Statistics that were dropped.", _fleet("dropped")),
    ):
        meter.create_observable_counter(
            f"{_PREFIX}.{name}", [source.callback(values, client)], unit, description
        )


def _own_label(plugin: KeyAccess, label: str) -> str:
    with _lock:
        own, number = label, 1
        while own in _labels and _labels[own]() is not None:
            number += 1
            own = f"{label}-{number}"
        _labels[own] = weakref.ref(plugin)
    return own


class _Source:
    """One report for all the metrics of one collection."""

    def __init__(self, plugin: KeyAccess, limit: int) -> None:
        self._plugin = weakref.ref(plugin)
        self._limit = limit
        self._report: Report | None = None
        self._made = 0.0

    def callback(
        self, values: Callable[[Report], _Values], client: str
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(options: CallbackOptions) -> Iterator[Observation]:
            report = self._current()
            if report is not None:
                for value, attributes in values(report):
                    yield Observation(value, {**attributes, "client": client})

        return observe

    def groups(self, report: Report) -> _Values:
        plugin = self._plugin()
        counts = {} if plugin is None else plugin.groups
        return [(count, {"group": group}) for group, count in counts.items()]

    def _current(self) -> Report | None:
        plugin = self._plugin()
        if plugin is None or not plugin.settings.metrics:
            return None
        if self._report is None or monotonic() - self._made > _REPORT_LASTS:
            self._report = plugin.report(self._limit)
            self._made = monotonic()
        return self._report


def _ranks(report: Report) -> _Values:
    keys = report.windows[0].keys[:_RANKS]
    return [(key.share.estimate, {"rank": str(rank)}) for rank, key in enumerate(keys, start=1)]


def _rates(report: Report) -> _Values:
    window = report.windows[0]
    seconds = window.seconds or 1.0
    return [
        (window.reads / seconds, {"kind": "read"}),
        (window.writes / seconds, {"kind": "write"}),
    ]


def _io(report: Report) -> _Values:
    window = report.windows[0]
    return [(window.size / (window.seconds or 1.0), {})]


def _nodes(report: Report) -> _Values:
    return [(node.share, {"node": node.name}) for node in report.nodes]


def _imbalance(report: Report) -> _Values:
    return [] if report.imbalance is None else [(report.imbalance, {})]


def _fleet(name: str) -> Callable[[Report], _Values]:
    def values(report: Report) -> Any:
        return [] if report.fleet is None else [(getattr(report.fleet, name), {})]

    return values
