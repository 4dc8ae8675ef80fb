"""otel: traces and metrics of what a client does, by OpenTelemetry's stable conventions.

::

    plugins = ["otel"]

    [otel]
    query = "keys"

It uses the application's providers. Where there are none, the settings may set the SDK up::

    [otel.sdk]
    traces = "otlp-http"
    metrics = "otlp-http"
    service_name = "shop"

Outermost in the list of plugins, it sees what the application waits for, and what all the other
plugins did; innermost, what redis-py and the server take.
"""

from redis_middleware_plugins.otel.plugin import Otel
from redis_middleware_plugins.otel.settings import OtelSettings, SamplingSettings, SdkSettings

__all__ = ["Otel", "OtelSettings", "SamplingSettings", "SdkSettings"]
