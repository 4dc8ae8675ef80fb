"""Django's cache through django-redis: python django_cache.py."""

import os

import django
import redis
from django.conf import settings

from redis_middleware import middleware


@middleware
class MiddlewareRedis(redis.Redis):
    """What django-redis makes its clients of; those of one pool share their plugins."""


def configure() -> None:
    """Do what a settings module does: name the class of clients."""
    settings.configure(
        CACHES={
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": os.environ.get("REDIS_URL", "redis://localhost:6379"),
                "OPTIONS": {"REDIS_CLIENT_CLASS": f"{__name__}.MiddlewareRedis"},
            }
        }
    )
    django.setup()


def main() -> None:
    """Use Django's cache as ever."""
    configure()
    from django.core.cache import cache

    cache.set("greeting", {"en": "hello"}, timeout=60)
    print(cache.get("greeting"), cache.get_or_set("answer", lambda: 42), cache.incr("answer"))


if __name__ == "__main__":
    main()
