"""A WSGI application for gunicorn --preload --workers 3 gunicorn_app:app.

The client is made, and used, before gunicorn forks its workers.
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import redis

from redis_middleware import middleware, middleware_of


@middleware
def make_client() -> redis.Redis:
    """Connect; the settings are found in redis-middleware.toml."""
    return redis.Redis.from_url(
        os.environ.get("REDIS_URL", "redis://localhost:6379"), decode_responses=True
    )


client = make_client()
client.set("config:started-by", os.getpid())


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Count the visit and tell who answers."""
    visits = client.incr("visits")
    started_by = client.get("config:started-by")
    hits = middleware_of(client).plugins["local_cache"].statistics().hits
    answer = {"worker": os.getpid(), "visits": visits, "started_by": started_by, "hits": hits}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
