"""The same work through twemproxy, and through slot_routing with nothing in between.

What is compared, all on one machine:

- ``slot_routing``: a plain client, wrapped, before three servers that are a cluster.
- ``twemproxy``: the same plain client, bare, before the proxy (Debian package ``nutcracker``) and
  three servers of the same binary. Those are not a cluster: the proxy shares out the keys by
  itself, and would pass on as errors what nodes of a cluster answer for each other's keys, MOVED.
  It may ask a server for several keys with one MGET; in a cluster they would have to be of one
  slot.
- ``direct``: three bare clients, one for each of the proxy's servers, and an application that
  shares out the keys itself: what a single command cannot be faster than.

Connections speak RESP2 and do not introduce themselves: the proxy hangs up on HELLO and on CLIENT.
"""

from __future__ import annotations

import os
import random
import shutil
from binascii import crc_hqx
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter, sleep
from typing import Any

import redis

from benchmarks.rows import Row
from redis_middleware import wrap
from redis_middleware.embedded import Server, cluster, standalone
from redis_middleware.embedded.ports import HOST, free_port
from redis_middleware.embedded.workspace import Workspace
from redis_middleware_plugins.slot_routing import SlotRouting

GROUP = "slot_routing"
_SERVERS = 3
_KEYS = [f"user:{number}:profile" for number in range(10_000)]
_VALUE = b"x" * 100
_KEYS_AT_ONCE = 30
_PIPELINE_LENGTH = 100
_WRITES_EVERY = 10
_THREADS = 8
_UP_WITHIN = 5.0
_TURNS = 30
_PERCENTILES = (50, 95, 99)


class _Direct:
    """Three clients, and an application that knows which of them has a key."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._clients = [_client(server.port) for server in servers]

    def _of(self, key: str) -> redis.Redis:
        return self._clients[crc_hqx(key.encode(), 0) % _SERVERS]

    def get(self, key: str) -> object:
        return self._of(key).get(key)

    def set(self, key: str, value: bytes) -> object:
        return self._of(key).set(key, value)

    def mget(self, keys: Sequence[str]) -> list[object]:
        values: dict[str, object] = {}
        for client in self._clients:
            own = [key for key in keys if self._of(key) is client]
            values.update(zip(own, client.mget(own), strict=True))
        return [values[key] for key in keys]

    def pipeline(self, transaction: bool) -> _DirectPipeline:
        pipes = {id(client): client.pipeline(transaction) for client in self._clients}
        return _DirectPipeline(lambda key: pipes[id(self._of(key))], list(pipes.values()))

    def close(self) -> None:
        for client in self._clients:
            client.close()


@dataclass
class _DirectPipeline:
    """One pipeline for each server, executed one after the other."""

    of: Callable[[str], Any]
    pipes: list[Any]
    order: list[Any] = field(default_factory=list)

    def get(self, key: str) -> None:
        self._queued(key).get(key)

    def set(self, key: str, value: bytes) -> None:
        self._queued(key).set(key, value)

    def _queued(self, key: str) -> Any:
        pipe = self.of(key)
        self.order.append(pipe)
        return pipe

    def execute(self) -> list[object]:
        replies = {id(pipe): iter(pipe.execute()) for pipe in self.pipes}
        return [next(replies[id(pipe)]) for pipe in self.order]


def _client(port: int) -> redis.Redis:
    return redis.Redis(host=HOST, port=port, protocol=2, driver_info=None)


@contextmanager
def _twemproxy(binary: str, servers: Sequence[Server]) -> Iterator[int]:
    """Run the proxy before the servers; gives its port."""
    with Workspace() as workspace:
        port = free_port()
        configuration = workspace.directory / "nutcracker.yml"
        lines = [
            "pool:",
            f"  listen: {HOST}:{port}",
            "  redis: true",
            "  hash: crc16",
            "  distribution: modula",
            "  preconnect: true",
            "  servers:",
            *[f"    - {server.host}:{server.port}:1" for server in servers],
        ]
        configuration.write_text("\n".join(lines) + "\n")
        log = workspace.directory / "nutcracker.log"
        arguments = [binary, "-c", str(configuration), "-a", HOST, "-s", str(free_port())]
        workspace.start(arguments, directory=workspace.directory, log=log)
        _wait_until_up(port, log)
        yield port


def _wait_until_up(port: int, log: Path) -> None:
    deadline = monotonic() + _UP_WITHIN
    with _client(port) as client:
        while True:
            try:
                client.get("key")
            except redis.ConnectionError as error:
                if monotonic() > deadline:
                    raise RuntimeError(f"twemproxy does not come up: {log.read_text()}") from error
                sleep(0.05)
            else:
                return


def _singles(client: Any) -> Callable[[], object]:
    keys, numbers = _endless_keys(), count()

    def call() -> object:
        if next(numbers) % _WRITES_EVERY:
            return client.get(next(keys))
        return client.set(next(keys), _VALUE)

    return call


def _several(client: Any) -> Callable[[], object]:
    keys = _endless_keys()
    return lambda: client.mget(list(islice(keys, _KEYS_AT_ONCE)))


def _pipelines(client: Any) -> Callable[[], object]:
    keys = _endless_keys()

    def call() -> object:
        pipe = client.pipeline(transaction=False)
        for number, key in enumerate(islice(keys, _PIPELINE_LENGTH)):
            if number % _WRITES_EVERY:
                pipe.get(key)
            else:
                pipe.set(key, _VALUE)
        return pipe.execute()

    return call


def _endless_keys() -> Iterator[str]:
    return cycle(random.sample(_KEYS, len(_KEYS)))


@dataclass
class _Samples:
    """The latency of every call of one rival, and how long its turns took, in seconds."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, percent: int) -> float:
        return quantiles(self.latencies, n=100)[percent - 1]

    def rows(self, name: str) -> list[Row]:
        found = [
            Row(GROUP, f"{name}: p{percent}", self.percentile(percent) * 1e6, "µs")
            for percent in _PERCENTILES
        ]
        per_second = len(self.latencies) / self.seconds
        return [*found, Row(GROUP, f"{name}: throughput", per_second, "1/s")]


@dataclass(frozen=True)
class _Work:
    """What the rivals do.

    Attributes:
        title: what the rows call it.
        made: makes the function that does it once, for a client.
        calls: how often it is done in a turn.
        threads: by how many threads on one client.
    """

    title: str
    made: Callable[[Any], Callable[[], object]]
    calls: int
    threads: int = 1


_WORKS = (
    _Work("9 GETs to 1 SET", _singles, 400),
    _Work(f"MGET of {_KEYS_AT_ONCE} keys", _several, 100),
    _Work(f"pipeline of {_PIPELINE_LENGTH}", _pipelines, 30),
    _Work(f"9 GETs to 1 SET, {_THREADS} threads", _singles, 800, _THREADS),
)


def _measure(clients: Mapping[str, Any], work: _Work) -> dict[str, _Samples]:
    """Each rival's turns, between those of the others and in random order."""
    calls = {
        name: [work.made(client) for _ in range(work.threads)] for name, client in clients.items()
    }
    samples = {name: _Samples() for name in clients}
    order = list(clients)
    for turn in range(_TURNS + 1):
        random.shuffle(order)
        for name in order:
            found = _turn(calls[name], work.calls // work.threads)
            # In the first turn connections are made.
            if turn:
                samples[name].latencies += found.latencies
                samples[name].seconds += found.seconds
    return samples


def _turn(calls: Sequence[Callable[[], object]], times: int) -> _Samples:
    latencies: list[list[float]] = [[] for _ in calls]

    def work(number: int) -> None:
        call, own = calls[number], latencies[number]
        for _ in range(times):
            start = perf_counter()
            call()
            own.append(perf_counter() - start)

    start = perf_counter()
    if len(calls) == 1:
        work(0)
    else:
        with ThreadPoolExecutor(len(calls)) as threads:
            list(threads.map(work, range(len(calls))))
    return _Samples([seconds for own in latencies for seconds in own], perf_counter() - start)


def _rows(title: str, samples: Mapping[str, _Samples]) -> list[Row]:
    found = [row for name, own in samples.items() for row in own.rows(f"{title}: {name}")]
    ours, proxy = samples["slot_routing"], samples["twemproxy"]
    for percent in _PERCENTILES:
        value = ours.percentile(percent) / proxy.percentile(percent)
        name = f"{title}: p{percent} of slot_routing / twemproxy"
        found.append(Row(GROUP, name, value, "ratio"))
    return found


def proxy_rows() -> list[Row]:
    """Run the comparison; without the proxy, say so and give no rows."""
    binary = shutil.which("nutcracker", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        print("twemproxy is not compared: there is no nutcracker (apt-get install nutcracker)")
        return []
    with ExitStack() as stack:
        servers = [stack.enter_context(standalone()) for _ in range(_SERVERS)]
        nodes = stack.enter_context(cluster(primaries=_SERVERS, replicas=0))
        clients: dict[str, Any] = {
            "slot_routing": wrap(_client(nodes.primaries[0].port), {}, plugins=[SlotRouting]),
            "twemproxy": _client(stack.enter_context(_twemproxy(binary, servers))),
            "direct": _Direct(servers),
        }
        for client in clients.values():
            stack.callback(client.close)
            for key in _KEYS:
                client.set(key, _VALUE)
        return [row for work in _WORKS for row in _rows(work.title, _measure(clients, work))]
