"""Eight threads on one client, keys by Zipf's law, and another process that writes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from bisect import bisect
from itertools import accumulate
from typing import Any

import redis
from redis.cache import CacheConfig

from benchmarks.rows import Row

GROUP = "local_cache"
_KEYS = 100_000
_THREADS = 8
_EXPONENT = 1.1
_WRITES = 0.05
_WARM_UP = 4.0
_SECONDS = 5.0
_DRAWN = 200_000

_WRITER = """
import random, sys, time
import redis
from benchmarks.local_cache_load import drawn_keys
client = redis.Redis(port=int(sys.argv[1]))
keys = drawn_keys(random.Random(7))
written, part = 0, float(sys.argv[2])
client.set("reads", 0)
while True:
    # Not with GET: those that the server counts are to be the readers'.
    wanted = int(float(client.getrange("reads", 0, -1)) * part)
    if wanted > written:
        pipe = client.pipeline(transaction=False)
        for _ in range(min(100, wanted - written)):
            pipe.set(keys[written % len(keys)], b"y" * 100)
            written += 1
        pipe.execute()
    else:
        time.sleep(0.001)
"""


def drawn_keys(dice: random.Random) -> list[str]:
    """So many keys, drawn by Zipf's law; drawing costs more than a hit."""
    cumulative = list(accumulate(1 / rank**_EXPONENT for rank in range(1, _KEYS + 1)))
    total = cumulative[-1]
    return [f"key:{bisect(cumulative, dice.random() * total)}" for _ in range(_DRAWN)]


def _fill(port: int) -> None:
    with redis.Redis(port=port) as client:
        client.flushall()
        for first in range(0, _KEYS + 1, 1000):
            client.mset({f"key:{number}": b"x" * 100 for number in range(first, first + 1000)})


def _gets(port: int) -> int:
    with redis.Redis(port=port) as client:
        statistics: Any = client.info("commandstats")
    return int(statistics.get("cmdstat_get", {}).get("calls", 0))


def load(port: int, kind: str) -> dict[str, float]:
    """Run the load with one kind of client.

    Returns:
        ``requests`` per second, and GETs at the server for each request.
    """
    from benchmarks.local_cache import cached, wait_until_on

    client: Any = redis.Redis(port=port)
    if kind == "local_cache":
        client = cached(client, max_entries=_KEYS)
        wait_until_on(client)
    elif kind == "redis-py":
        config = CacheConfig(max_size=_KEYS)
        client = redis.Redis(port=port, protocol=3, cache_config=config)
    counts = [0] * _THREADS
    stop = threading.Event()
    keys = [drawn_keys(random.Random(seed)) for seed in range(_THREADS)]

    def read(number: int) -> None:
        own, done = keys[number], 0
        while not stop.is_set():
            client.get(own[done % _DRAWN])
            done += 1
            counts[number] = done

    threads = [
        threading.Thread(target=read, args=(number,), daemon=True) for number in range(_THREADS)
    ]
    command = [sys.executable, "-c", _WRITER, str(port), str(_WRITES / (1 - _WRITES))]
    with redis.Redis(port=port) as teller, subprocess.Popen(command) as writer:
        try:
            time.sleep(2)
            for thread in threads:
                thread.start()

            def wait(seconds: float) -> None:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    time.sleep(0.01)
                    teller.set("reads", sum(counts))

            wait(_WARM_UP)
            tellings = _gets(port)
            before, start = sum(counts), time.monotonic()
            wait(_SECONDS)
            seconds = time.monotonic() - start
            requests = sum(counts) - before
            gets = _gets(port) - tellings
        finally:
            stop.set()
            writer.kill()
    return {"requests": requests / seconds, "gets": gets / max(1, requests)}


def throughput_rows(port: int, has_rival: bool) -> list[Row]:
    """Each kind of client in a process of its own: redis-py's cache can dead-lock its threads."""
    _fill(port)
    kinds = ["bare", "local_cache", *(["redis-py"] if has_rival else [])]
    found: dict[str, dict[str, float]] = {}
    rows = []
    for kind in kinds:
        command = [sys.executable, "-m", "benchmarks.local_cache_load", str(port), kind]
        try:
            output = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=60
            ).stdout
        except subprocess.TimeoutExpired:
            rows.append(Row(GROUP, f"8 threads, {kind}: requests (it hung)", 0, "1/s"))
            continue
        found[kind] = json.loads(output)
        title = f"8 threads, Zipf 1.1, 5% writes by others, {kind}"
        rows.append(Row(GROUP, f"{title}: requests", found[kind]["requests"], "1/s"))
        if kind != "redis-py":
            # Its threads all but stand still: a share of next to nothing would say nothing.
            rows.append(
                Row(GROUP, f"{title}: GETs at the server / request", found[kind]["gets"], "ratio")
            )
    bare, ours = found["bare"], found["local_cache"]
    share = bare["requests"] / ours["requests"]
    rows.append(Row(GROUP, "8 threads: time of a request / bare", share, "ratio", 0, 1 / 5))
    commands = ours["gets"] / bare["gets"]
    rows.append(Row(GROUP, "8 threads: server commands / bare", commands, "ratio", 0, 0.2))
    return rows


if __name__ == "__main__":
    print(json.dumps(load(int(sys.argv[1]), sys.argv[2])))
