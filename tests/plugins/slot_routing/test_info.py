"""INFO and MEMORY STATS of several nodes as one, without a server."""

from __future__ import annotations

from typing import Any

from redis_middleware.testing import command
from redis_middleware_plugins.slot_routing.info import merged_info, merged_memory_stats


def _info(*replies: Any) -> Any:
    return merged_info(command("INFO"), replies)


def test_what_adds_up_is_added_up() -> None:
    """Memory, clients, commands, hits and misses are those of the whole cluster."""
    one = {"used_memory": 1024, "connected_clients": 3, "keyspace_hits": 5, "used_cpu_sys": 0.5}
    two = {"used_memory": 2048, "connected_clients": 4, "keyspace_hits": 6, "used_cpu_sys": 0.25}
    assert _info(one, two) == {
        "used_memory": 3072,
        "connected_clients": 7,
        "keyspace_hits": 11,
        "used_cpu_sys": 0.75,
    }


def test_sizes_in_words_go_by_the_sum() -> None:
    """Beside a number of bytes stands its text; one without a number is the first node's."""
    one = {"used_memory": 512, "used_memory_human": "512B", "other_human": "1B"}
    assert _info(one, one)["used_memory_human"] == "1.00K"
    assert _info(one)["used_memory_human"] == "512B"
    large = {"maxmemory": 3 * 2**40, "maxmemory_human": "3.00T"}
    assert _info(large, large)["maxmemory_human"] == "6.00T"
    assert _info(one, {"other_human": "2B"})["other_human"] == "1B"


def test_of_states_the_worst_is_told() -> None:
    """A node that loads, saves, fails or has just started is not hidden by the others."""
    good = {
        "loading": 0,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_bgsave_status": "ok",
        "cluster_state": "ok",
        "mem_fragmentation_ratio": 1.1,
        "uptime_in_seconds": 500,
    }
    bad = {
        "loading": 1,
        "rdb_bgsave_in_progress": 1,
        "rdb_last_bgsave_status": "err",
        "cluster_state": "fail",
        "mem_fragmentation_ratio": 3.5,
        "uptime_in_seconds": 2,
    }
    assert _info(good, bad) == _info(bad, good) == bad


def test_the_rest_is_the_first_nodes() -> None:
    """What a node is, and fields that are not known, are given as the first node gave them."""
    one = {"redis_version": "7.2.4", "tcp_port": 7000, "hz": 10, "role": "master", "unheard": 1}
    two = {"redis_version": "7.2.4", "tcp_port": 7001, "hz": 10, "role": "master", "unheard": 2}
    assert _info(one, two) == one


def test_lines_of_several_fields() -> None:
    """Databases and statistics of commands are merged field by field, where one node has them."""
    one = {
        "db0": {"keys": 10, "expires": 2, "avg_ttl": 100},
        "cmdstat_get": {"calls": 4, "usec": 8, "usec_per_call": 2.0, "failed_calls": 1},
        "errorstat_ERR": {"count": 1},
        "latency_percentiles_usec_get": {"p50": 1.0, "p99": 2.0},
    }
    two = {
        "db0": {"keys": 5, "expires": 6, "avg_ttl": 200},
        "cmdstat_get": {"calls": 1, "usec": 7, "usec_per_call": 7.0, "failed_calls": 0},
        "cmdstat_set": {"calls": 1, "usec": 7, "usec_per_call": 7.0, "failed_calls": 0},
        "errorstat_ERR": {"count": 2},
        "latency_percentiles_usec_get": {"p50": 3.0, "p99": 1.0},
    }
    assert _info(one, two) == {
        "db0": {"keys": 15, "expires": 8, "avg_ttl": 175},
        "cmdstat_get": {"calls": 5, "usec": 15, "usec_per_call": 3.0, "failed_calls": 1},
        "cmdstat_set": two["cmdstat_set"],
        "errorstat_ERR": {"count": 3},
        "latency_percentiles_usec_get": {"p50": 3.0, "p99": 2.0},
    }


def test_memory_stats() -> None:
    """Bytes and counts are added up, also those of databases; of shares the highest is given."""
    one = {
        "total.allocated": 100,
        "keys.bytes-per-key": 10,
        "dataset.percentage": 12.5,
        "db.0": {"overhead.hashtable.main": 5},
        "allocator": "libc",
    }
    two = {
        "total.allocated": 50,
        "keys.bytes-per-key": 7,
        "dataset.percentage": 50.0,
        "allocator": "libc",
    }
    assert merged_memory_stats(command("MEMORY STATS"), [one, two]) == {
        "total.allocated": 150,
        "keys.bytes-per-key": 10,
        "dataset.percentage": 50.0,
        "db.0": {"overhead.hashtable.main": 5},
        "allocator": "libc",
    }


def test_what_is_not_parsed_is_the_first_nodes() -> None:
    """Texts and flat lists, as redis-py leaves them without a callback, are not taken apart."""
    assert _info(b"redis_version:9.1", b"redis_version:8.0") == b"redis_version:9.1"
    flat = [b"peak.allocated", 1]
    assert merged_memory_stats(command("MEMORY STATS"), [flat, flat]) == flat
    named = {b"keys.count": 1, b"keys.bytes-per-key": 2}
    merged = merged_memory_stats(command("MEMORY STATS"), [named, named])
    assert merged == {b"keys.count": 2, b"keys.bytes-per-key": 2}
