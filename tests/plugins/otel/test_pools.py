"""How long connections are waited for and used, of each kind of pool."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.sdk.metrics import ExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import db_metrics as incubating
from tests.plugins.otel.conftest import MakeClient, Recorded

from redis_middleware import middleware_of, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.otel import OtelSettings

_WAIT = incubating.DB_CLIENT_CONNECTION_WAIT_TIME
_USE = incubating.DB_CLIENT_CONNECTION_USE_TIME
_TIMES = OtelSettings(pool_times=True)


def _counts(recorded: Recorded, metric: str) -> dict[str, int]:
    return {
        point.attributes["db.client.connection.pool.name"]: point.count
        for point in recorded.points(metric)
    }


@pytest.mark.parametrize("make", [redis.ConnectionPool, redis.BlockingConnectionPool])
def test_times_of_a_sync_pool(
    recorded: Recorded, clean_standalone: Server, make: Callable[..., Any]
) -> None:
    """Each command and each pipeline borrows a connection once and gives it back once."""
    pool = make(port=clean_standalone.port)
    client: Any = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin(_TIMES)])
    client.get("key")
    client.pipeline().get("key").get("other").execute()
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")
    client.close()
    pool.disconnect()

    name = f"localhost:{clean_standalone.port}/0"
    assert _counts(recorded, _WAIT) == _counts(recorded, _USE) == {name: 3}
    (use,) = recorded.points(_USE)
    assert 0 < use.sum < 5


@pytest.mark.parametrize(
    "make", [redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool]
)
async def test_times_of_an_async_pool(
    recorded: Recorded, clean_standalone: Server, make: Callable[..., Any]
) -> None:
    """The same for redis.asyncio."""
    pool = make(port=clean_standalone.port)
    client: Any = redis.asyncio.Redis(connection_pool=pool)
    wrap(client, {}, plugins=[recorded.plugin(_TIMES)])
    await client.get("key")
    await client.pipeline().get("key").get("other").execute()
    await client.aclose()
    await pool.disconnect()

    name = f"localhost:{clean_standalone.port}/0"
    assert _counts(recorded, _WAIT) == _counts(recorded, _USE) == {name: 2}


def test_times_of_a_cluster(recorded: Recorded, clean_cluster: Cluster) -> None:
    """Each node of a sync cluster has a pool of its own, those that join later too."""
    client = redis.RedisCluster(host="127.0.0.1", port=clean_cluster.primaries[0].port)
    wrap(client, {}, plugins=[recorded.plugin(_TIMES)])
    for number in range(30):
        client.set(f"key:{number}", number)
    client.close()

    used = _counts(recorded, _USE)
    assert sum(used.values()) >= 30
    assert {f"127.0.0.1:{node.port}/0" for node in clean_cluster.primaries} <= set(used)


def test_nothing_is_timed_unless_asked_for(recorded: Recorded, client_with: MakeClient) -> None:
    """By default a pool that never lets anybody wait is left as it is."""
    client = client_with(recorded.plugin())
    client.get("key")

    assert {"get_connection", "release"}.isdisjoint(vars(client.connection_pool))
    assert not recorded.points(_WAIT)
    assert not recorded.points(_USE)


def test_a_pool_of_several_clients_counts_once(
    recorded: Recorded, clean_standalone: Server
) -> None:
    """Two wrapped clients of one pool: each wait is told once, by whichever is left."""
    pool = redis.BlockingConnectionPool(port=clean_standalone.port)
    clients = [
        wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin(_TIMES)])
        for _ in range(2)
    ]
    for client in clients:
        client.get("key")
    name = f"localhost:{clean_standalone.port}/0"
    assert _counts(recorded, _WAIT) == {name: 2}
    middleware_of(clients[0]).remove("otel")
    clients[1].get("key")
    assert _counts(recorded, _WAIT) == {name: 3}
    middleware_of(clients[1]).remove("otel")
    clients[1].get("key")
    assert _counts(recorded, _WAIT) == {name: 3}
    assert {"get_connection", "release"}.isdisjoint(vars(pool))
    pool.disconnect()


def test_a_server_that_cannot_be_reached_is_no_wait(recorded: Recorded) -> None:
    """What never gave a connection is neither a wait nor a time-out of the pool's."""
    pool = redis.BlockingConnectionPool(
        port=1, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    )
    client = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin()])
    with pytest.raises(redis.ConnectionError):
        client.get("key")

    assert not recorded.points(_WAIT)
    assert not any(
        point.value for point in recorded.points(incubating.DB_CLIENT_CONNECTION_TIMEOUTS)
    )


def test_timeouts_begin_at_nothing(recorded: Recorded, client_with: MakeClient) -> None:
    """The counter of time-outs is there before the first: an alert sees its increase to one."""
    client = client_with(recorded.plugin())
    client.get("key")

    (timeouts,) = recorded.points(incubating.DB_CLIENT_CONNECTION_TIMEOUTS)
    assert timeouts.value == 0


def test_a_dropped_client_lets_go_of_its_pool(recorded: Recorded, clean_standalone: Server) -> None:
    """A pool of the application's outlives the client: with it the observation ends, at once."""
    pool = redis.ConnectionPool(port=clean_standalone.port)
    client = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin(_TIMES)])
    client.get("key")
    assert "get_connection" in vars(pool)
    del client
    assert {"get_connection", "release"}.isdisjoint(vars(pool))
    pool.disconnect()


def test_an_observed_pool_is_freed(recorded: Recorded, clean_standalone: Server) -> None:
    """Observing a pool keeps neither the client alive, not for a moment, nor the pool."""
    client = wrap(redis.Redis(port=clean_standalone.port), {}, plugins=[recorded.plugin(_TIMES)])
    client.get("key")
    kept, pool = weakref.ref(client), weakref.ref(client.connection_pool)
    del client
    assert kept() is None
    # redis-py's own pools are parts of a cycle.
    gc.collect()
    assert pool() is None


def test_an_observer_that_fails_costs_no_connection(
    recorded: Recorded, clean_standalone: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a meter does, a borrowed connection reaches its caller and comes back."""

    class Broken(ExemplarFilter):
        def should_sample(self, *args: Any) -> bool:
            raise RuntimeError("out of order")

    recorded.meters = MeterProvider([InMemoryMetricReader()], exemplar_filter=Broken())
    pool = redis.BlockingConnectionPool(port=clean_standalone.port, max_connections=1, timeout=1)
    client = wrap(redis.Redis(connection_pool=pool), {}, plugins=[recorded.plugin(_TIMES)])
    for _ in range(3):
        assert client.set("key", "value") is True
    client.close()
    pool.disconnect()

    assert sum("connections go on" in record.getMessage() for record in caplog.records) == 1
