"""INFO and MEMORY STATS of all primaries as one.

What can be added up is added up: memory, clients, commands, hits and misses, keys. Of states the
worst is given. Everything else, such as versions, ports and replication, is the first node's; so is
a reply that redis-py has not made a dictionary of, as where a command's name is given as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Any, Final

from redis.utils import str_if_bytes

from redis_middleware import Command

__all__ = ["merged_info", "merged_memory_stats"]


def _pattern(names: str) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, names.split())))


# Of INFO, the fields of its lines of several fields included.
_HIGHEST: Final = _pattern(
    "loading async_loading *_in_progress *_ratio *_perc *_scheduled *_running *_failures"
    " latest_fork_usec client_recent_max_* p[0-9]*"
)
_ADDED: Final = _pattern(
    "*_clients cluster_connections maxclients clients_in_timeout_table total_* maxmemory"
    " used_memory* mem_* allocator_* rss_overhead_bytes lazyfree* active_defrag_*"
    " rdb_changes_since_last_save rdb_saves aof_rewrites rejected_* instantaneous_ops_per_sec"
    " instantaneous_*_kbps sync_* expired_* evicted_* keyspace_* pubsub* tracking_total_*"
    " unexpected_error_replies io_threaded_* *_disconnections reply_buffer_* eventloop_*"
    " acl_access_denied_* connected_slaves used_cpu_* used_active_time_*"
    " calls usec failed_calls count keys expires keys_with_*"
)
_LOWEST: Final = _pattern("uptime_in_*")
_STATUS: Final = _pattern("*_status cluster_state")


def merged_info(command: Command, replies: Sequence[Any]) -> Any:
    """One INFO of those of all nodes, as redis-py's ``info()`` gives it."""
    if not _are_parsed(replies):
        return replies[0]
    merged = {name: _field(name, values) for name, values in _by_name(replies).items()}
    for name in merged:
        total = merged.get(name.removesuffix("_human"))
        if name.endswith("_human") and isinstance(total, int):
            merged[name] = _human(total)
    return merged


def merged_memory_stats(command: Command, replies: Sequence[Any]) -> Any:
    """One MEMORY STATS of those of all nodes: bytes and counts added up, of shares the highest."""
    return _memory_fields(replies) if _are_parsed(replies) else replies[0]


def _are_parsed(replies: Sequence[Any]) -> bool:
    return all(isinstance(reply, dict) for reply in replies)


def _memory_fields(nodes: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    return {name: _memory(name, values) for name, values in _by_name(nodes).items()}


def _by_name(replies: Sequence[dict[Any, Any]]) -> dict[Any, list[Any]]:
    """The values of each field, of the nodes that have it."""
    names = dict.fromkeys(name for reply in replies for name in reply)
    return {name: [reply[name] for reply in replies if name in reply] for name in names}


def _field(name: str, values: list[Any]) -> Any:
    if all(isinstance(value, dict) for value in values):
        return _line(values)
    if all(isinstance(value, int | float) for value in values):
        if _HIGHEST.match(name):
            return max(values)
        if _ADDED.match(name):
            return round(sum(values), 6)
        if _LOWEST.match(name):
            return min(values)
    if _STATUS.match(name):
        return next((value for value in values if value != "ok"), "ok")
    return values[0]


def _line(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of several fields, such as of a database or of a command's statistics."""
    merged = {name: _field(name, values) for name, values in _by_name(lines).items()}
    if merged.get("calls"):
        merged["usec_per_call"] = round(merged["usec"] / merged["calls"], 2)
    if merged.get("expires"):
        of_all = sum(line["avg_ttl"] * line["expires"] for line in lines)
        merged["avg_ttl"] = of_all // merged["expires"]
    return merged


def _memory(name: str | bytes, values: list[Any]) -> Any:
    if all(isinstance(value, dict) for value in values):
        return _memory_fields(values)
    if not all(isinstance(value, int | float) for value in values):
        return values[0]
    is_share = isinstance(values[0], float) or str_if_bytes(name).endswith("bytes-per-key")
    return max(values) if is_share else sum(values)


def _human(size: int) -> str:
    """A number of bytes as the server writes it: ``1.50M``."""
    number, unit = float(size), "B"
    for larger in "KMGTP":
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{size}B" if unit == "B" else f"{number:.2f}{unit}"
