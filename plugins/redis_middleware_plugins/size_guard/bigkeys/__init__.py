"""Finding the big keys that are there already: a scan that hardly holds the server up."""

from redis_middleware_plugins.size_guard.bigkeys.nodes import (
    Databases,
    Node,
    find_nodes,
    named_database,
)
from redis_middleware_plugins.size_guard.bigkeys.report import BigKey, Report
from redis_middleware_plugins.size_guard.bigkeys.run import key_sizes, run_scan
from redis_middleware_plugins.size_guard.bigkeys.state import CursorFile, CursorFileError, Progress

__all__ = [
    "BigKey",
    "CursorFile",
    "CursorFileError",
    "Databases",
    "Node",
    "Progress",
    "Report",
    "find_nodes",
    "key_sizes",
    "named_database",
    "run_scan",
]
