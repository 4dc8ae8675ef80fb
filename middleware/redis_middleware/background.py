"""Background work of plugins: flows in daemon threads beside a sync client, in tasks beside an
async one."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from redis_middleware.chains import Chain, Hook
from redis_middleware.command import Command
from redis_middleware.drivers import run, run_async
from redis_middleware.flow import NIL, Flow
from redis_middleware.redispy.clients import sender

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["Background"]

logger = logging.getLogger("redis_middleware")

_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_JOIN_SECONDS = 1.0


class _Stopped(BaseException):
    """Raised in a flow whose work is to end."""


class _Job:
    """One background flow: what makes it, and the thread or task that runs it."""

    def __init__(self, plugin: str, function: Callable[[], Flow], name: str) -> None:
        self.plugin = plugin
        self.function = function
        self.name = name
        self.runner: threading.Thread | asyncio.Task[None] | None = None
        self.stop = threading.Event()
        self.finished = False

    def chain(self) -> Chain:
        def whole(_: Any) -> Generator[Any, Any, Any]:
            yield from self.function()
            return NIL

        return Chain([Hook(self.plugin, f"background work {self.name!r}", whole, 0)], Command)

    def is_running(self) -> bool:
        if isinstance(self.runner, asyncio.Task):
            return not self.runner.done() and not self.runner.get_loop().is_closed()
        return self.runner is not None and self.runner.is_alive()


class _ThreadTransport:
    """Sends past every plugin; ends the flow once the job is to stop."""

    def __init__(self, middleware: weakref.ref[Middleware], stop: threading.Event) -> None:
        self._middleware = middleware
        self._stop = stop

    def _sender(self) -> Any:
        middleware = self._middleware()
        if middleware is None or self._stop.is_set():
            raise _Stopped
        transport = sender(middleware.client, middleware)
        if transport is None:
            raise _Stopped
        return transport

    def send(self, command: Command) -> Any:
        return self._sender().send(command)

    def send_many(self, commands: Sequence[Command]) -> Any:
        return self._sender().send_many(commands)

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped


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
    """

    def __init__(self, middleware: Middleware) -> None:
        self._middleware = weakref.ref(middleware)
        self._jobs: list[_Job] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, plugin: str, function: Callable[[], Flow], name: str) -> None:
        """Take up a flow, and start it where that can be done now."""
        self._jobs.append(_Job(plugin, function, name))
        self.ensure()

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
            for job in self._jobs:
                if not job.finished and not job.is_running():
                    self._start(job, middleware)

    def _start(self, job: _Job, middleware: Middleware) -> None:
        job.stop = threading.Event()
        if not middleware.client.is_async:
            job.runner = threading.Thread(
                target=_work_in_thread,
                args=(job, self._middleware, job.stop),
                name=f"redis-middleware:{job.plugin}:{job.name}",
                daemon=True,
            )
            job.runner.start()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        job.runner = loop.create_task(
            _work_in_task(job, self._middleware, job.stop),
            name=f"redis-middleware:{job.plugin}:{job.name}",
        )

    def stop(self, plugin: str | None = None) -> list[asyncio.Task[None]]:
        """End the work (of one plugin), which ``ensure`` may start again.

        Returns:
            The tasks that were cancelled and have still to end.
        """
        tasks = []
        threads = []
        with self._lock:
            for job in self._jobs:
                if plugin is not None and job.plugin != plugin:
                    continue
                job.stop.set()
                if isinstance(job.runner, asyncio.Task):
                    if job.is_running():
                        _cancel(job.runner)
                        tasks.append(job.runner)
                elif job.runner is not None and job.runner is not threading.current_thread():
                    threads.append(job.runner)
                job.runner = None
        for thread in threads:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                logger.warning(
                    "%s is still busy %s s after it was told to stop; it ends with what it does",
                    thread.name,
                    _JOIN_SECONDS,
                )
        return tasks

    async def stop_async(self) -> None:
        """End the work and wait until its tasks, of this event loop, have ended."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self.stop() if task.get_loop() is loop]
        if tasks:
            await asyncio.wait(tasks, timeout=_JOIN_SECONDS)

    def remove(self, plugin: str) -> None:
        """End the work of a plugin for good."""
        self.stop(plugin)
        self._jobs = [job for job in self._jobs if job.plugin != plugin]

    def after_fork(self) -> None:
        """Start the work in the child process, where no thread of the parent's goes on."""
        self._lock = threading.Lock()
        for job in self._jobs:
            job.runner = None
        self.ensure()


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


def _work_in_thread(job: _Job, middleware: weakref.ref[Middleware], stop: threading.Event) -> None:
    transport = _ThreadTransport(middleware, stop)
    delay = _FIRST_DELAY
    while not stop.is_set():
        owner = middleware()
        if owner is None:
            return
        once = owner.once
        del owner
        try:
            run(job.chain(), None, transport, once)
        except _Stopped:
            return
        except Exception as error:
            _log(job, error, delay)
            stop.wait(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
        else:
            job.finished = True
            return


async def _work_in_task(
    job: _Job, middleware: weakref.ref[Middleware], stop: threading.Event
) -> None:
    transport: Any = _TaskTransport(middleware, stop)
    delay = _FIRST_DELAY
    while not stop.is_set():
        owner = middleware()
        if owner is None:
            return
        once = owner.once
        del owner
        try:
            await run_async(job.chain(), None, transport, once)
        except _Stopped:
            return
        except Exception as error:
            _log(job, error, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
        else:
            job.finished = True
            return
