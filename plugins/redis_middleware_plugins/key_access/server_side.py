"""What the servers themselves know of hot keys, with whatever each of them has.

Every way gives a :class:`Finding`, which tells what was found, or why the way could not be used.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Final

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from redis_middleware.command import spec_for
from redis_middleware.commands import find_keys

__all__ = [
    "Finding",
    "Progress",
    "Row",
    "by_frequency",
    "by_hotkeys",
    "by_monitor",
    "by_slot_stats",
]

_BATCH: Final = 200
_MOST_MONITORED: Final = 1_000_000

Progress = Callable[[int, int], None]
"""Called with how many keys were looked at, and how many there are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One key or slot.

    Attributes:
        subject: the key as on the wire, or the number of the slot.
        values: what the server tells of it, by name.
    """

    subject: bytes | int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one way found on one server.

    Attributes:
        way: what was asked, such as ``"HOTKEYS"``.
        node: the server.
        rows: the hottest first; empty where the way was not used, or found nothing.
        note: why it was not used, or what to know of the rows.
        was_used: whether it could be used.
    """

    way: str
    node: str
    rows: tuple[Row, ...] = ()
    note: str = ""
    was_used: bool = False


def by_hotkeys(
    client: Any,
    node: str,
    limit: int,
    seconds: int | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Finding:
    """Ask ``HOTKEYS`` (Redis 8.6 and later).

    Args:
        client: a client of the one server.
        node: what the server is called.
        limit: how many keys at most.
        seconds: how long to run a session where there are no results yet; ``None`` for not at all.
        sleep: waits so many seconds.
    """
    way = "HOTKEYS"
    try:
        result = client.execute_command("HOTKEYS GET")
        note = "the results of a session that was there"
        if not result and seconds is None:
            return Finding(way, node, note="no session has run; --measure 10 runs one for 10 s")
        if not result:
            arguments = ("METRICS", 2, "CPU", "NET", "COUNT", limit, "DURATION", seconds)
            client.execute_command("HOTKEYS", "START", *arguments)
            sleep(seconds or 0)
            result = client.execute_command("HOTKEYS GET")
            client.execute_command("HOTKEYS STOP")
            client.execute_command("HOTKEYS RESET")
            note = f"a session of {seconds} s"
    except ResponseError as error:
        return Finding(way, node, note=_refusal(error, "the server has no such command"))
    values: dict[bytes, dict[str, float]] = {}
    for name, pairs in _mapping(result).items():
        if name.startswith("by-") and isinstance(pairs, list | dict):
            for key, value in _pairs(pairs):
                values.setdefault(key, {})[name.removeprefix("by-")] = float(value)
    rows = [Row(key, found) for key, found in values.items()]
    top = nlargest(limit, rows, key=lambda row: row.values.get("cpu-time-us", 0.0))
    return Finding(way, node, tuple(top), note, was_used=True)


def by_slot_stats(client: Any, node: str, limit: int) -> Finding:
    """Ask ``CLUSTER SLOT-STATS`` (Valkey 8.0, Redis 8.2 and later): slots, not keys."""
    way = "CLUSTER SLOT-STATS"
    try:
        found: Any = client.execute_command(
            "CLUSTER SLOT-STATS", "ORDERBY", "CPU-USEC", "LIMIT", limit, "DESC"
        )
    except ResponseError as error:
        if "metric" in str(error).lower():
            return Finding(
                way,
                node,
                note="the server does not keep them: set cluster-slot-stats-enabled to yes",
            )
        return Finding(way, node, note=_refusal(error, "the server has no such command"))
    rows = []
    for slot, stats in found:
        values = {name: float(value) for name, value in _mapping(stats).items()}
        if any(value for name, value in values.items() if name != "key-count"):
            rows.append(Row(int(slot), values))
    return Finding(way, node, tuple(rows), "since the server started, or CONFIG RESETSTAT", True)


def by_frequency(
    client: Any,
    node: str,
    limit: int,
    keys_per_second: float,
    progress: Progress,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Finding:
    """Ask ``OBJECT FREQ`` for every key, in batches of a SCAN; only under an LFU policy.

    Args:
        client: a client of the one server.
        node: what the server is called.
        limit: how many keys at most.
        keys_per_second: how many keys are asked for at most in a second.
        progress: called after each batch.
        clock: seconds from any fixed point.
        sleep: waits so many seconds.
    """
    way = "OBJECT FREQ"
    policy = _policy(client)
    if "lfu" not in policy:
        note = f"maxmemory-policy is {policy or 'not known'}: only an LFU policy counts accesses"
        return Finding(way, node, note=note)
    total = int(client.dbsize())
    hottest: list[tuple[int, bytes]] = []
    cursor, seen, began = 0, 0, clock()
    while True:
        cursor, keys = client.scan(cursor, count=_BATCH)
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.execute_command("OBJECT FREQ", key)
        replies = pipe.execute(raise_on_error=False) if keys else []
        # A key that has gone meanwhile answers with nil or an error.
        found = [
            (reply, key) for reply, key in zip(replies, keys, strict=True) if isinstance(reply, int)
        ]
        hottest = nlargest(limit, {*hottest, *found})
        seen += len(keys)
        progress(min(seen, total), total)
        if cursor == 0:
            break
        ahead = seen / keys_per_second - (clock() - began)
        if ahead > 0:
            sleep(ahead)
    rows = tuple([Row(key, {"frequency": float(count)}) for count, key in hottest])
    return Finding(way, node, rows, "a logarithmic counter from 0 to 255, not a rate", True)


def by_monitor(client: Any, node: str, limit: int, seconds: float) -> Finding:
    """Count the keys that ``MONITOR`` shows for some seconds: it slows the server by half.

    Args:
        client: a client of the one server.
        node: what the server is called.
        limit: how many keys at most.
        seconds: how long; it also ends after a million commands.
    """
    counts: Counter[bytes] = Counter()
    commands = 0
    ended = threading.Event()

    def wake() -> None:
        # Where nobody sends anything, MONITOR shows nothing, and reading it would wait on.
        ended.set()
        # What reads MONITOR meets a lost connection too, and tells of it.
        with suppress(RedisError):
            client.ping()

    timer = threading.Timer(seconds, wake)
    timer.daemon = True
    try:
        with client.monitor() as monitor:
            timer.start()
            while not ended.is_set() and commands < _MOST_MONITORED:
                shown = monitor.next_command()
                words = shown["command"].split()
                commands += 1
                if words:
                    spec = spec_for(tuple(words))
                    for use in find_keys(spec, words):
                        counts[words[use.position].encode()] += 1
    except ResponseError as error:
        return Finding("MONITOR", node, note=_refusal(error, "the server has no such command"))
    finally:
        timer.cancel()
        if timer.is_alive():
            # It may still wait for the reply, and whoever called closes the connection next.
            timer.join()
    rows = tuple([Row(key, {"accesses": float(count)}) for key, count in counts.most_common(limit)])
    return Finding("MONITOR", node, rows, f"{commands} commands in at most {seconds:g} s", True)


def _policy(client: Any) -> str:
    try:
        settings: Any = client.config_get("maxmemory-policy")
        return str(next(iter(settings.values()), ""))
    except ResponseError:
        # Managed servers often refuse CONFIG.
        return str(client.info("memory").get("maxmemory_policy", ""))


def _refusal(error: RedisError, unknown: str) -> str:
    text = str(error)
    if isinstance(error, NoPermissionError):
        return f"this user may not: {text}"
    return unknown if "unknown" in text.lower() else text


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping that came as one, as a flat list of keys and values, or wrapped in a list."""
    if isinstance(value, list) and len(value) == 1:
        return _mapping(value[0])
    return {_text(name): element for name, element in _pairs(value)}


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if value and all(isinstance(element, list | tuple) for element in value):
        return [(element[0], element[1]) for element in value]
    return list(zip(value[::2], value[1::2], strict=False))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
