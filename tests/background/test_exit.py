"""The end of the interpreter: programs end promptly, and the flows are ended like by close()."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from redis_middleware.embedded import Server

PLUGIN = """
import asyncio, sys, time
import redis, redis.asyncio
from redis_middleware import Call, Sleep, hookimpl, wrap

class Worker:
    @hookimpl
    def redis_attach(self, middleware):
        self.view = middleware.client
        middleware.run_in_background(self.work)

    @hookimpl
    def redis_detach(self):
        print("detached", flush=True)

    def work(self):
        try:
            print((yield self.view.command("ECHO", "working")), flush=True)
            yield from self.wait()
        finally:
            print("ended", flush=True)

    def wait(self):
        while True:
            yield Sleep(3600)

port = int(sys.argv[1])
"""


def run(server: Server, program: str) -> tuple[list[str], float]:
    """Run a program; give the lines that it printed, and how long it took after ``leaving``."""
    process = subprocess.Popen(
        [sys.executable, "-c", PLUGIN + textwrap.dedent(program), str(server.port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    left = time.monotonic()
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == "leaving":
            left = time.monotonic()
    error = process.communicate(timeout=30)[1]
    assert (process.returncode, error) == (0, "")
    return lines, time.monotonic() - left


def test_a_sync_program(clean_standalone: Server) -> None:
    """It ends at once, the flow's finally block runs, then the plugin is detached."""
    lines, took = run(
        clean_standalone,
        """
        client = wrap(redis.Redis(port=port), plugins=[Worker])
        time.sleep(0.2)
        print("leaving", flush=True)
        """,
    )
    assert lines == ["b'working'", "leaving", "ended", "detached"]
    assert took < 5


def test_an_async_program(clean_standalone: Server) -> None:
    """Its tasks are cancelled with the loop."""
    lines, took = run(
        clean_standalone,
        """
        async def main():
            global client
            client = wrap(redis.asyncio.Redis(port=port), plugins=[Worker])
            await client.ping()
            await asyncio.sleep(0.2)
            await client.connection_pool.disconnect()
            print("leaving", flush=True)

        asyncio.run(main())
        """,
    )
    assert lines == ["b'working'", "leaving", "ended", "detached"]
    assert took < 5


@pytest.mark.parametrize(
    "wait",
    ["yield Call(lambda: time.sleep(3600))", 'yield self.view.command("BLPOP", "queue", 0)'],
    ids=["call", "send"],
)
def test_a_program_whose_work_is_busy(clean_standalone: Server, wait: str) -> None:
    """It is waited for, for a second; then the program ends without it, and says so."""
    lines, took = run(
        clean_standalone,
        f"""
        import logging
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        def wait(self):
            {wait}
        Worker.wait = wait
        client = wrap(redis.Redis(port=port), plugins=[Worker])
        time.sleep(0.2)
        print("leaving", flush=True)
        """,
    )
    assert lines[:2] == ["b'working'", "leaving"]
    assert "redis-middleware:worker:work is still busy" in lines[2]
    assert "detached" in lines
    assert took < 8
