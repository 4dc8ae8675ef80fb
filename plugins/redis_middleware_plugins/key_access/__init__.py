"""key_access: counts which keys an application accesses and finds the hot ones while it happens.

::

    plugins = ["key_access"]

    [key_access.hot]
    share = 0.02

Code asks ``middleware_of(client).plugins["key_access"]``: ``report()`` gives all that is known,
``hot_keys`` the keys that are hot now, ``subscribe(function)`` tells of changes.
"""

from __future__ import annotations

from redis_middleware_plugins.key_access.bounds import Bounds
from redis_middleware_plugins.key_access.breakdown import Part
from redis_middleware_plugins.key_access.hot import HotKey, HotKeyEvent
from redis_middleware_plugins.key_access.plugin import KeyAccess
from redis_middleware_plugins.key_access.report import (
    FleetStatus,
    KeyReport,
    Report,
    WindowReport,
)
from redis_middleware_plugins.key_access.settings import KeyAccessSettings

__all__ = [
    "Bounds",
    "FleetStatus",
    "HotKey",
    "HotKeyEvent",
    "KeyAccess",
    "KeyAccessSettings",
    "KeyReport",
    "Part",
    "Report",
    "WindowReport",
]
