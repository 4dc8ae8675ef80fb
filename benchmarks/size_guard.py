"""What the size guard costs, and what it spares others: writes, scans for big keys, paged reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from time import perf_counter, sleep, thread_time
from typing import Any

import redis

from benchmarks.measuring import Timing, compare
from benchmarks.rows import Row
from redis_middleware import Flow, hookimpl, wrap
from redis_middleware.command import Command
from redis_middleware.commands import CommandSpec
from redis_middleware.embedded import standalone
from redis_middleware.testing import client_view, command
from redis_middleware_plugins.size_guard import SizeGuard, SizeGuardSettings
from redis_middleware_plugins.size_guard.bigkeys import Progress, Report, find_nodes, run_scan
from redis_middleware_plugins.size_guard.judging import Judge
from redis_middleware_plugins.size_guard.notices import Notices
from redis_middleware_plugins.size_guard.policies import Policies

GROUP = "size_guard"
CLI_VARIABLE = "REDIS_MIDDLEWARE_REDIS_CLI"
"""The environment variable that names a redis-cli or valkey-cli; else one on the PATH is used."""

_KEYS = 300_000
_FIELDS = 1_000_000
_SCANS = 7
_HOLD = 0.002


class PassThrough:
    """Wants every command and does nothing: another plugin of the pipeline."""

    name = "pass_through"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Pass on."""
        return (yield command)


class Indifferent(PassThrough):
    """Wants PING only: what wrapping costs without the guard."""

    name = "indifferent"

    def wants(self, spec: CommandSpec) -> bool:
        """Want no command that is measured."""
        return spec.name == "PING"


def _added(timing: Timing, base: Timing) -> tuple[float, float]:
    differences = [one - other for one, other in zip(timing.rounds, base.rounds, strict=True)]
    first, _, third = quantiles(differences, n=4)
    return median(differences), (third - first) / 2


def _single_rows(port: int) -> list[Row]:
    """What the guard adds to the calling thread's work: to a pipeline of another plugin, and where
    it is the only one."""
    value = b"x" * 1024
    clients = {
        "bare": redis.Redis(port=port),
        "wrapped": wrap(redis.Redis(port=port), {}, plugins=[Indifferent()]),
        "alone": wrap(redis.Redis(port=port), {}, plugins=[SizeGuard]),
        "other": wrap(redis.Redis(port=port), {}, plugins=[PassThrough()]),
        "beside": wrap(redis.Redis(port=port), {}, plugins=[PassThrough(), SizeGuard]),
    }
    clients["bare"].set("key", value)
    calls: dict[str, tuple[Callable[[Any], object], float | None]] = {
        "SET of 1 KB": (lambda client: client.set("key", value), 1.0),
        "GET": (lambda client: client.get("key"), 0.3),
        "HSET of a field": (lambda client: client.hset("hash", "f", "v"), None),
    }
    rows = []
    for name, (call, target) in calls.items():
        rivals = {each: partial(call, client) for each, client in clients.items()}
        timings = compare(rivals, calls=100, rounds=200, clock=thread_time)
        rows.append(
            Row(GROUP, f"{name}: bare, of the client's own work", timings["bare"].value, "µs")
        )
        for what, guarded, base, its_target in (
            ("the guard adds to another plugin", "beside", "other", target),
            ("the guard alone adds to a wrapped client", "alone", "wrapped", None),
        ):
            added, spread = _added(timings[guarded], timings[base])
            rows.append(Row(GROUP, f"{name}: {what}", added, "µs", spread, its_target))
    for client in clients.values():
        client.close()
    return rows


elements = [f"element-{number}" for number in range(1000)]


def _judging_rows() -> list[Row]:
    """The arguments of one command looked at, without a server."""
    settings = SizeGuardSettings()
    judge = Judge(Policies(settings), Notices(perf_counter), str)
    view = client_view()
    of_text = command("RPUSH", "list", *elements, client=view)
    of_numbers = command("RPUSH", "list", *range(1000), client=view)
    of_fields = command("HSET", "hash", *elements, client=view)
    timings = compare(
        {
            "RPUSH of 1,000 strings": lambda: judge.arguments(of_text),
            "HSET of 500 fields": lambda: judge.arguments(of_fields),
            "RPUSH of 1,000 numbers": lambda: judge.arguments(of_numbers),
        },
        calls=50,
        rounds=60,
    )
    return [
        Row(
            GROUP,
            f"{name}: looking at the arguments",
            timing.value,
            "µs",
            timing.spread,
            60.0 if name.endswith("strings") else None,
        )
        for name, timing in timings.items()
    ]


_PINGS = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("ready", flush=True)
took = []
end = time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    start = time.perf_counter()
    connection.sendall(b"PING\\r\\n")
    connection.recv(64)
    took.append(time.perf_counter() - start)
    time.sleep(0.001)
    if sys.stdin in __import__("select").select([sys.stdin], [], [], 0)[0]:
        break
took.sort()
print(took[int(len(took) * 0.99)] * 1000, took[-1] * 1000)
"""


class _Pings:
    """What a second client, a process of its own, waited for its PINGs, in milliseconds."""

    p99 = 0.0
    worst = 0.0


@contextmanager
def _pinging(port: int) -> Iterator[_Pings]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PINGS, str(port), "120"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    pings = _Pings()
    sleep(0.05)
    yield pings
    output, _ = process.communicate("stop\n", timeout=30)
    pings.p99, pings.worst = map(float, output.split())


def _fill(client: redis.Redis) -> None:
    """300,000 keys of several types, sizes and prefixes, half of them with a time to live."""
    pipe = client.pipeline(transaction=False)
    for number in range(_KEYS):
        key = f"{('user', 'session', 'order')[number % 3]}:{number}"
        match number % 10:
            case 0 | 1:
                pipe.hset(key, mapping={f"f{n}": "v" for n in range(number % 20 + 1)})
            case 2:
                pipe.rpush(key, *range(number % 15 + 1))
            case 3:
                pipe.sadd(key, *range(number % 15 + 1))
            case _:
                pipe.set(key, b"x" * (number % 500), ex=10_000 if number % 2 else None)
        if number % 5000 == 4999:
            pipe.execute()
    pipe.execute()


def _plain_scan(client: redis.Redis) -> None:
    """A pipelined scan as it is usually written."""
    cursor: Any = 0
    while True:
        cursor, keys = client.scan(cursor, count=500)
        pipe: Any = client.pipeline(transaction=False)
        for key in keys:
            pipe.type(key)
            pipe.memory_usage(key)
            pipe.pttl(key)
        pipe.execute()
        if not int(cursor):
            return


def _scan_rows(port: int, url: str) -> list[Row]:
    client = redis.Redis(port=port)
    _fill(client)
    cli = os.environ.get(CLI_VARIABLE) or shutil.which("redis-cli") or shutil.which("valkey-cli")
    seconds: dict[str, list[float]] = {"bigkeys": [], "plain": [], "cli": []}
    p99: list[float] = []
    longest: list[float] = []
    for _ in range(_SCANS):
        if cli:
            start = perf_counter()
            subprocess.run([cli, "-p", str(port), "--memkeys"], check=True, capture_output=True)
            seconds["cli"].append(perf_counter() - start)
        nodes, _ = find_nodes(url)
        progress = Progress(Report())
        start = perf_counter()
        run_scan(nodes, progress, hold=_HOLD, load=1.0)
        seconds["bigkeys"].append(perf_counter() - start)
        assert progress.report.totals.count >= _KEYS
    for _ in range(_SCANS):
        nodes, _ = find_nodes(url)
        with _pinging(port) as pings:
            longest.append(1000 * run_scan(nodes, Progress(Report()), hold=_HOLD, load=1.0))
        p99.append(pings.p99)
    start = perf_counter()
    _plain_scan(client)
    seconds["plain"].append(perf_counter() - start)
    client.flushall()
    client.close()
    # The best of several: a scan takes a second, in which a busy machine does other things too.
    rates = {name: _KEYS / min(each) / 1000 for name, each in seconds.items() if each}
    rows = [
        Row(GROUP, f"scan of 300,000 keys: {name}", rate, "thousand keys/s")
        for name, rate in (
            ("bigkeys, full report", rates["bigkeys"]),
            ("plain pipelines", rates["plain"]),
        )
    ]
    if cli:
        ratio = min(seconds["bigkeys"]) / min(seconds["cli"])
        rows.append(Row(GROUP, "scan: redis-cli --memkeys", rates["cli"], "thousand keys/s"))
        rows.append(
            Row(GROUP, "scan: time of bigkeys / of redis-cli --memkeys", ratio, "ratio", 0, 1.0)
        )
    rows.append(Row(GROUP, "scan: PING of another client, p99", min(p99), "ms", 0, 5.0))
    rows.append(Row(GROUP, "scan: longest script", max(longest), "ms"))
    return rows


def _paging_rows(port: int) -> list[Row]:
    bare = redis.Redis(port=port)
    for first in range(0, _FIELDS, 10_000):
        bare.hset("big", mapping={f"field-{n}": n for n in range(first, first + 10_000)})
    paging = wrap(redis.Redis(port=port), {"size_guard": {"reads": "page"}}, plugins=[SizeGuard])
    waits: dict[str, list[float]] = {"whole": [], "paged": []}
    seconds: dict[str, list[float]] = {"whole": [], "paged": []}
    for _ in range(3):
        replies = []
        for name, client in (("whole", bare), ("paged", paging)):
            with _pinging(port) as pings:
                start = perf_counter()
                replies.append(client.hgetall("big"))
                seconds[name].append(perf_counter() - start)
            waits[name].append(pings.worst)
        assert replies[0] == replies[1]
        assert type(replies[0]) is type(replies[1])
    bare.unlink("big")
    bare.close()
    paging.close()
    return [
        Row(
            GROUP,
            f"HGETALL of 1 M fields, {name}: worst PING of another client",
            median(waits[name]),
            "ms",
            (max(waits[name]) - min(waits[name])) / 2,
            20.0 if name == "paged" else None,
        )
        for name in waits
    ] + [
        Row(GROUP, f"HGETALL of 1 M fields, {name}: takes", median(each), "s")
        for name, each in seconds.items()
    ]


def rows() -> list[Row]:
    """Measure everything."""
    with standalone() as server:
        return [
            *_single_rows(server.port),
            *_judging_rows(),
            *_scan_rows(server.port, server.url),
            *_paging_rows(server.port),
        ]
