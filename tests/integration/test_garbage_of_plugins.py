"""What the built-in plugins make for a client goes with it, whether it is closed or dropped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis
from tests.integration import awaiting
from tests.integration.built_in import own_otel
from tests.integration.kinds import KINDS, Kind
from tests.integration.servers import Servers

from redis_middleware import Middleware, middleware, middleware_of, wrap
from redis_middleware.redispy.dedicated import known_nodes
from redis_middleware.redispy.servers import never_sent

_CACHED: Mapping[str, Any] = {"rules": [{"keys": "*"}]}
_RENEWED: Mapping[str, Any] = {"rules": [{"keys": "*", "ttl": 10, "refresh_ahead": 0.9}]}
_READING: Mapping[str, Any] = {"policy": "prefer_replica", "check_every": 0.05}

SETTINGS: dict[str, dict[str, Any]] = {
    "key_access": {},
    "local_cache": {"local_cache": _RENEWED},
    "otel": {},
    "size_guard": {},
    "slot_routing": {},
    "slot_routing, replicas": {"slot_routing": {"reading": _READING}},
    "slow_log": {},
    "all": {"local_cache": _CACHED},
}
PLUGINS = {name: [name.partition(",")[0]] for name in SETTINGS}
PLUGINS["all"] = ["otel", "key_access", "local_cache", "size_guard", "slot_routing"]


def _of_cluster(kind: Kind) -> Kind:
    """A plain client of a node of the cluster."""
    cls: Any = redis.asyncio.Redis if kind.is_async else redis.Redis

    def build(servers: Servers, **options: Any) -> Any:
        node = servers.cluster.primaries[0]
        return cls(host=node.host, port=node.port, **options)

    return Kind(f"{kind.name} of cluster", build, "cluster", is_async=kind.is_async)


PLAIN = [kind for kind in KINDS if kind.name in ("tcp", "async tcp")]
CLUSTERS = [kind for kind in KINDS if kind.name in ("cluster", "async cluster")]
OF_CLUSTER = [_of_cluster(kind) for kind in PLAIN]
CASES = [
    *itertools.product((*PLAIN, *CLUSTERS), SETTINGS),
    *itertools.product(OF_CLUSTER, ("slot_routing", "slot_routing, replicas", "all")),
]

_numbers = itertools.count(1)


@pytest.fixture(autouse=True, scope="module")
def quick_collector() -> Iterator[None]:
    """Let the collector of cycles look at nothing that was there before."""
    gc.collect()
    gc.freeze()
    with warnings.catch_warnings():
        # redis.asyncio says so of everything that is dropped and was not closed.
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    gc.unfreeze()


def _sources(plugins: str) -> list[object]:
    return [own_otel() if each == "otel" else each for each in PLUGINS[plugins]]


def _wrapped(build: Callable[[], Any], plugins: str) -> Any:
    return wrap(build(), SETTINGS[plugins], plugins=_sources(plugins))


def _decorated(build: Callable[[], Any], plugins: str) -> Any:
    return middleware(SETTINGS[plugins], plugins=_sources(plugins))(build)()


async def _use(client: Any) -> None:
    await awaiting.settle(client.set("{k}1", "text"))
    await awaiting.settle(client.get("{k}1"))
    await awaiting.settle(client.mget("{k}1", "{k}2"))
    with contextlib.suppress(redis.ResponseError):
        await awaiting.settle(client.lpush("{k}1", 1))
    pipe = client.pipeline()
    pipe.get("{k}1").get("{k}2")
    await awaiting.settle(pipe.execute())
    await awaiting.settle(client.ping())


async def _used(client: Any, *, closes: bool) -> weakref.ref[Middleware]:
    await _use(client)
    if closes:
        await awaiting.settle(client.aclose() if hasattr(client, "aclose") else client.close())
    return weakref.ref(middleware_of(client))


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "dropped"])
@pytest.mark.parametrize("make", [_wrapped, _decorated], ids=["wrapped", "decorated"])
@pytest.mark.parametrize(
    ("kind", "plugins"), CASES, ids=[f"{kind}-{plugins}" for kind, plugins in CASES]
)
def test_nothing_is_left(
    kind: Kind, servers: Servers, plugins: str, make: Callable[..., Any], closes: bool
) -> None:
    """A client that was used leaves neither plugins, nor threads or tasks, nor connections."""
    control = kind.control(servers)
    name = f"garbage-of-plugins-{next(_numbers)}"

    def running() -> set[Any]:
        return {*threading.enumerate(), *(asyncio.all_tasks() if kind.is_async else ())}

    async def scenario() -> None:
        before = running()
        client = make(lambda: kind.make(servers, client_name=name), plugins)
        reference = await _used(client, closes=closes)
        assert closes or control.connections(name)
        del client

        def left() -> list[Any]:
            gc.collect()
            return [*filter(None, [reference(), running() - before, control.connections(name)])]

        try:
            await awaiting.until(lambda: not left(), is_async=kind.is_async, within=10)
        except AssertionError:
            raise AssertionError(f"left over: {left()}") from None

    awaiting.run(scenario(), is_async=kind.is_async)


@pytest.mark.parametrize("kind", [*PLAIN, *CLUSTERS], ids=str)
def test_servers_do_not_keep_their_client(kind: Kind, servers: Servers) -> None:
    """A plugin's servers on the client's own connections are of no more use without it."""
    name = f"garbage-of-plugins-{next(_numbers)}"
    control = kind.control(servers)

    async def scenario() -> None:
        client = wrap(kind.make(servers, client_name=name), {}, plugins=[])
        await awaiting.settle(client.ping())
        view = middleware_of(client).client
        address = known_nodes(view)[0] if kind.is_cluster else None
        server: Any = view.servers().at(address)
        command = view.command("PING")
        assert await awaiting.settle(server.send(command))
        reference = weakref.ref(client)
        del client

        def is_gone() -> bool:
            gc.collect()
            return reference() is None and not control.connections(name)

        await awaiting.until(is_gone, is_async=kind.is_async)
        with pytest.raises(redis.ConnectionError, match="client") as caught:
            await awaiting.settle(server.send(command))
        assert never_sent(caught.value)

    awaiting.run(scenario(), is_async=kind.is_async)
