"""Settings: found, read, merged and checked.

The types for the settings models of plugins are in ``redis_middleware.settings.types`` and the
schema for editors is made by ``redis_middleware.settings.json_schema``; these two import pydantic.
This package imports pydantic once there are settings to check.
"""

from redis_middleware.settings.loading import load_settings
from redis_middleware.settings.origins import Origin
from redis_middleware.settings.settings import Settings
from redis_middleware.settings.watching import Watch

__all__ = ["Origin", "Settings", "Watch", "load_settings"]
