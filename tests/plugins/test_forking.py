"""Forks at every line of the plugins: whatever lock the process holds there, the child goes on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import redis
from tests.plugins.forking import WITHIN, works_in_a_child

from redis_middleware import wrap
from redis_middleware.embedded import Server

TABLES: dict[str, dict[str, Any]] = {
    "key_access": {},
    "local_cache": {"invalidation": "ttl", "rules": [{"keys": "*"}]},
    "size_guard": {"max_value": "5 B", "max_elements": 3},
}


def _use(client: Any) -> None:
    """Commands for which each of the plugins takes whatever locks it has."""
    for _ in range(2):
        client.rpush("list", "a" * 10, "b")
        client.get("key")
        client.delete("list")
    for _ in range(130):
        client.get("other")


class _Stops:
    """A thread that stops at each line of some code, once for each.

    Args:
        work: what it does.
        directory: where that code is.
    """

    def __init__(self, work: Callable[[], None], directory: Path) -> None:
        self._work = work
        self._directory = f"{directory}{os.sep}"
        self._seen: set[tuple[str, int]] = set()
        self._at_line = threading.Semaphore(0)
        self._go_on = threading.Semaphore(0)
        self._is_over = False
        self._place = ""

    def places(self) -> Iterator[str]:
        """Run the thread; give each place while it is stopped there."""
        thread = threading.Thread(target=self._run)
        thread.start()
        while True:
            assert self._at_line.acquire(timeout=WITHIN)
            if self._is_over:
                break
            yield self._place
            self._go_on.release()
        thread.join()

    def _run(self) -> None:
        sys.settrace(self._enter)
        try:
            self._work()
        finally:
            sys.settrace(None)
            self._is_over = True
            self._at_line.release()

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._step if frame.f_code.co_filename.startswith(self._directory) else None

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        line = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and line not in self._seen:
            self._seen.add(line)
            self._place = f"{line[0].removeprefix(self._directory)}:{line[1]}"
            self._at_line.release()
            self._go_on.acquire()
        return self._step


@pytest.mark.parametrize("name", list(TABLES))
def test_a_fork_at_any_line(clean_standalone: Server, name: str) -> None:
    """One thread is stopped in the plugin while another forks; the child uses the same client."""
    directory = Path(str(import_module(f"redis_middleware_plugins.{name}").__file__)).parent
    client = redis.Redis(port=clean_standalone.port)
    with wrap(client, {name: TABLES[name]}, plugins=[name]):
        stops = _Stops(lambda: _use(client), directory)
        stuck = [place for place in stops.places() if not works_in_a_child(lambda: _use(client))]
    assert not stuck
