"""A whole scan: every node to its end, added up, with its progress kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from redis_middleware_plugins.size_guard.bigkeys.nodes import Node
from redis_middleware_plugins.size_guard.bigkeys.scanning import Scan
from redis_middleware_plugins.size_guard.bigkeys.state import CursorFile, Progress

__all__ = ["key_sizes", "run_scan"]

_SECONDS_BETWEEN_SAVES: Final = 5.0


def run_scan(
    nodes: Sequence[Node],
    progress: Progress,
    *,
    hold: float,
    load: float,
    cursor_file: CursorFile | None = None,
    advance: Callable[[int], None] = lambda count: None,
    tell: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Scan nodes, one after the other.

    Args:
        nodes: the servers.
        progress: what is added to; nodes that it has to their end are left out.
        hold: seconds for which a step may hold a server.
        load: the largest share of time for which a server is kept busy.
        cursor_file: where the progress is kept, every few seconds and when the scan is broken off.
        advance: told how many keys each step found.
        tell: told how each server is scanned.
        clock: seconds from any fixed point.

    Returns:
        The longest time, in seconds, for which a step held a server.
    """
    longest = 0.0
    saved = clock()
    try:
        for node in nodes:
            cursor = progress.cursors.get(node.name, "0")
            if cursor is None:
                continue
            scan = Scan(node.client, cursor, hold=hold, load=load)
            tell(f"{node.name}{', a replica' if node.is_replica else ''}: {scan.method}")
            for batch in scan.batches():
                for found in batch.kinds:
                    progress.report.add(found, node.name)
                # What is added up and where it ends go together: no key counts twice.
                progress.cursors[node.name] = None if batch.cursor == "0" else batch.cursor
                advance(sum(len(found.keys) for found in batch.kinds))
                if cursor_file is not None and clock() - saved >= _SECONDS_BETWEEN_SAVES:
                    cursor_file.save(progress)
                    saved = clock()
            longest = max(longest, scan.longest)
    except BaseException:
        if cursor_file is not None:
            cursor_file.save(progress)
        raise
    if cursor_file is not None:
        cursor_file.remove()
    return longest


def key_sizes(node: Node) -> dict[str, dict[str, int]]:
    """What the server knows of the sizes of a database's keys, for nothing: ``INFO keysizes``.

    Returns:
        For each type, such as ``"hashes"``, how many keys have elements (or, of strings, bytes)
        from each power of two on. Empty where the server does not count them (Redis before 8.0,
        Valkey).
    """
    try:
        information: Any = node.client.info("keysizes")
    except RedisError:
        return {}
    sizes: dict[str, dict[str, int]] = {}
    for name, histogram in information.items():
        database, _, kind = name.partition("_distrib_")
        if database == f"db{node.database}" and isinstance(histogram, dict):
            kinds = sizes.setdefault(kind.removesuffix("_sizes").removesuffix("_items"), {})
            for at, count in histogram.items():
                kinds[str(at)] = kinds.get(str(at), 0) + int(count)
    return sizes
