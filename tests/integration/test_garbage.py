"""What is dropped is gone at once, with its connections: as fast as it is with a bare client."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from tests.integration import awaiting
from tests.integration.control import Control
from tests.integration.kinds import KINDS, WRITING, Kind, kinds
from tests.integration.pass_through import three
from tests.integration.servers import Servers

from redis_middleware import wrap

REAL = [kind for kind in WRITING if not kind.is_fake]
SYNC = [kind for kind in REAL if not kind.is_async and not kind.is_cluster]
DROPPED = kinds(
    lambda kind: (
        kind.name
        in (
            "tcp",
            "async tcp",
            "single connection",
            "subclass",
            "async subclass",
            "sentinel primary",
            "async sentinel primary",
        )
    )
)

_numbers = itertools.count(1)

Use = Callable[[Any], Any]


@pytest.fixture(autouse=True, scope="module")
def no_collector() -> Iterator[None]:
    """Leave the collector of cycles off: what goes, goes by its reference count."""
    gc.collect()
    gc.disable()
    with warnings.catch_warnings():
        # redis.asyncio says so of everything that is dropped and was not closed.
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    gc.enable()


def left_over(kind: Kind, servers: Servers, use: Use, expected: int, *, wraps: bool) -> int:
    """How many connections there are a moment after a client was made, used and dropped.

    Args:
        kind: the kind of client.
        servers: the run's servers.
        use: uses the client and drops it, as far as it can.
        expected: how many to wait for, a short time.
        wraps: whether the client is wrapped.
    """
    control = kind.control(servers)
    name = f"garbage-{next(_numbers)}"
    plugins = three()

    def make() -> Any:
        client = kind.make(servers, client_name=name)
        return wrap(client, {}, plugins=plugins) if wraps else client

    async def scenario() -> int:
        await awaiting.settle(use(make))
        return await _few(kind, control, name, expected)

    return awaiting.run(scenario(), is_async=kind.is_async)


async def _few(kind: Kind, control: Control, name: str, expected: int) -> int:
    deadline = time.monotonic() + 0.3
    while control.connections(name) > expected and time.monotonic() < deadline:
        await awaiting.pause(0.002, is_async=kind.is_async)
    return control.connections(name)


async def use_client(make: Use) -> None:
    """A client that was used."""
    client = make(())
    await awaiting.settle(client.get("key"))


async def use_client_with_errors(make: Use) -> None:
    """A client whose command failed: the exception must not keep it either."""
    client = make(())
    await awaiting.settle(client.set("key", "text"))
    with contextlib.suppress(redis.ResponseError):
        await awaiting.settle(client.lpush("key", 1))
    await awaiting.settle(client.delete("key"))


async def use_pipeline(make: Use) -> None:
    """A pipeline that was executed, and outlives its client for a moment."""
    pipe = make(()).pipeline()
    pipe.get("key")
    await awaiting.settle(pipe.execute())


async def use_watching_pipeline(make: Use) -> None:
    """A transaction that is dropped while it watches."""
    client = make(())
    pipe = client.pipeline()
    await awaiting.settle(pipe.watch("key"))
    del pipe


async def use_subscription(make: Use) -> None:
    """A subscription that is dropped while it is subscribed."""
    client = make(())
    pubsub = client.pubsub()
    await awaiting.settle(pubsub.subscribe("channel"))
    await awaiting.settle(pubsub.get_message(timeout=1))
    del pubsub


async def use_modules_scripts_and_locks(make: Use) -> None:
    """What else a client makes."""
    client = make(())
    lock = client.lock("lock", timeout=1)
    await awaiting.settle(lock.acquire())
    await awaiting.settle(lock.release())
    await awaiting.settle(client.register_script("return 1")())
    client.json().pipeline()


USES = [
    use_client,
    use_client_with_errors,
    use_pipeline,
    use_watching_pipeline,
    use_subscription,
    use_modules_scripts_and_locks,
]


@pytest.mark.parametrize("use", USES, ids=[use.__name__.removeprefix("use_") for use in USES])
@pytest.mark.parametrize("kind", DROPPED, ids=str)
def test_dropped(kind: Kind, servers: Servers, use: Use) -> None:
    """As few connections are left as of a bare client, without the help of the collector."""
    bare = left_over(kind, servers, lambda make: use(lambda _: make()), 0, wraps=False)
    assert left_over(kind, servers, lambda make: use(lambda _: make()), bare, wraps=True) <= bare


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_cluster], ids=str)
def test_object_is_gone(kind: Kind, servers: Servers) -> None:
    """The client itself is freed, and its pipelines and subscriptions are."""
    client = wrap(kind.make(servers), {}, plugins=three())
    made = [client, client.pipeline(), client.pubsub()]
    references = [weakref.ref(thing) for thing in made]
    del client, made
    assert [reference() for reference in references] == [None, None, None]


@pytest.mark.parametrize("kind", SYNC, ids=str)
def test_watching_pipeline_gives_back(kind: Kind, servers: Servers) -> None:
    """The connection of a dropped transaction serves the next command, without its watch."""
    if kind.is_single:
        return
    client = wrap(kind.make(servers, max_connections=1), {}, plugins=three())
    pipe = client.pipeline()
    pipe.watch("key")
    del pipe
    client.set("key", 1)
    assert int(client.get("key")) == 1
    client.close()
