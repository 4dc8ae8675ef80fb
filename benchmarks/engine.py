"""What the engine itself costs: wrapped clients beside bare ones, with plugins that do nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pluggy
import redis
import redis.asyncio

from benchmarks.measuring import Timing, compare, compare_async, ratio
from benchmarks.rows import Row
from redis_middleware import Flow, hookimpl, wrap
from redis_middleware.command import Command
from redis_middleware.commands import CommandSpec, spec_of
from redis_middleware.discovery import load_plugins
from redis_middleware.drivers import run
from redis_middleware.embedded import standalone
from redis_middleware.once import OnceRegistry
from redis_middleware.pipeline import Pipeline
from redis_middleware.settings import Settings

GROUP = "engine"


class PassThrough:
    """Wants every command and does nothing."""

    def __init__(self, number: int) -> None:
        self.name = f"pass_through_{number}"

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Pass on."""
        return (yield command)


class Indifferent(PassThrough):
    """Wants PING only."""

    def wants(self, spec: CommandSpec) -> bool:
        """Want no command that is measured."""
        return spec.name == "PING"


def _passing(count: int) -> list[object]:
    return [PassThrough(number) for number in range(count)]


def _ratios(
    prefix: str, timings: Mapping[str, Timing], targets: Mapping[str, float | None]
) -> list[Row]:
    base = timings["bare"]
    rows = [Row(GROUP, f"{prefix}: bare", base.value, "µs", base.spread)]
    for name, target in targets.items():
        value, spread = ratio(timings[name], base)
        rows.append(Row(GROUP, f"{prefix}: {name} / bare", value, "ratio", spread, target))
    return rows


_SINGLE = {"wrapped, none wants it": 1.03, "wrapped, 5 plugins want it": 1.10}
_BATCH = {"wrapped, none wants them": 1.05, "wrapped, 2 plugins want them": 1.30}


def _wrapped(make: Callable[[], Any]) -> dict[str, Any]:
    """The same client bare, and wrapped by so many plugins."""
    return {
        "bare": make(),
        "none": wrap(make(), {}, plugins=[Indifferent(0)]),
        "two": wrap(make(), {}, plugins=_passing(2)),
        "five": wrap(make(), {}, plugins=_passing(5)),
    }


def _sync_rows(port: int) -> list[Row]:
    clients = _wrapped(lambda: redis.Redis(port=port))
    clients["bare"].set("key", b"x" * 100)

    def batch(client: Any) -> Callable[[], object]:
        def execute() -> object:
            pipe = client.pipeline(transaction=False)
            for _ in range(100):
                pipe.get("key")
            return pipe.execute()

        return execute

    def single(client: Any) -> Callable[[], object]:
        return lambda: client.get("key")

    names = ("bare", *_SINGLE)
    singles = dict(zip(names, map(single, _each(clients, "none", "five")), strict=True))
    names = ("bare", *_BATCH)
    batches = dict(zip(names, map(batch, _each(clients, "none", "two")), strict=True))
    rows = _ratios("sync GET", compare(singles, calls=200, rounds=150), _SINGLE)
    rows += _ratios("sync pipeline of 100 GETs", compare(batches, calls=10, rounds=100), _BATCH)
    for client in clients.values():
        client.close()
    return rows


def _each(clients: Mapping[str, Any], *names: str) -> list[Any]:
    return [clients["bare"], *[clients[name] for name in names]]


async def _async_rows(port: int) -> list[Row]:
    clients = _wrapped(lambda: redis.asyncio.Redis(port=port))
    await clients["bare"].set("key", b"x" * 100)

    def batch(client: Any) -> Callable[[], Any]:
        async def execute() -> object:
            pipe = client.pipeline(transaction=False)
            for _ in range(100):
                pipe.get("key")
            return await pipe.execute()

        return execute

    def single(client: Any) -> Callable[[], Any]:
        return lambda: client.get("key")

    names = ("bare", *_SINGLE)
    singles = dict(zip(names, map(single, _each(clients, "none", "five")), strict=True))
    names = ("bare", *_BATCH)
    batches = dict(zip(names, map(batch, _each(clients, "none", "two")), strict=True))
    rows = _ratios("async GET", await compare_async(singles, calls=100, rounds=150), _SINGLE)
    rows += _ratios(
        "async pipeline of 100 GETs", await compare_async(batches, calls=5, rounds=100), _BATCH
    )
    for client in clients.values():
        await client.aclose()
    return rows


class _NullTransport:
    """Answers at once: what is left is the engine."""

    def send(self, item: object) -> object:
        return b"value"

    def send_many(self, commands: Any) -> list[object]:
        return [b"value"] * len(commands)

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError("no flow here sleeps")


def _pluggy_caller(count: int) -> Callable[[], object]:
    """pluggy's own call loop with so many wrappers around a function that answers at once."""
    specification = pluggy.HookspecMarker("benchmark")
    implementation = pluggy.HookimplMarker("benchmark")

    class Specification:
        @specification(firstresult=True)
        def command(self, command: Command) -> object:
            """The hook."""

    class Server:
        @implementation
        def command(self, command: Command) -> object:
            return b"value"

    class Wrapper:
        @implementation(wrapper=True)
        def command(self, command: Command) -> Any:
            return (yield)

    manager = pluggy.PluginManager("benchmark")
    manager.add_hookspecs(Specification)
    for plugin in (Server(), *[Wrapper() for _ in range(count)]):
        manager.register(plugin)
    hook = manager.hook.command
    client: Any = None
    spec = spec_of("GET")
    return lambda: hook(command=Command(("GET", "key"), {}, spec, client))


def _engine_caller(count: int) -> Callable[[], object]:
    pipeline = Pipeline(load_plugins(Settings(), _passing(count)))
    chain = pipeline.chains["GET"]
    transport, once = _NullTransport(), OnceRegistry()
    client: Any = None
    spec = spec_of("GET")
    if chain is None:
        return lambda: transport.send(Command(("GET", "key"), {}, spec, client))
    return lambda: run(chain, Command(("GET", "key"), {}, spec, client), transport, once)


def _null_rows() -> list[Row]:
    counts = (0, 1, 3, 5, 8)
    rivals = {}
    for count in counts:
        rivals[f"engine {count}"] = _engine_caller(count)
        rivals[f"pluggy {count}"] = _pluggy_caller(count)
    timings = compare(rivals, calls=1000, rounds=60)
    rows = []
    for count in counts:
        for rival, words in (("engine", "this engine"), ("pluggy", "pluggy's call loop")):
            timing = timings[f"{rival} {count}"]
            name = f"no server, {count} plugins: {words}"
            rows.append(Row(GROUP, name, timing.value, "µs", timing.spread))
    return rows


_IMPORT = """
import sys, time
def resident():
    return int(open("/proc/self/statm").read().split()[1])
before = resident()
start = time.perf_counter()
__import__(sys.argv[1])
took = time.perf_counter() - start
print(took * 1e3, (resident() - before) / 256)
"""


def _import_rows() -> list[Row]:
    samples: dict[str, list[tuple[float, float]]] = {"redis": [], "redis_middleware": []}
    for _ in range(15):
        for module, found in samples.items():
            command = [sys.executable, "-c", _IMPORT, module]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            milliseconds, mebibytes = map(float, output.split())
            found.append((milliseconds, mebibytes))
    rows = []
    for index, unit in ((0, "ms"), (1, "MiB")):
        for module, found in samples.items():
            timing = Timing(tuple(sample[index] for sample in found))
            rows.append(Row(GROUP, f"import {module}", timing.value, unit, timing.spread))
    return rows


def rows() -> list[Row]:
    """Run the group."""
    with standalone() as server:
        found = _sync_rows(server.port)
        found += asyncio.run(_async_rows(server.port))
    return [*found, *_null_rows(), *_import_rows()]
