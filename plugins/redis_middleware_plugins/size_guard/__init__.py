"""size_guard: no big key gets in, and the ones inside get found.

::

    plugins = ["size_guard"]

    [size_guard]
    mode = "reject"                     # the default only warns

    [[size_guard.rules]]
    keys = "session:*"
    max_value = "64 KiB"

A write that its arguments, or what is known of its key, show to be too large is counted, logged or
refused with :class:`ValueTooLarge` before anything is sent. Reads of many elements are reported,
refused or answered in pages; deletes are sent as UNLINK; keys can be given a time to live and a
greatest length. ``redis-middleware bigkeys`` finds the big keys that are there already.

It logs to the logger ``redis_middleware.size_guard``, at level WARNING: keys and sizes, never
values. Its place in the list of plugins: inside of whatever compresses or splits values.
"""

from redis_middleware_plugins.size_guard.errors import ReadTooLarge, ValueTooLarge
from redis_middleware_plugins.size_guard.notices import Finding
from redis_middleware_plugins.size_guard.plugin import SizeGuard
from redis_middleware_plugins.size_guard.settings import SizeGuardSettings

__all__ = ["Finding", "ReadTooLarge", "SizeGuard", "SizeGuardSettings", "ValueTooLarge"]
