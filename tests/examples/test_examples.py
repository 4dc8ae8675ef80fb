"""The examples, with the real packages and a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_middleware.embedded import Server
from redis_middleware.embedded.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


def environment(server: Server) -> dict[str, str]:
    """What the examples' processes need to know."""
    return {**os.environ, "REDIS_URL": server.url, "PYTHONPATH": str(EXAMPLES)}


def run(server: Server, *command: str) -> str:
    """Run a Python program of the examples to its end; give what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=EXAMPLES,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(server: Server, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program of the examples beside the test; it must end when it is told to."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=EXAMPLES,
        env=environment(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
        assert "Traceback" not in output, output


def fetch(url: str, method: str = "GET") -> Any:
    """Ask an HTTP server, as soon as it listens."""
    request = urllib.request.Request(url, method=method)
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_script(clean_standalone: Server) -> None:
    """A plain script: it counts, and its plugin has counted the accesses."""
    assert run(clean_standalone, "script.py") == "visits: 1000 writes\n"


def test_fastapi(clean_standalone: Server) -> None:
    """An async client as a dependency; the second read of a setting comes from memory."""
    redis.Redis.from_url(clean_standalone.url).set("config:colour", "red")
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with running(clean_standalone, "-m", "uvicorn", "fastapi_app:app", "--port", port):
        assert [fetch(f"{url}/visits/home", "POST") for _ in range(3)] == [1, 2, 3]
        assert [fetch(f"{url}/config/colour") for _ in range(5)] == ["red"] * 5
        assert fetch(f"{url}/config/missing") is None
        assert 1 <= fetch(f"{url}/hits") <= 4


def test_django(clean_standalone: Server) -> None:
    """Django's cache through django-redis."""
    assert run(clean_standalone, "django_cache.py") == "{'en': 'hello'} 42 43\n"


def test_rq(clean_standalone: Server) -> None:
    """RQ's worker forks for each job."""
    assert run(clean_standalone, "rq_jobs.py").splitlines()[-1] == "[4, 9, 16]"


def test_celery(clean_standalone: Server) -> None:
    """Broker and result backend: tasks go out, results come back."""
    worker = ("-m", "celery", "-A", "celery_app", "worker", "--pool", "prefork", "--concurrency")
    caller = (
        "from celery_app import add; print([add.delay(n, n).get(timeout=30) for n in range(5)])"
    )
    with running(clean_standalone, *worker, "2", "--loglevel", "warning"):
        assert run(clean_standalone, "-c", caller) == "[0, 2, 4, 6, 8]\n"
    classes = run(
        clean_standalone,
        "-c",
        "from celery_app import app, MiddlewareRedis\n"
        "from redis_middleware import middleware_of\n"
        "with app.connection() as connection:\n"
        "    broker = connection.default_channel.client\n"
        "for client in (broker, app.backend.client):\n"
        "    print(type(client) is MiddlewareRedis, *middleware_of(client).plugins)\n",
    )
    assert classes == "True key_access local_cache size_guard\n" * 2


def test_gunicorn(clean_standalone: Server) -> None:
    """The client is used before the workers are forked, and in each of them."""
    port = free_port()
    options = ("--preload", "--workers", "3", "--bind", f"127.0.0.1:{port}")
    with running(clean_standalone, "-m", "gunicorn", *options, "gunicorn_app:app"):
        answers = [fetch(f"http://127.0.0.1:{port}/")]
        deadline = time.monotonic() + 30
        while len({answer["worker"] for answer in answers}) < 3 and time.monotonic() < deadline:
            answers.append(fetch(f"http://127.0.0.1:{port}/"))
    workers = {answer["worker"] for answer in answers}
    assert len(workers) > 1
    assert [answer["visits"] for answer in answers] == [*range(1, len(answers) + 1)]
    assert len({answer["started_by"] for answer in answers}) == 1
    assert int(answers[0]["started_by"]) not in workers
    by_worker = {
        worker: [a["hits"] for a in answers if a["worker"] == worker] for worker in workers
    }
    for hits in by_worker.values():
        assert hits == sorted(hits)


def test_the_examples_are_in_the_documentation() -> None:
    """Each of them is on the page of integrations, and the other way round."""
    page = (EXAMPLES.parent / "docs" / "integrations.md").read_text()
    named = set(re.findall(r"examples/(\w+\.py)", page))
    assert named == {path.name for path in EXAMPLES.glob("*.py")}
