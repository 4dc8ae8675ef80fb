"""Eight workers on one client, threads or tasks, while something happens to the servers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import redis
import redis.asyncio
from tests.plugins.slot_routing.faults.report import Report
from tests.plugins.slot_routing.faults.waiting import WITHIN, wait_until
from tests.plugins.slot_routing.faults.workload import Replies, Request, Requests, Worker

__all__ = ["Load", "Way"]

Way = Literal["threads", "tasks"]

_WORKERS = 8
_PAUSE = 0.002
_CALM_CALLS = 40


class Load:
    """Eight workers on one client.

    Attributes:
        report: what was counted so far.
        workers: the workers, whose ledgers know what must be readable.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.report = Report()
        self.workers = [Worker(number) for number in range(_WORKERS)]
        self._calls_made = [0] * _WORKERS
        self._last_failures = [0] * _WORKERS
        self._failures: list[BaseException] = []
        self._stop = threading.Event()

    def run(self, disturb: Callable[[Load], None]) -> None:
        """Let the workers work while ``disturb`` runs; then read everything back.

        Raises:
            BaseException: what a worker or ``disturb`` raised that is no failure of a call.
        """
        if isinstance(self.client, redis.asyncio.Redis | redis.asyncio.RedisCluster):
            asyncio.run(self._run_tasks(disturb))
        else:
            self._run_threads(disturb)
        for worker in self.workers:
            self.report.add_ledger(worker.ledger)

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """Wait, while the workers work, until it holds.

        Raises:
            AssertionError: it does not in time, or a worker has ended.
        """

        def holds_and_all_work() -> object:
            assert not self._failures, self._failures
            return holds()

        wait_until(holds_and_all_work, what)

    def wait_until_calm(self) -> None:
        """Wait until each worker, from now on, has made some calls in a row without error."""
        before = list(self._calls_made)

        def are_calm() -> bool:
            return all(
                made >= max(start, failed) + _CALM_CALLS
                for made, start, failed in zip(
                    self._calls_made, before, self._last_failures, strict=True
                )
            )

        self.wait_until(are_calm, "every worker works without errors")

    def _run_threads(self, disturb: Callable[[Load], None]) -> None:
        threads = [
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in self.workers
        ]
        for thread in threads:
            thread.start()
        try:
            self.wait_until_calm()
            disturb(self)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(WITHIN)
        assert not any(thread.is_alive() for thread in threads), "a worker hangs"
        self._raise_failure()
        with self.client:
            for worker in self.workers:
                self._drive(self._turns(worker, worker.read_everything()))

    async def _run_tasks(self, disturb: Callable[[Load], None]) -> None:
        async with self.client:
            tasks = [asyncio.create_task(self._work_async(worker)) for worker in self.workers]
            try:
                await asyncio.to_thread(self._disturb, disturb)
            finally:
                self._stop.set()
                _, hanging = await asyncio.wait(tasks, timeout=WITHIN)
            assert not hanging, "a worker hangs"
            self._raise_failure()
            for worker in self.workers:
                await self._drive_async(self._turns(worker, worker.read_everything()))

    def _disturb(self, disturb: Callable[[Load], None]) -> None:
        self.wait_until_calm()
        disturb(self)

    def _work(self, worker: Worker) -> None:
        with self._keeping_failures():
            self._drive(self._turns(worker, worker.requests(), self._stop.is_set), _PAUSE)

    async def _work_async(self, worker: Worker) -> None:
        with self._keeping_failures():
            turns = self._turns(worker, worker.requests(), self._stop.is_set)
            await self._drive_async(turns, _PAUSE)

    def _drive(self, turns: Iterator[_Turn], pause: float = 0) -> None:
        for turn in turns:
            try:
                replies = _call(self.client, turn.request)
            except redis.RedisError as error:
                replies = [error] * len(turn.request.commands)
            turn.answered(replies)
            time.sleep(pause)

    async def _drive_async(self, turns: Iterator[_Turn], pause: float = 0) -> None:
        for turn in turns:
            try:
                replies = await _call_async(self.client, turn.request)
            except redis.RedisError as error:
                replies = [error] * len(turn.request.commands)
            turn.answered(replies)
            await asyncio.sleep(pause)

    def _turns(
        self, worker: Worker, requests: Requests, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[_Turn]:
        """Each request, to be answered; between them what is counted of each."""
        turn = None
        with contextlib.suppress(StopIteration):
            while True:
                # The last replies too are judged.
                request = next(requests) if turn is None else requests.send(turn.replies)
                if stop():
                    return
                turn = _Turn(request)
                yield turn
                failed = self.report.add_call(turn.request.kind, turn.seconds, turn.replies)
                self._calls_made[worker.number] += 1
                if failed:
                    self._last_failures[worker.number] = self._calls_made[worker.number]

    @contextlib.contextmanager
    def _keeping_failures(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._failures.append(error)

    def _raise_failure(self) -> None:
        for failure in self._failures:
            raise failure


class _Turn:
    """One call of a worker's, timed."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.replies: Replies = ()
        self.seconds = 0.0
        self._started = time.monotonic()

    def answered(self, replies: Replies) -> None:
        """Keep the replies; each failure is an exception among them."""
        self.seconds = time.monotonic() - self._started
        self.replies = replies


def _call(client: Any, request: Request) -> Replies:
    if request.kind == "single":
        return [client.execute_command(*request.commands[0])]
    with client.pipeline(transaction=request.kind == "transaction") as pipe:
        for command in request.commands:
            pipe.execute_command(*command)
        replies: Replies = pipe.execute(raise_on_error=False)
    return replies


async def _call_async(client: Any, request: Request) -> Replies:
    if request.kind == "single":
        return [await client.execute_command(*request.commands[0])]
    async with client.pipeline(transaction=request.kind == "transaction") as pipe:
        for command in request.commands:
            pipe.execute_command(*command)
        replies: Replies = await pipe.execute(raise_on_error=False)
    return replies
