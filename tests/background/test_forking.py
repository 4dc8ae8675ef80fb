"""Background work in forked processes: threads do not survive a fork, the work does."""

from __future__ import annotations

import os
import select
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator

import pytest
import redis
from tests.background.working import LIMIT, Worker, workers

from redis_middleware import Command, Flow, Once, hookimpl, unwrap, wrap
from redis_middleware.embedded import Server


def in_a_child(do: Callable[[], str]) -> str:
    """Run a function in a forked process; give what it returns, or its traceback."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks of processes that have threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            report = do()
        except BaseException:
            report = traceback.format_exc()
        os.write(write, report.encode())
        os._exit(0)
    os.close(write)
    try:
        assert select.select([read], [], [], 2 * LIMIT)[0], "the child does not answer"
        return os.read(read, 100_000).decode()
    finally:
        os.close(read)
        os.waitpid(child, 0)


@pytest.fixture
def client(clean_standalone: Server) -> Iterator[redis.Redis]:
    """Return a client that is not wrapped yet."""
    client = redis.Redis(port=clean_standalone.port)
    yield client
    unwrap(client)
    client.close()


def test_the_work_starts_in_the_child(client: redis.Redis) -> None:
    """By itself, beside that of the parent, which goes on."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs

    def look() -> str:
        return f"{worker.runs} {len(workers())}"

    assert in_a_child(look) == "True 1"
    assert worker.runs
    assert len(workers()) == 1


def test_the_work_ends_in_the_child(client: redis.Redis) -> None:
    """``close()`` there ends it there, and leaves the parent alone."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs

    def close() -> str:
        assert worker.runs
        client.close()
        return f"{len(workers())}"

    assert in_a_child(close) == "0"
    assert worker.runs


def test_the_work_of_a_closed_client_stays_ended(client: redis.Redis) -> None:
    """In the child too, until the client is used again there."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    client.close()

    def use() -> str:
        before = len(workers())
        client.ping()
        return f"{before} {worker.runs} {len(workers())}"

    assert in_a_child(use) == "0 True 1"
    assert not workers()


def test_a_fork_from_a_thread_while_others_work(client: redis.Redis) -> None:
    """Forked at any moment, with threads that hold what they hold: the child works."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    done = threading.Event()

    def use() -> None:
        while not done.is_set():
            client.ping()
            client.mget("a", "b")

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    reports: list[str] = []

    def fork() -> None:
        for _ in range(3):
            reports.append(in_a_child(lambda: f"{client.ping()} {worker.runs}"))
            time.sleep(0.01)

    forker = threading.Thread(target=fork)
    forker.start()
    forker.join()
    done.set()
    for user in users:
        user.join()
    assert reports == ["True True"] * 3


def test_nobody_follows_a_leader_that_is_not_there(client: redis.Redis) -> None:
    """A send that is under way in the parent has no end in the child: it is led anew there."""
    leading = threading.Event()
    forked = threading.Event()
    parent = os.getpid()

    class Share:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            return (yield Once("key", command))

    class Hold:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            if os.getpid() == parent:
                leading.set()
                forked.wait(LIMIT)
            return (yield command)

    wrap(client, plugins=[Share, Hold])
    leader = threading.Thread(target=client.ping)
    leader.start()
    assert leading.wait(LIMIT)
    assert in_a_child(lambda: f"{client.ping()}") == "True"
    forked.set()
    leader.join()
