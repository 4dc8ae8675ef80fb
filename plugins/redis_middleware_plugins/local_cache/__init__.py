"""local_cache: hot keys answered from memory, never wrong for long.

::

    plugins = ["local_cache"]

    [[local_cache.rules]]
    keys = "config:*"
    ttl = 30

Reads of the keys that a rule names are answered from memory. The servers tell of every write to
them, over a connection of the plugin's own (``invalidation = "broadcast"``), and this client's own
writes drop their keys at once. Nothing is cached that no rule names.

``middleware_of(client).plugins["local_cache"]`` has ``statistics()``, ``invalidate(key)``,
``clear()`` and ``state``.
"""

from redis_middleware_plugins.local_cache.plugin import LocalCache
from redis_middleware_plugins.local_cache.settings import LocalCacheSettings, RuleSettings
from redis_middleware_plugins.local_cache.statistics import RuleCounts, Statistics

__all__ = ["LocalCache", "LocalCacheSettings", "RuleCounts", "RuleSettings", "Statistics"]
