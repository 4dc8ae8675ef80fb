"""A report as a page of HTML that needs nothing else: no script, no file, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from redis_middleware_plugins.size_guard.bigkeys.documents import PERCENTILES
from redis_middleware_plugins.size_guard.bigkeys.report import KindReport, Report, Totals
from redis_middleware_plugins.size_guard.bigkeys.words import in_bytes, share

__all__ = ["as_html"]

_MOST_ROWS: Final = 40
_NUMBER: Final = " class='n'"
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2733; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #dde3ea;
  vertical-align: top; overflow-wrap: anywhere }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td.bar { width: 30% } .bar div { background: #c6302b; height: .8rem; min-width: 1px }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dde3ea }
  th, td { border-color: #2c3641 } }
"""


def as_html(report: Report, title: str) -> str:
    """The report as a page.

    Args:
        report: the report.
        title: what was scanned.
    """
    totals = report.totals
    parts = [
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Big keys of {escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Big keys of {escape(title)}</h1>",
        f"<p>{totals.count:,} keys, {in_bytes(totals.size)}, "
        f"{totals.persistent:,} without a time to live.</p>",
        "<h2>Types</h2>",
        _chart("Type", {name: kind.totals for name, kind in report.kinds.items()}, totals),
    ]
    for name, kind in sorted(report.kinds.items(), key=lambda item: -item[1].totals.size):
        parts.append(f"<h2>{escape(name)}</h2>")
        parts += _kind(kind)
    parts += ["<h2>Groups by prefix</h2>", _chart("Prefix", report.groups, totals)]
    if report.slots:
        slots = {str(slot): each for slot, each in report.slots.items()}
        parts += ["<h2>Slots</h2>", _chart("Slot", slots, totals)]
    parts += ["<h2>Servers</h2>", _chart("Server", report.nodes, totals)]
    return "\n".join([*parts, "</body></html>\n"])


def _kind(kind: KindReport) -> Iterable[str]:
    yield "<h3>Percentiles</h3>"
    rows = [("bytes", *[in_bytes(kind.sizes.percentile(percent)) for percent in PERCENTILES])]
    if kind.longest:
        lengths = [f"{kind.lengths.percentile(percent):,}" for percent in PERCENTILES]
        rows.append(("elements", *lengths))
    yield _table(("", *[f"{percent}%" for percent in PERCENTILES]), rows)
    octaves = kind.sizes.by_octave()
    most = max(octaves.values(), default=1)
    yield "<h3>Sizes</h3>"
    yield _table(
        ("up to", "keys", ""),
        [(in_bytes(at), f"{count:,}", count / most) for at, count in octaves.items()],
    )
    for heading, keys in (("Largest", kind.largest), ("Longest", kind.longest)):
        if not keys:
            continue
        yield f"<h3>{heading}</h3>"
        yield _table(
            ("key", "bytes", "elements", "time to live", "server"),
            [
                (
                    key.key,
                    in_bytes(key.size),
                    f"{key.elements:,}" if kind.longest else "",
                    "none" if key.persistent else "yes",
                    key.node,
                )
                for key in keys
            ],
        )


def _chart(what: str, groups: dict[str, Totals], whole: Totals) -> str:
    ordered = sorted(groups.items(), key=lambda item: -item[1].size)[:_MOST_ROWS]
    most = max((totals.size for _, totals in ordered), default=0) or 1
    return _table(
        (what, "bytes", "share", "keys", "without time to live", ""),
        [
            (
                name,
                in_bytes(totals.size),
                share(totals.size, whole.size),
                f"{totals.count:,}",
                f"{totals.persistent:,}",
                totals.size / most,
            )
            for name, totals in ordered
        ],
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A table; a number in a row is a bar, as a share of the longest one."""
    head = "".join(
        f"<th{_NUMBER if at else ''}>{escape(heading)}</th>" for at, heading in enumerate(headings)
    )
    body = "".join(
        "<tr>" + "".join(_cell(at, cell) for at, cell in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(at: int, cell: str | float) -> str:
    if isinstance(cell, float):
        return f"<td class='bar'><div style='width:{100 * cell:.1f}%'></div></td>"
    return f"<td{_NUMBER if at else ''}>{escape(cell)}</td>"
