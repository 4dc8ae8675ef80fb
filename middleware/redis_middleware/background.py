"""Background work of plugins: flows in daemon threads beside a sync client, in tasks beside an
async one."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis_middleware.chains import Chain, Hook
from redis_middleware.command import Command
from redis_middleware.drivers import run, run_async
from redis_middleware.flow import NIL, Flow
from redis_middleware.redispy.clients import sender

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["Background", "Stopped", "background_chain", "is_background_work"]

logger = logging.getLogger("redis_middleware")


_working: ContextVar[bool] = ContextVar("redis_middleware_background_work", default=False)


def is_background_work() -> bool:
    """Whether this runs in the thread or task of a plugin's background work.

    Connections that background work opens run the ``redis_connect`` flows too: this tells them
    from those that the application waits for.
    """
    return _working.get()


class Stopped(BaseException):
    """Raised in a flow whose work is to end."""


def background_chain(
    plugin: str,
    name: str,
    function: Callable[[], Flow],
    is_ending: Callable[[], bool] | None = None,
) -> Chain:
    """The chain of one background flow, which is run with any item, and ends with a nil reply.

    Args:
        plugin: the name of the plugin that it works for.
        name: what messages call it.
        function: makes the flow.
        is_ending: once it says so, the flow is stopped where it gets the outcome of what it
            yielded.
    """

    def whole(_: object) -> Generator[Any, Any, Any]:
        yield from function() if is_ending is None else _until(is_ending, function())
        return NIL

    return Chain([Hook(plugin, f"background work {name!r}", whole, 0)], Command)


def _until(is_ending: Callable[[], bool], flow: Flow) -> Generator[Any, Any, None]:
    try:
        request = next(flow)
        while True:
            try:
                outcome = yield request
                if is_ending():
                    raise Stopped
            except BaseException as error:
                request = flow.throw(error)
            else:
                request = flow.send(outcome)
    except StopIteration:
        return


class _Job:
    """One background flow: what makes it, whose it is, and the thread or task that runs it."""

    def __init__(self, plugin: str, owner: object, function: Callable[[], Flow], name: str) -> None:
        self.plugin = plugin
        self.owner = owner
        self.function = function
        self.name = name
        self.runner: _Worker | asyncio.Task[None] | None = None
        self.stop = threading.Event()
        self.finished = False
        self.is_starting = False

    def __repr__(self) -> str:
        return f"redis-middleware:{self.plugin}:{self.name}"

    def is_running(self) -> bool:
        if self.is_starting:
            return True
        if isinstance(self.runner, asyncio.Task):
            return not self.runner.done() and not self.runner.get_loop().is_closed()
        return self.runner is not None and self.runner.is_alive()


class _Worker(threading.Thread):
    """The thread of one job."""

    def __init__(self, job: _Job, work: Callable[[_Job, threading.Event], None]) -> None:
        super().__init__(target=work, args=(job, job.stop), name=repr(job), daemon=True)
        self.stop = job.stop


class _ThreadTransport:
    """Sends past every plugin; ends the flow once the job is to stop."""

    def __init__(self, middleware: weakref.ref[Middleware], stop: threading.Event) -> None:
        self._middleware = middleware
        self._stop = stop

    def _sender(self) -> Any:
        middleware = self._middleware()
        if middleware is None or self._stop.is_set():
            raise Stopped
        transport = sender(middleware.client, middleware)
        if transport is None:
            raise Stopped
        return transport

    def send(self, command: Command) -> Any:
        return self._sender().send(command)

    def send_many(self, commands: Sequence[Command]) -> Any:
        return self._sender().send_many(commands)

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped


class _TaskTransport(_ThreadTransport):
    async def send(self, command: Command) -> Any:
        return await self._sender().send(command)

    async def send_many(self, commands: Sequence[Command]) -> Any:
        return await self._sender().send_many(commands)

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]
        await asyncio.sleep(seconds)


class Background:
    """The background work of one middleware.

    A flow that raises is logged, with the plugin's name, and started anew after 1, 2, 4 … at most
    60 seconds; one that returns has ended. Nothing runs while no plugin asked for any work.

    Attributes:
        first_delay: seconds until a flow that failed is started anew; doubled each time.
        longest_delay: the longest such delay, in seconds. A flow that ran for longer than this
            before it failed begins with the first delay again.
        join_seconds: how long ``stop`` waits, all in all, for what cannot be interrupted.
    """

    first_delay = 1.0
    longest_delay = 60.0
    join_seconds = 1.0

    def __init__(self, middleware: Middleware) -> None:
        self._middleware = weakref.ref(middleware)
        self._jobs: list[_Job] = []
        self._is_stopped = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, plugin: str, owner: object, function: Callable[[], Flow], name: str) -> None:
        """Take up a flow, to be started by ``ensure``.

        Args:
            plugin: the name of the plugin that it works for.
            owner: the plugin; ``None`` for work of the application's own.
            function: makes the flow.
            name: what the thread or task and messages call it.
        """
        job = _Job(plugin, owner, function, name)
        with self._lock:
            self._jobs = [*[known for known in self._jobs if not known.finished], job]

    def ensure(self) -> None:
        """Start what should run and does not: after a fork, a close, or in another event loop.

        Beside an async client that is only possible inside its running event loop.
        """
        if not self._jobs:
            return
        middleware = self._middleware()
        if middleware is None:
            return
        with self._lock:
            if _is_stopping():
                return
            self._is_stopped = False
            starting = [job for job in self._jobs if not job.finished and not job.is_running()]
            for job in starting:
                job.is_starting = True
                job.stop = threading.Event()
        # A task may run at once (asyncio.eager_task_factory), connect, and so come here itself.
        for job in starting:
            try:
                self._start(job, is_async=middleware.client.is_async)
            finally:
                job.is_starting = False

    def _start(self, job: _Job, *, is_async: bool) -> None:
        if is_async:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            job.runner = loop.create_task(self._work_in_task(job, job.stop), name=repr(job))
            return
        worker = _Worker(job, self._work_in_thread)
        try:
            worker.start()
        except RuntimeError as error:
            # No threads are left, or the interpreter is about to exit; the command goes on.
            logger.warning("%s cannot be started: %s", job, error)
        else:
            job.runner = worker

    def stop(self) -> list[asyncio.Task[None]]:
        """End the work, which ``ensure`` may start again.

        Returns:
            The tasks that were cancelled and have still to end.
        """
        with self._lock:
            self._is_stopped = True
            threads, tasks = _tell_to_stop(self._jobs)
        self._join(threads)
        return tasks

    async def stop_async(self) -> None:
        """End the work and wait until its tasks, of this event loop, have ended."""
        loop = asyncio.get_running_loop()
        current = asyncio.current_task()
        tasks = [task for task in self.stop() if task.get_loop() is loop and task is not current]
        if tasks:
            await asyncio.wait(tasks, timeout=self.join_seconds)

    def remove(self, owner: object) -> None:
        """End the work of a plugin (of the application: ``None``) for good."""
        with self._lock:
            removed = [job for job in self._jobs if job.owner is owner]
            self._jobs = [job for job in self._jobs if job.owner is not owner]
            threads, _ = _tell_to_stop(removed)
        self._join(threads)

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        deadline = monotonic() + self.join_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                logger.warning(
                    "%s is still busy after it was told to stop; it ends with what it does",
                    thread.name,
                )

    def after_fork(self) -> None:
        """Start the work in the child process, where no thread of the parent's goes on.

        That of a client which was closed waits for its next use, as in the parent.
        """
        self._lock = threading.Lock()
        for job in self._jobs:
            job.runner = None
            job.is_starting = False
        if not self._is_stopped:
            self.ensure()

    def _work_in_thread(self, job: _Job, stop: threading.Event) -> None:
        _working.set(True)
        transport = _ThreadTransport(self._middleware, stop)
        chain = background_chain(job.plugin, job.name, job.function, stop.is_set)
        delay = self.first_delay
        while not stop.is_set():
            middleware = self._middleware()
            if middleware is None:
                return
            once = middleware.once
            del middleware
            began = monotonic()
            try:
                run(chain, job, transport, once)
            except Stopped:
                return
            except Exception as error:
                delay = self._delay(delay, began)
                _log(job, error, delay)
            else:
                job.finished = True
                return
            stop.wait(delay)
            delay *= 2

    async def _work_in_task(self, job: _Job, stop: threading.Event) -> None:
        _working.set(True)
        transport: Any = _TaskTransport(self._middleware, stop)
        task = asyncio.current_task()
        assert task is not None
        # A cancellation may be swallowed on its way: asyncio.wait_for, which redis-py sends with,
        # did so before Python 3.12.
        chain = background_chain(
            job.plugin, job.name, job.function, lambda: stop.is_set() or bool(task.cancelling())
        )
        delay = self.first_delay
        while not stop.is_set():
            middleware = self._middleware()
            if middleware is None:
                return
            once = middleware.once
            del middleware
            began = monotonic()
            try:
                await run_async(chain, job, transport, once)
            except Stopped:
                return
            except Exception as error:
                delay = self._delay(delay, began)
                _log(job, error, delay)
            else:
                job.finished = True
                return
            await asyncio.sleep(delay)
            delay *= 2

    def _delay(self, delay: float, began: float) -> float:
        if monotonic() - began > self.longest_delay:
            return self.first_delay
        return min(delay, self.longest_delay)


def _tell_to_stop(jobs: Sequence[_Job]) -> tuple[list[_Worker], list[asyncio.Task[None]]]:
    threads = []
    tasks = []
    for job in jobs:
        job.stop.set()
        if isinstance(job.runner, asyncio.Task):
            if job.is_running():
                _cancel(job.runner)
                tasks.append(job.runner)
        elif job.runner is not None and job.runner is not threading.current_thread():
            threads.append(job.runner)
        job.runner = None
    return threads, tasks


def _is_stopping() -> bool:
    """Whether this thread runs a flow that was told to stop.

    One that is busy sending when its client is closed may connect anew before it notices: that
    must not bring its work back.
    """
    thread = threading.current_thread()
    return isinstance(thread, _Worker) and thread.stop.is_set()


def _cancel(task: asyncio.Task[None]) -> None:
    loop = task.get_loop()
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        task.cancel()
    else:
        loop.call_soon_threadsafe(task.cancel)


def _log(job: _Job, error: Exception, delay: float) -> None:
    logger.error(
        "plugin %r, background work %r failed and starts anew in %s s: %s",
        job.plugin,
        job.name,
        delay,
        error,
        exc_info=error,
    )
