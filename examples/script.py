"""A plain script: python script.py, with a server at REDIS_URL."""

import os

import redis

from redis_middleware import middleware, middleware_of


@middleware
def make_client() -> redis.Redis:
    """Connect; the settings are found in redis-middleware.toml."""
    return redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))


def main() -> None:
    """Use the client as ever."""
    client = make_client()
    for _ in range(1000):
        client.incr("visits")
    counted = middleware_of(client).plugins["key_access"].report().windows[0].keys[0]
    print(f"{counted.name}: {counted.writes.lower:.0f} writes")
    client.close()


if __name__ == "__main__":
    main()
