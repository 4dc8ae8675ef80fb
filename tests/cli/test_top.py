"""``redis-middleware top``: shown in any width, process by process, and through a fail-over."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from rich.console import Console
from tests.cli.conftest import Run

from redis_middleware import middleware_of, wrap
from redis_middleware.cli.cache_table import cache_table
from redis_middleware.cli.output import counted
from redis_middleware.cli.top_page import page
from redis_middleware.embedded import Server, standalone

TOP = [sys.executable, "-m", "redis_middleware", "top"]
RULE = "user:{id}:profile:*"
SETTINGS = {
    "plugins": ["key_access", "local_cache"],
    "key_access": {"fleet": {"enabled": True, "every": 0.1}},
    "local_cache": {
        "rules": [
            {"keys": RULE, "ttl": 60},
            *[{"keys": f"rule-{number}:*", "ttl": 60} for number in range(30)],
        ],
        "fleet": {"enabled": True, "every": 0.1},
    },
}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that the test may end."""
    with standalone() as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client whose statistics are told, by both plugins."""
    with wrap(redis.Redis(port=server.port), SETTINGS) as wrapped:
        yield wrapped


def until(condition: Callable[[], bool], work: Callable[[], object], seconds: float = 20.0) -> None:
    """Work until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        work()
        time.sleep(0.02)


def shop(client: Any) -> Callable[[], None]:
    """What asks for keys of many names."""

    def work() -> None:
        for number in range(40):
            client.get(f"user:{number}:profile:settings")

    return work


def interrupted_after(process: subprocess.Popen[bytes], descriptor: int, pages: int) -> bytes:
    """What a process shows until so many pages are there and it has ended by Ctrl-C."""
    shown = b""
    try:
        while shown.count(b"accesses/s") < pages:
            shown += os.read(descriptor, 1 << 16)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        os.close(descriptor)
    return shown


def everything_is_told(url: str, client: Any, run: Run) -> None:
    """Wait until the statistics of both plugins are there."""

    def told() -> bool:
        outcome = run("top", url, "--once", "--json")
        report = json.loads(outcome.output) if outcome.code == 0 else {}
        windows = report.get("windows", [{"keys": []}])
        return len(windows[0]["keys"]) > 20 and bool(report["caches"])

    until(told, shop(client))


def test_rules_can_be_read_in_80_columns() -> None:
    """Numbers that matter less make room for them; in a wide terminal all are shown."""
    counts = {
        "hits": 1_234_567,
        "misses": 123_456,
        "stored": 123_456,
        "evicted": 1_234,
        "invalidated": 12_345,
        "bytes": 123 * 2**20,
        "hit_ratio": 0.909,
    }
    caches = {
        "processes": 2,
        "states": {"on": 2},
        "entries": 1,
        "bytes": 1,
        "rules": {RULE: counts, "config:*": counts},
    }

    def shown(width: int) -> str:
        console = Console(width=width)
        with console.capture() as capture:
            console.print(cache_table(caches, width, None))
        return capture.get()

    narrow = shown(80)
    assert f"│ {RULE} " in narrow
    assert "hit ratio" in narrow
    assert "1,234,567" in narrow
    assert "evicted" not in narrow
    assert "…" not in narrow
    wide = shown(120)
    for title in ("hits", "misses", "stored", "evicted", "invalidated", "size"):
        assert f" {title} " in wide
    assert f"│ {RULE} " in shown(40)


def test_keys_can_be_read_beside_long_names_of_servers() -> None:
    """What there is least need of is left out, and the server's name is folded, not the key's."""
    bounds = {"lower": 12_345.6, "estimate": 12_345.6, "upper": 12_345.6}
    key = {
        "name": "user:17:profile",
        "kind": "mixed",
        "rate": bounds,
        "share": {"estimate": 0.25},
        "slot": 12345,
        "node": "shop-0001-001.abcdef.euc1.cache.amazonaws.com:6379",
        "is_hot": True,
    }
    report = {
        "process": None,
        "windows": [{"rate": 1, "seconds": 10, "keys": [key]}],
        "fleet": {"members": 1},
        "hot": [],
        "imbalance": None,
        "caches": None,
        **{name: [] for name in ("groups", "nodes", "slots", "commands")},
    }

    def titles(width: int) -> list[str]:
        console = Console(width=width)
        with console.capture() as capture:
            console.print(page(report, 10, width))
        shown = capture.get()
        assert max(map(len, shown.splitlines())) <= width
        assert "│ user:17:profile " in shown
        assert " 25.00% │" in shown
        (headings,) = [line for line in shown.splitlines() if line.startswith("┃ key")]
        return [each.strip() for each in headings.strip("┃").split("┃")]

    every = ["key", "kind", "per second", "at least", "at most", "share", "", "slot", "server"]
    assert titles(160) == every
    assert titles(110) == [title for title in every if title]
    assert titles(80) == ["key", "kind", "per second", "share", "slot", "server"]
    assert titles(60) == ["key", "kind", "per second", "share"]
    assert titles(40) == ["key", "kind", "share"]


def test_everything_fits_a_small_terminal(server: Server, client: Any, run: Run) -> None:
    """80 columns and 24 lines: keys and the rules that are asked most, none cut off below."""
    everything_is_told(server.url, client, run)
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    environ = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    for name in ("COLUMNS", "LINES"):
        environ.pop(name, None)
    with subprocess.Popen(
        [*TOP, server.url, "--every", "0.1"],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environ,
    ) as process:
        os.close(its_end)
        written = interrupted_after(process, terminal, pages=2)
    assert process.returncode == 0
    frames = written.decode(errors="replace").split("\x1b[H")
    whole = next(frame for frame in frames if "accesses/s" in frame)
    frame = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole)
    lines = frame.replace("\r", "").rstrip("\n").split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("│ user:") for line in lines) >= 3
    assert any(line.startswith(f"│ {RULE} ") for line in lines)
    assert re.search(r"; \d+ more rules", frame)
    # The frame of the last table is closed.
    assert lines[-1].strip().startswith("└")


def test_a_process_has_one_name(server: Server, client: Any, run: Run) -> None:
    """Both plugins' statistics are under it; the name of a client stands for it too."""
    with wrap(redis.Redis(port=server.port), SETTINGS) as other:
        everything_is_told(server.url, client, run)

        def both_tell() -> bool:
            report = json.loads(run("top", server.url, "--once", "--json").output)
            return bool(report["fleet"]["members"] == report["caches"]["processes"] == 2)

        until(both_tell, shop(other))
        outcome = run("top", server.url, "--list")
        (name,) = outcome.output.split()
        assert name.endswith(f":{os.getpid()}")
        member = middleware_of(client).plugins["key_access"].report().fleet.member
        assert member.startswith(f"{name}:")
        for chosen in (name, member):
            report = json.loads(
                run("top", server.url, "--process", chosen, "--once", "--json").output
            )
            assert report["process"] == name
            assert report["windows"][0]["keys"]
            assert report["fleet"]["members"] == 2
            assert report["caches"]["processes"] == 2
        assert run("top", server.url, "--process", name, "--once").output.startswith(f"{name}, ")
        outcome = run("top", server.url, "--process", "nosuch", "--once")
    assert outcome.code == 1
    assert f"no process 'nosuch'; there are {name}\n" in outcome.output


def test_a_process_that_has_ended_is_not_listed(server: Server, client: Any, run: Run) -> None:
    """Its name is there longer than its statistics."""
    everything_is_told(server.url, client, run)
    client.close()
    until(lambda: run("top", server.url, "--list").code == 1, lambda: None)
    outcome = run("top", server.url, "--list")
    assert "no process shares its statistics under the prefix" in outcome.output
    assert "fleet.enabled = true" in outcome.output


def test_it_goes_on_through_a_fail_over(server: Server, client: Any, run: Run) -> None:
    """A lost connection is told; when the server is back, so are the statistics."""
    everything_is_told(server.url, client, run)
    with subprocess.Popen(
        [*TOP, server.url, "--json", "--every", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        looks, errors = process.stdout, process.stderr
        assert looks is not None
        assert errors is not None
        try:
            assert json.loads(looks.readline())["windows"]
            server.kill()
            told = errors.readline()
            assert re.match(r"error: as of \d\d:\d\d:\d\d, trying again: ", told)
            assert "Connection refused" in told or "closed" in told
            at = time.time()
            server.restart()
            until(lambda: json.loads(looks.readline())["at"] > at, lambda: None)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("terminal", ["dumb", None])
def test_where_nothing_can_be_drawn_over_pages_are_printed(
    server: Server, client: Any, run: Run, terminal: str | None
) -> None:
    """One after another, on a dumb terminal and in a pipe."""
    everything_is_told(server.url, client, run)
    reading, writing = os.pipe() if terminal is None else pty.openpty()
    environ = {**os.environ, "TERM": terminal or "xterm", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*TOP, server.url, "--every", "0.1"], stdout=writing, stderr=writing, env=environ
    ) as process:
        os.close(writing)
        printed = interrupted_after(process, reading, pages=3)
    assert process.returncode == 0
    assert b"\x1b[?1049h" not in printed
    assert b"local_cache of 1 process (" in printed


def test_numbers_of_things() -> None:
    """One is one."""
    assert counted(1, "hot key") == "1 hot key"
    assert counted(0, "hot key") == "0 hot keys"
    assert counted(1024, "process", "processes") == "1,024 processes"
