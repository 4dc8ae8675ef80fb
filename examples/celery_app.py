"""Celery with Redis as broker and result backend: celery -A celery_app worker."""

import os
from typing import Any

import kombu.transport
import kombu.transport.redis
import redis
from celery import Celery
from celery.backends.redis import RedisBackend

from redis_middleware import middleware

URL = os.environ.get("REDIS_URL", "redis://localhost:6379")


@middleware
class MiddlewareRedis(redis.Redis):
    """What broker and result backend make their clients of."""


class Channel(kombu.transport.redis.Channel):
    """The broker's channel, with that class."""

    def _get_client(self) -> type[redis.Redis]:
        return MiddlewareRedis


class Transport(kombu.transport.redis.Transport):
    """The broker's transport, with that channel."""

    Channel = Channel


class Backend(RedisBackend):
    """The result backend, with that class."""

    def _get_client(self) -> type[redis.Redis]:
        return MiddlewareRedis


kombu.transport.TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"
app = Celery("celery_app", broker=URL, backend=f"{__name__}:Backend+{URL}")


@app.task
def add(x: int, y: int) -> Any:
    """Add two numbers."""
    return x + y
