"""A plain client with slot_routing beside RedisCluster, and beside a single server.

Three primaries without replicas, and one server that is not a cluster; every client is as redis-py
makes it by default. The comparison with a proxy is in `benchmarks.slot_routing_proxy`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import redis
import redis.asyncio

from benchmarks.measuring import Timing, compare, compare_async, ratio
from benchmarks.rows import Row
from benchmarks.slot_routing_proxy import proxy_rows
from redis_middleware import wrap
from redis_middleware.embedded import Cluster, Server, cluster, standalone
from redis_middleware_plugins.slot_routing import SlotRouting
from redis_middleware_plugins.slot_routing.slots import slot_function

GROUP = "slot_routing"
_KEYS = [f"user:{number}:profile" for number in range(100)]
_VALUE = b"x" * 100

_WORK: dict[str, dict[str, float | None]] = {
    "GET": {"RedisCluster": 0.70, "standalone": 1.15},
    "MGET of 100 keys": {"RedisCluster": 0.30, "standalone": None},
    "pipeline of 100 GETs": {"RedisCluster": 0.60, "standalone": None},
}
"""What is measured, beside whom, and the largest ratio that is good enough."""


def routed(client: Any) -> Any:
    """The client, wrapped, with the plugin alone."""
    return wrap(client, {}, plugins=[SlotRouting])


def _clients(module: Any, servers: Cluster, server: Server) -> dict[str, Any]:
    """By name; ``module`` is ``redis`` or ``redis.asyncio``."""
    return {
        "slot_routing": routed(module.Redis.from_url(servers.url)),
        "RedisCluster": module.RedisCluster.from_url(servers.url),
        "standalone": module.Redis.from_url(server.url),
    }


def _fill(servers: Cluster, server: Server) -> None:
    with redis.RedisCluster.from_url(servers.url) as client:
        for key in _KEYS:
            client.set(key, _VALUE)
    with redis.Redis.from_url(server.url) as single:
        single.mset(dict.fromkeys(_KEYS, _VALUE))


def _get(client: Any) -> Callable[[], Any]:
    keys = cycle(_KEYS)
    return lambda: client.get(next(keys))


def _mget(client: Any) -> Callable[[], Any]:
    method = getattr(client, "mget_nonatomic", client.mget)
    return lambda: method(_KEYS)


def _pipeline(client: Any) -> Callable[[], Any]:
    def execute() -> Any:
        pipe = client.pipeline(transaction=False)
        for key in _KEYS:
            pipe.get(key)
        return pipe.execute()

    return execute


def _rivals(
    clients: Mapping[str, Any], work: Callable[[Any], Callable[[], Any]]
) -> dict[str, Callable[[], Any]]:
    return {name: work(client) for name, client in clients.items()}


def _rows(prefix: str, work: str, timings: Mapping[str, Timing], *, has_targets: bool) -> list[Row]:
    rows = [
        Row(GROUP, f"{prefix} {work}: {name}", timing.value, "µs", timing.spread)
        for name, timing in timings.items()
    ]
    for name, target in _WORK[work].items():
        value, spread = ratio(timings["slot_routing"], timings[name])
        title = f"{prefix} {work}: slot_routing / {name}"
        rows.append(Row(GROUP, title, value, "ratio", spread, target if has_targets else None))
    return rows


def _sync_rows(servers: Cluster, server: Server) -> list[Row]:
    clients = _clients(redis, servers, server)
    _check_alike([_mget(client)() for client in clients.values()])
    _check_alike([_pipeline(client)() for client in clients.values()])
    singles = compare(_rivals(clients, _get), calls=200, rounds=150)
    several = compare(_rivals(clients, _mget), calls=10, rounds=100)
    batches = compare(_rivals(clients, _pipeline), calls=10, rounds=100)
    found = []
    for work, timings in zip(_WORK, (singles, several, batches), strict=True):
        found += _rows("sync", work, timings, has_targets=True)
    for client in clients.values():
        client.close()
    return found


async def _async_rows(servers: Cluster, server: Server) -> list[Row]:
    clients = _clients(redis.asyncio, servers, server)
    # All of them connect first.
    for client in clients.values():
        _check_alike([await _mget(client)(), await _pipeline(client)()])
    singles = await compare_async(_rivals(clients, _get), calls=100, rounds=150)
    several = await compare_async(_rivals(clients, _mget), calls=5, rounds=100)
    batches = await compare_async(_rivals(clients, _pipeline), calls=5, rounds=100)
    found = []
    for work, timings in zip(_WORK, (singles, several, batches), strict=True):
        found += _rows("async", work, timings, has_targets=False)
    for client in clients.values():
        await client.aclose()
    return found


def _check_alike(replies: Sequence[object]) -> None:
    if any(reply != [_VALUE] * len(_KEYS) for reply in replies):
        raise AssertionError(f"the rivals do not do the same: {replies}")


def _slot_rows() -> list[Row]:
    slot_of = slot_function(redis.Redis().get_encoder().encode)
    keys: dict[str, Any] = {
        "str": "user:1234:profile",
        "str with a hash tag": "{user:1234}:profile",
        "bytes": b"user:1234:profile",
    }
    timings = compare(
        {name: partial(slot_of, key) for name, key in keys.items()},
        calls=5000,
        rounds=60,
    )
    return [
        Row(GROUP, f"the slot of a key: {name}", timing.value, "µs", timing.spread, 0.5)
        for name, timing in timings.items()
    ]


def rows() -> list[Row]:
    """Run the group."""
    with cluster(primaries=3, replicas=0) as servers, standalone() as server:
        _fill(servers, server)
        found = _sync_rows(servers, server)
        found += asyncio.run(_async_rows(servers, server))
        found += _slot_rows()
    return [*found, *proxy_rows()]
