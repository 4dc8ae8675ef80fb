"""key_access: what counting costs, how right it is, how soon it tells, and what a fleet sends."""

from __future__ import annotations

import gc
import tracemalloc
from array import array
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import accumulate, cycle
from random import Random
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import redis

from benchmarks.engine import PassThrough
from benchmarks.measuring import Timing, compare
from benchmarks.rows import Row
from redis_middleware import wrap
from redis_middleware.embedded import standalone
from redis_middleware.testing import FakeClock, client_view, command
from redis_middleware_plugins.key_access import HotKeyEvent, KeyAccess, KeyAccessSettings
from redis_middleware_plugins.key_access.fleet_merge import FleetMerge
from redis_middleware_plugins.key_access.fleet_payload import Payload, decode, encode, in_form
from redis_middleware_plugins.key_access.hot import Thresholds
from redis_middleware_plugins.key_access.report import FleetStatus
from redis_middleware_plugins.key_access.sketches import READ, SketchName, sketch_maker
from redis_middleware_plugins.key_access.tracker import Tracker

GROUP = "key_access"
_ACCESSES = 2_000_000
_KEYS = 1_000_000
_EXPONENT = 1.1


def _added(name: str, one: Timing, base: Timing, per: int, target: float | None) -> Row:
    """What one takes longer than the other, of the same round, in microseconds."""
    differences = [
        (long - short) / per for long, short in zip(one.rounds, base.rounds, strict=True)
    ]
    first, _, third = quantiles(differences, n=4)
    return Row(GROUP, name, median(differences), "µs", (third - first) / 2, target)


def _cost_rows() -> list[Row]:
    """Real commands, with the same pipeline of plugins, without and with the plugin."""
    with standalone() as server:

        def made(**settings: object) -> Any:
            table = {**settings}
            client = redis.Redis(port=server.port)
            return wrap(client, {GROUP: table}, plugins=[PassThrough(0), KeyAccess])

        clients = {
            "bare": redis.Redis(port=server.port),
            "without": wrap(redis.Redis(port=server.port), {}, plugins=[PassThrough(0)]),
            "counted": made(),
            "sampled": made(sampling=10),
        }
        keys = [f"user:{number}:profile" for number in range(64)]
        for key in keys:
            clients["bare"].set(key, b"x" * 100)

        def single(client: Any) -> Callable[[], object]:
            return lambda: client.get("user:7:profile")

        def batch(client: Any) -> Callable[[], object]:
            def execute() -> object:
                pipe = client.pipeline(transaction=False)
                for number in range(100):
                    pipe.get(keys[number & 63])
                return pipe.execute()

            return execute

        def spread(client: Any) -> Callable[[], object]:
            draw = _zipf(Random(2), 100_000)
            names = [f"key:{draw()}" for _ in range(20_000)]
            ahead = cycle(names)
            return lambda: client.get(next(ahead))

        spreads = compare({n: spread(c) for n, c in clients.items()}, calls=128, rounds=300)
        singles = compare({n: single(c) for n, c in clients.items()}, calls=128, rounds=400)
        batches = compare({n: batch(c) for n, c in clients.items()}, calls=5, rounds=300)
        for client in clients.values():
            client.close()
    return [
        Row(GROUP, "GET: bare", singles["bare"].value, "µs", singles["bare"].spread),
        _added("GET: added", singles["counted"], singles["without"], 1, 1.5),
        _added("GET: added, sampling 1 in 10", singles["sampled"], singles["without"], 1, 0.75),
        _added(
            "pipeline of 100: added a command", batches["counted"], batches["without"], 100, 1.5
        ),
        _added("GET of Zipf keys: added", spreads["counted"], spreads["without"], 1, None),
        _added(
            "pipeline of 100: added a command, sampling 1 in 10",
            batches["sampled"],
            batches["without"],
            100,
            0.75,
        ),
    ]


def _zipf(random: Random, keys: int) -> Callable[[], int]:
    weights = list(accumulate((rank + 1) ** -_EXPONENT for rank in range(keys)))
    total = weights[-1]
    draw = random.random
    return lambda: bisect(weights, draw() * total)


def _sketch_rows() -> list[Row]:
    """The same stream into an exact count and into each sketch."""
    draw = _zipf(Random(1), _KEYS)
    numbers = array("l", [draw() for _ in range(_ACCESSES)])
    names = [b"key:%07d" % number for number in range(_KEYS)]
    stream = [names[number] for number in numbers]
    rows: list[Row] = []

    def filled(name: str, make: Callable[[], Any], fill: Callable[[Any, Any], None]) -> Any:
        gc.collect()
        counting = make()
        start = perf_counter()
        fill(counting, stream)
        nanoseconds = (perf_counter() - start) / _ACCESSES * 1e9
        rows.append(Row(GROUP, f"Zipf stream, {name}: an access", nanoseconds, "ns"))
        if name == "datasketches":
            # Its memory is not Python's, which is all that can be traced.
            return counting
        # Time and memory apart, since tracing slows; with keys of its own, as commands bring them.
        tracemalloc.start()
        traced = make()
        fill(traced, (b"key:%07d" % number for number in numbers))
        mebibytes = tracemalloc.get_traced_memory()[0] / 2**20
        tracemalloc.stop()
        target = 1.0 if name == "misra_gries" else None
        rows.append(Row(GROUP, f"Zipf stream, {name}: memory", mebibytes, "MiB", 0.0, target))
        return counting

    def fill_counter(counter: Any, keys: Iterable[bytes]) -> None:
        for key in keys:
            counter[key] += 1

    def fill_sketch(sketch: Any, keys: Iterable[bytes]) -> None:
        add = sketch.add
        for key in keys:
            add(key, READ, 100)

    exact = filled("collections.Counter", Counter, fill_counter)
    sketches: list[SketchName] = ["misra_gries"]
    if find_spec("datasketches") is not None:
        sketches.append("datasketches")
    for name in sketches:
        sketch = filled(name, sketch_maker(name, 1024), fill_sketch)
        summary = sketch.summary(0.0, 1.0)
        found = sorted(summary.items(), key=lambda item: -item[1].accesses)
        is_default = name == "misra_gries"
        for top, target in ((10, 0.0), (100, 0.01)):
            true = {key for key, _ in exact.most_common(top)}
            missing = 1 - len(true & {key for key, _ in found[:top]}) / top
            goal = target if is_default else None
            label = f"Zipf stream, {name}: of the top {top} missed"
            rows.append(Row(GROUP, label, missing, "share", 0.0, goal))
        wrong = sum(
            not counts.accesses <= exact[key] <= counts.accesses + counts.missed
            for key, counts in found
        )
        rows.append(Row(GROUP, f"Zipf stream, {name}: bounds broken", wrong, "keys", 0.0, 0.0))
    return rows


class _Simulated:
    """A tracker whose clock is moved by hand."""

    def __init__(self, clock: FakeClock, seed: int, **settings: Any) -> None:
        self.random = Random(seed)
        self.tracker = Tracker(
            KeyAccessSettings(**settings),
            clock=clock,
            wall_clock=clock,
            random=self.random.random,
            secret=b"",
        )
        view = client_view()
        self.tracker.attach(view)
        self._commands: dict[str, Any] = {}
        self._view = view
        self.events: list[HotKeyEvent] = []
        self.tracker.subscribers.add(self.events.append)

    def get(self, key: str) -> None:
        made = self._commands.get(key)
        if made is None:
            made = self._commands[key] = command("GET", key, client=self._view)
        counter = self.tracker.counter
        if counter.samples:
            if counter.passes > 0:
                counter.passes -= 1
                return
            counter.draw()
        counter.count(made, b"value")


def _delay_rows() -> list[Row]:
    """A key jumps from nothing to 5% of 1,000 accesses a second, at any moment of a step."""
    delays = []
    for seed in range(40):
        clock = FakeClock(100.0)
        simulated = _Simulated(clock, seed)
        random = simulated.random
        jump = 102.0 + random.random()
        while clock() < jump + 3 and not simulated.events:
            is_hot = clock() >= jump and random.random() < 0.05
            simulated.get("hot" if is_hot else f"key:{random.randrange(5000)}")
            clock.advance(0.001)
            simulated.tracker.advance()
        delays.append(simulated.events[0].at - jump if simulated.events else 3.0)
    return [
        Row(GROUP, "a key jumps to 5%: told after, median", median(delays), "s"),
        Row(GROUP, "a key jumps to 5%: told after, longest of 40", max(delays), "s", 0.0, 1.0),
    ]


def _alarm_rows() -> list[Row]:
    """An hour of 400 accesses a second, spread evenly over 1,000 keys."""
    clock = FakeClock(100.0)
    simulated = _Simulated(clock, 1)
    choose = simulated.random.randrange
    for _ in range(3600 * 4):
        for _ in range(100):
            simulated.get(f"key:{choose(1000)}")
        clock.advance(0.25)
        simulated.tracker.advance()
    alarms = len(simulated.events)
    return [Row(GROUP, "uniform load of an hour: false alarms", alarms, "events", 0.0, 0.0)]


def _memory_rows() -> list[Row]:
    """All that the plugin keeps, once both windows are full."""
    draw = _zipf(Random(5), 100_000)
    clock = FakeClock(100.0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    simulated = _Simulated(clock, 1)
    view = client_view()
    for _ in range(320):
        for _ in range(1000):
            simulated.tracker.counter.count(command("GET", f"key:{draw()}", client=view), b"v")
        clock.advance(1.0)
        simulated.tracker.advance()
    gc.collect()
    mebibytes = (tracemalloc.get_traced_memory()[0] - before) / 2**20
    tracemalloc.stop()
    return [Row(GROUP, "the whole plugin after 5 min of Zipf: memory", mebibytes, "MiB")]


def _fleet_rows(sampling: int) -> list[Row]:
    """200 processes of 450 accesses a second each; one key has 1% of all."""
    clock = FakeClock(100.0)
    processes = [_Simulated(clock, seed, sampling=sampling) for seed in range(200)]
    merge = FleetMerge(10.0, Thresholds(), lambda slot: None, clock)
    draw = _zipf(Random(3), 100_000)
    random = Random(4)
    status = FleetStatus("", 0, 0, leads=True, members=200)
    seconds, worst, invisible, sizes = 15, 0, 0, []
    for second in range(seconds):
        payloads = []
        for process in processes:
            for _ in range(450):
                # Its rivals are the top keys of a Zipf distribution.
                process.get("hidden" if random.random() < 0.01 else f"key:{draw()}")
        clock.advance(1.0)
        for number, process in enumerate(processes):
            tracker = process.tracker
            tracker.advance()
            step = tracker.last_step
            assert step is not None
            told = Payload(
                f"process:{number}",
                second,
                "plain",
                in_form(step.top(32), tracker.form),
                tracker.parts(),
            )
            raw = encode(told)
            sizes.append(len(raw))
            payloads.append(decode(raw))
            invisible += b"hidden" not in tracker.hot.current
        merge.add(payloads, clock())
        keys = merge.report(100, status).windows[0].keys
        ranks = [rank for rank, key in enumerate(keys, start=1) if key.key == b"hidden"]
        worst = max(worst, ranks[0] if ranks else 101)
    words = f"fleet of 200, sampling 1 in {sampling}" if sampling > 1 else "fleet of 200"
    return [
        Row(GROUP, f"{words}: a key of 1%, worst rank of {seconds} looks", worst, "rank", 0.0, 20),
        Row(
            GROUP,
            f"{words}: processes that do not see it by themselves",
            invisible / seconds / 200,
            "share",
        ),
        Row(GROUP, f"{words}: sent by a process per second", median(sizes), "bytes"),
        # GET of the merged statistics, SET of its own; SADD and EXPIRE every 30 s.
        Row(GROUP, f"{words}: commands of a process per second", 2 + 2 / 30, "commands"),
    ]


def rows() -> list[Row]:
    """Run the group."""
    return [
        *_cost_rows(),
        *_sketch_rows(),
        *_delay_rows(),
        *_alarm_rows(),
        *_memory_rows(),
        *_fleet_rows(1),
        *_fleet_rows(10),
    ]
