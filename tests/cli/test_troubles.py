"""What the commands that ask servers say where they cannot, and all where they cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from redis_middleware.cli.output import without_password
from redis_middleware.embedded import Server, standalone

ASKING = [("top", "--once"), ("hotkeys",), ("bigkeys",), ("slots",)]


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
@pytest.mark.parametrize(
    "url",
    [
        "redis://shop:hush@127.0.0.1:1/0",
        "redis://127.0.0.1:port?password=hush",
        "redis://shop:hush@[::1",
        "http://shop:hush@127.0.0.1",
    ],
)
def test_a_server_that_cannot_be_asked_is_named(run: Run, words: tuple[str, ...], url: str) -> None:
    """The message begins with the URL, of which it leaves out who asks with what password."""
    outcome = run(*words, url)
    assert outcome.code == (2 if words == ("bigkeys",) else 1)
    assert outcome.output.startswith(f"error: {without_password(url)}: ")
    assert "hush" not in outcome.output


@pytest.fixture(scope="module")
def locked() -> Iterator[Server]:
    """A server that wants a password."""
    with standalone() as server:
        server.command("CONFIG SET", "requirepass", "hush")
        yield server


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
@pytest.mark.parametrize("user", ["", ":wrong@"])
def test_where_the_password_goes_is_said(
    run: Run, locked: Server, words: tuple[str, ...], user: str
) -> None:
    """Whether there is none or a wrong one; the server's own words speak of HELLO."""
    outcome = run(*words, f"redis://{user}127.0.0.1:{locked.port}")
    assert ": put user and password into the URL, redis://USER:PASSWORD@" in outcome.output
    assert "wrong" not in outcome.output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/2", "redis://localhost:6379/2"),
        ("redis://a:b@localhost:6379", "redis://localhost:6379"),
        ("redis://:p/a?s#s@localhost", "redis://localhost"),
        ("rediss://h?password=p&db=1", "rediss://h?password=&db=1"),
        ("unix://a:b@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Also one that is not written as a URL should be."""
    assert without_password(url) == shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "words",
    [("check",), ("explain", "GET", "k"), ("plugins",), ("schema",), ("schema", "-o", "/dev/full")],
    ids=" ".join,
)
def test_a_full_disk_is_told_in_a_line(words: tuple[str, ...]) -> None:
    """No traceback, and no success."""
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "redis_middleware", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "NO_COLOR": "1"},
        )
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: [Errno 28] No space left on device")
    assert len(finished.stderr.splitlines()) == 1
