"""Reading, from outside, what the caches of all processes do."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from redis_middleware_plugins.local_cache.fleet import member_key, members_key

__all__ = ["fleet_members", "read_fleet"]


def fleet_members(client: Any, prefix: str) -> list[str]:
    """The names of the processes that have told something in the last minute."""
    return [_text(name) for name in client.zrange(members_key(prefix), 0, -1)]


def read_fleet(client: Any, prefix: str, process: str | None = None) -> dict[str, Any] | None:
    """Read and add up the figures that processes share.

    Args:
        client: a sync client of the Redis that they share them in.
        prefix: the setting ``fleet.prefix``.
        process: the name of the only process to read, ``"host:1234:5678abcd"``. What follows the
            process id is of no account: each plugin has a name of its own for the process.

    Returns:
        ``processes`` (how many), ``states`` (how many are in each state), ``entries``, ``bytes``,
        and for each of the ``rules`` its counts and its ``hit_ratio``. ``None`` where none tells.
    """
    members = fleet_members(client, prefix)
    if process is not None:
        members = [name for name in members if _process(name) == _process(process)]
    found = []
    for name in members:
        raw = client.get(member_key(prefix, name))
        if raw is not None:
            found.append(json.loads(raw))
    if not found:
        return None
    rules: dict[str, Counter[str]] = {}
    for figures in found:
        for rule, counts in figures["rules"].items():
            rules.setdefault(rule, Counter()).update(counts)
    return {
        "processes": len(found),
        "states": dict(Counter(figures["state"] for figures in found)),
        "entries": sum(figures["entries"] for figures in found),
        "bytes": sum(figures["bytes"] for figures in found),
        "rules": {
            rule: {**counts, "hit_ratio": _ratio(counts["hits"], counts["misses"])}
            for rule, counts in rules.items()
        },
    }


def _process(member: str) -> str:
    return member.rpartition(":")[0]


def _ratio(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits + misses else 0.0


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
