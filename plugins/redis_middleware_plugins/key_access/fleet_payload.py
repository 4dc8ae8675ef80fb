"""What a process tells the fleet: a step's top keys and the breakdown, as JSON."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis_middleware_plugins.key_access.breakdown import DIMENSIONS, Parts
from redis_middleware_plugins.key_access.privacy import KeyForm
from redis_middleware_plugins.key_access.summary import Summary

__all__ = ["Payload", "decode", "encode", "in_form"]

_VERSION: Final = 1
_NUMBERS: Final = ("absent", "absent_size", "reads", "writes", "size", "distinct", "weight")
_MOST_NAMES: Final = 20
_WHOLE_DIMENSION: Final = "nodes"
"""Told with all its names: there are few, and the idlest counts as much as the busiest."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What one process told.

    Attributes:
        member: the process's name.
        number: of the payload, counting up; the same one may be read twice.
        form: in which form the keys are.
        summary: what it counted in its last step.
        parts: the breakdown of its shortest window: the heaviest groups, slots and commands, all
            nodes, and the total of all accesses, also of those that are not told by name.
    """

    member: str
    number: int
    form: KeyForm
    summary: Summary
    parts: Parts


def in_form(summary: Summary, form: Callable[[bytes], bytes]) -> Summary:
    """The summary with its keys in another form; those that get the same one become one."""
    found: dict[bytes, list[int]] = {}
    for key, counts in summary.items():
        sums = found.setdefault(form(key), [0] * 5)
        for at, count in enumerate(counts):
            sums[at] += count
    numbers: array[int] = array("q")
    for sums in found.values():
        numbers.extend(sums)
    return Summary(
        tuple(found),
        numbers,
        summary.absent,
        summary.absent_size,
        summary.reads,
        summary.writes,
        summary.size,
        summary.distinct,
        summary.begin,
        summary.end,
        summary.weight,
    )


def encode(payload: Payload) -> bytes:
    """The payload for Redis."""
    summary = payload.summary
    # JSON has no bytes: each byte of a key becomes the character of its number.
    content: dict[str, Any] = {
        "version": _VERSION,
        "member": payload.member,
        "number": payload.number,
        "form": payload.form,
        "seconds": round(summary.seconds, 3),
        **{name: getattr(summary, name) for name in _NUMBERS},
        "keys": [[key.decode("latin-1"), *counts] for key, counts in summary.items()],
        "looked_at": payload.parts.looked_at,
        "total": round(payload.parts.total),
    }
    for dimension in DIMENSIONS:
        counts = payload.parts.counts.get(dimension, {})
        most = None if dimension == _WHOLE_DIMENSION else _MOST_NAMES
        heaviest = sorted(counts, key=lambda name: -counts[name])[:most]
        content[dimension] = {name: round(counts[name]) for name in heaviest}
    return json.dumps(content, separators=(",", ":")).encode()


def decode(raw: bytes) -> Payload:
    """A payload that was read from Redis, where anybody may have written it.

    Raises:
        ValueError: it is not a payload of this version.
    """
    try:
        content = json.loads(raw)
        if content["version"] != _VERSION:
            raise ValueError(f"it is of version {content['version']!r}, not {_VERSION}")
        numbers: array[int] = array("q")
        for _, *counts in content["keys"]:
            reads, writes, size, missed, missed_size = counts
            numbers.extend((reads, writes, size, missed, missed_size))
        summary = Summary(
            tuple([key.encode("latin-1") for key, *_ in content["keys"]]),
            numbers,
            absent=int(content["absent"]),
            absent_size=int(content["absent_size"]),
            reads=int(content["reads"]),
            writes=int(content["writes"]),
            size=int(content["size"]),
            distinct=int(content["distinct"]),
            begin=0.0,
            end=float(content["seconds"]),
            weight=int(content["weight"]),
        )
        parts = Parts(
            {
                dimension: {str(name): float(n) for name, n in content[dimension].items()}
                for dimension in DIMENSIONS
            },
            int(content["looked_at"]),
            float(content["total"]),
        )
        form = content["form"]
        if form not in ("plain", "masked", "hashed"):
            raise ValueError(f"no form of keys is called {form!r}")
        return Payload(str(content["member"]), int(content["number"]), form, summary, parts)
    except (KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
        raise ValueError(f"it is no statistics of key_access: {error!r}") from error
