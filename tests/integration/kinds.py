"""Every kind of client that can be wrapped, and how a bare one is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fakeredis
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from tests.commands.conftest import REDIS
from tests.integration.control import Control
from tests.integration.servers import Servers

from redis_middleware.embedded import Server

__all__ = ["ESSENTIAL", "KINDS", "MAIN", "WRITING", "Kind", "kinds"]

HAS_UNIFIED_RESPONSES = "legacy_responses" in redis.Redis.__init__.__code__.co_varnames
HAS_CLUSTER_TRANSACTIONS = hasattr(redis.cluster, "TransactionStrategy")

Build = Callable[..., Any]


@dataclass(frozen=True)
class Kind:
    """One kind of client.

    Attributes:
        name: what it is called.
        build: makes a bare client of the run's servers, with further options of redis-py's.
        deployment: what it talks to: ``standalone``, ``redis``, ``cluster``, ``primary`` or
            ``replica`` (both behind a sentinel), or ``fake``.
        is_async: whether it is one of redis.asyncio.
        decodes: whether replies are text.
        is_variant: whether it differs from a plain client in its transport only, so that a few
            scenarios are enough.
        is_single: whether all its commands go over one connection.
    """

    name: str
    build: Build
    deployment: str
    is_async: bool = False
    decodes: bool = False
    is_variant: bool = False
    is_single: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_cluster(self) -> bool:
        """Whether it is a ``RedisCluster``."""
        return self.deployment == "cluster"

    @property
    def is_fake(self) -> bool:
        """Whether there is no server."""
        return self.deployment == "fake"

    @property
    def keeps_connections(self) -> bool:
        """Whether redis-py gives back a connection whose making failed or was cancelled.

        Before redis-py 8 the nodes of redis.asyncio's cluster did not.
        """
        return not (self.is_cluster and self.is_async) or self.has("pubsub")

    @property
    def has_transactions(self) -> bool:
        """Whether its pipelines can be transactions."""
        return not self.is_cluster or HAS_CLUSTER_TRANSACTIONS

    def has(self, method: str) -> bool:
        """Whether its clients have a method, which older versions of redis-py may not give it."""
        module = redis.asyncio if self.is_async else redis
        return hasattr(module.RedisCluster if self.is_cluster else module.Redis, method)

    def make(self, servers: Servers, **options: Any) -> Any:
        """A new bare client.

        Args:
            servers: the run's servers.
            options: of redis-py's, such as ``max_connections`` or ``client_name``.
        """
        return self.build(servers, **options)

    def control(self, servers: Servers) -> Control:
        """What looks at this kind's servers."""
        control: Control = getattr(servers, f"{self.deployment}_control")
        return control


class OwnRedis(redis.Redis):
    """An application's subclass: a method of its own, and one of redis-py's overridden."""

    def get_upper(self, key: str) -> Any:
        """A method in terms of others."""
        value: Any = self.get(key)
        return None if value is None else value.upper()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """An override, as instrumentation has them."""
        self.calls = getattr(self, "calls", 0) + 1
        return super().execute_command(*args, **options)


class OwnAsyncRedis(redis.asyncio.Redis):
    """The same for redis.asyncio."""

    async def get_upper(self, key: str) -> Any:
        """A method in terms of others."""
        value = await self.get(key)
        return None if value is None else value.upper()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """An override, as instrumentation has them."""
        self.calls = getattr(self, "calls", 0) + 1
        return await super().execute_command(*args, **options)


def _address(server: Server) -> dict[str, Any]:
    return {"host": server.host, "port": server.port}


def _tcp(cls: type, **fixed: Any) -> Build:
    return lambda servers, **options: cls(**_address(servers.standalone), **fixed, **options)


def _unix(cls: type) -> Build:
    return lambda servers, **options: cls(
        unix_socket_path=str(servers.standalone.unix_socket), **options
    )


def _tls(cls: Any) -> Build:
    return lambda servers, **options: cls.from_url(servers.standalone.tls_url, **options)


def _pool(cls: Any, pool_class: Any) -> Build:
    def build(servers: Servers, **options: Any) -> Any:
        return cls(connection_pool=pool_class(**_address(servers.standalone), **options))

    return build


def _shared_pool(cls: Any, pool_class: Any) -> Build:
    def build(servers: Servers, **options: Any) -> Any:
        pool = pool_class(**_address(servers.standalone), **options)
        neighbour = cls(connection_pool=pool)
        client = cls(connection_pool=pool)
        client.neighbour = neighbour
        return client

    return build


def _cached(servers: Servers, **options: Any) -> Any:
    from redis.cache import CacheConfig

    return redis.Redis(
        **_address(servers.redis_server), protocol=3, cache_config=CacheConfig(), **options
    )


def _cluster(cls: type, **fixed: Any) -> Build:
    return lambda servers, **options: cls(
        **_address(servers.cluster.primaries[0]), **fixed, **options
    )


def _sentinel(cls: Any, method: str) -> Build:
    def build(servers: Servers, **options: Any) -> Any:
        sentinel = cls(servers.sentinel.addresses)
        return getattr(sentinel, method)(servers.sentinel.service_name, **options)

    return build


def _fake(cls: Any) -> Build:
    def build(servers: Servers, **options: Any) -> Any:
        return cls(server=servers.fake, **options)

    return build


def _both(
    name: str,
    build: Callable[[Any], Build],
    classes: tuple[Any, Any],
    deployment: str = "standalone",
    **facts: Any,
) -> list[Kind]:
    sync, asynchronous = classes
    return [
        Kind(name, build(sync), deployment, **facts),
        Kind(f"async {name}", build(asynchronous), deployment, is_async=True, **facts),
    ]


_PLAIN = (redis.Redis, redis.asyncio.Redis)
_CLUSTERS = (redis.RedisCluster, redis.asyncio.RedisCluster)
_SENTINELS = (redis.sentinel.Sentinel, redis.asyncio.sentinel.Sentinel)
_FAKES = (fakeredis.FakeRedis, fakeredis.FakeAsyncRedis)


def _of_pools(build: Callable[[Any, Any], Build], name: str) -> Callable[[Any], Build]:
    def made(cls: Any) -> Build:
        module = redis.asyncio if issubclass(cls, redis.asyncio.Redis) else redis
        return build(cls, getattr(module, name))

    return made


KINDS: list[Kind] = [
    *_both("tcp", _tcp, _PLAIN),
    *_both("unix socket", _unix, _PLAIN, is_variant=True),
    *_both("tls", _tls, _PLAIN, is_variant=True),
    *_both(
        "single connection",
        lambda cls: _tcp(cls, single_connection_client=True),
        _PLAIN,
        is_single=True,
    ),
    *_both("decoded", lambda cls: _tcp(cls, decode_responses=True), _PLAIN, decodes=True),
    *_both("resp2", lambda cls: _tcp(cls, protocol=2), _PLAIN, is_variant=True),
    *_both("resp3", lambda cls: _tcp(cls, protocol=3), _PLAIN),
    *_both(
        "blocking pool",
        _of_pools(_pool, "BlockingConnectionPool"),
        _PLAIN,
        is_variant=True,
    ),
    *_both("shared pool", _of_pools(_shared_pool, "ConnectionPool"), _PLAIN, is_variant=True),
    *_both("subclass", _tcp, (OwnRedis, OwnAsyncRedis), is_variant=True),
    *_both("sentinel primary", lambda cls: _sentinel(cls, "master_for"), _SENTINELS, "primary"),
    *_both("sentinel replica", lambda cls: _sentinel(cls, "slave_for"), _SENTINELS, "replica"),
    *_both("cluster", _cluster, _CLUSTERS, "cluster"),
    *_both(
        "decoded cluster",
        lambda cls: _cluster(cls, decode_responses=True, protocol=3),
        _CLUSTERS,
        "cluster",
        decodes=True,
        is_variant=True,
    ),
    *_both("fake", _fake, _FAKES, "fake"),
]
if REDIS is not None:
    # Valkey refuses it.
    KINDS.append(Kind("client-side cache", _cached, "redis", is_variant=True))
if HAS_UNIFIED_RESPONSES:
    KINDS += _both("unified", lambda cls: _tcp(cls, legacy_responses=False), _PLAIN)


def kinds(condition: Callable[[Kind], bool]) -> list[Kind]:
    """The kinds for which the condition holds."""
    return [kind for kind in KINDS if condition(kind)]


MAIN = kinds(lambda kind: not kind.is_variant)
"""Those that differ in more than their transport."""

WRITING = kinds(lambda kind: not kind.is_variant and kind.deployment != "replica")
"""Of those, the ones that can write."""

ESSENTIAL = kinds(
    lambda kind: (
        kind.name
        in ("tcp", "async tcp", "async single connection", "resp3", "cluster", "async cluster")
    )
)
"""A few very different ones, for what takes its time."""
