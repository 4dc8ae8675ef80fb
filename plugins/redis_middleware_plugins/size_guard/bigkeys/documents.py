"""A report as plain values, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Final

from redis_middleware_plugins.size_guard.bigkeys.report import BigKey, KindReport, Report

__all__ = ["PERCENTILES", "as_csv", "as_json", "as_values"]

PERCENTILES: Final = (50, 90, 99, 99.9)
_MOST_LISTED: Final = 100


def as_values(report: Report, first_look: dict[str, dict[str, int]] | None = None) -> Any:
    """The report as values that JSON has.

    Args:
        report: the report.
        first_look: what ``INFO keysizes`` gave.
    """
    return {
        "totals": report.totals.as_dict(),
        "types": {name: _kind(kind) for name, kind in sorted(report.kinds.items())},
        "groups": [
            {"prefix": name, **totals.as_dict()}
            for name, totals in list(report.groups.items())[:_MOST_LISTED]
        ],
        "nodes": [{"node": name, **totals.as_dict()} for name, totals in report.nodes.items()],
        "slots": [
            {"slot": slot, **totals.as_dict()}
            for slot, totals in list(report.slots.items())[:_MOST_LISTED]
        ],
        "key_sizes": first_look or {},
    }


def _kind(kind: KindReport) -> dict[str, Any]:
    return {
        **kind.totals.as_dict(),
        "elements": kind.elements,
        "percentiles": {
            f"p{percent}": {
                "bytes": kind.sizes.percentile(percent),
                "elements": kind.lengths.percentile(percent),
            }
            for percent in PERCENTILES
        },
        "bytes_up_to": {str(at): count for at, count in kind.sizes.by_octave().items()},
        "largest": [_key(key) for key in kind.largest],
        "longest": [_key(key) for key in kind.longest],
    }


def _key(key: BigKey) -> dict[str, Any]:
    return {
        "key": key.key,
        "bytes": key.size,
        "elements": key.elements,
        "has_ttl": not key.persistent,
        "node": key.node,
    }


def as_json(report: Report, first_look: dict[str, dict[str, int]] | None = None) -> str:
    """The report as JSON."""
    return json.dumps(as_values(report, first_look), indent=1, ensure_ascii=False) + "\n"


def as_csv(report: Report) -> str:
    """The top lists and the groups as CSV, one table: the first column tells what a row is."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["what", "type", "name", "bytes", "elements", "count", "without_ttl", "node"])
    for name, kind in sorted(report.kinds.items()):
        for what, keys in (("largest", kind.largest), ("longest", kind.longest)):
            for key in keys:
                without = int(key.persistent)
                table.writerow([what, name, key.key, key.size, key.elements, 1, without, key.node])
    for name, kind in sorted(report.kinds.items()):
        totals = kind.totals
        row = ["type", name, "", totals.size, kind.elements, totals.count, totals.persistent, ""]
        table.writerow(row)
    for prefix, totals in report.groups.items():
        table.writerow(["group", "", prefix, totals.size, "", totals.count, totals.persistent, ""])
    for slot, totals in report.slots.items():
        table.writerow(["slot", "", slot, totals.size, "", totals.count, totals.persistent, ""])
    for node, totals in report.nodes.items():
        table.writerow(["node", "", node, totals.size, "", totals.count, totals.persistent, node])
    return text.getvalue()
