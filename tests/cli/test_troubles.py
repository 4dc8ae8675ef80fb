"""What the commands that ask servers say where they cannot, and all where they cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from tests.cli.conftest import Run

from redis_middleware.cli.server_url import without_password
from redis_middleware.embedded import Cluster, Server, standalone

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
    assert ".:" not in outcome.output
    assert "wrong" not in outcome.output


def test_where_no_server_can_tell_the_next_step_is_said(run: Run, clean_standalone: Server) -> None:
    """Of hot keys: MONITOR, or the plugin that counts; not where MONITOR was asked for."""
    outcome = run("hotkeys", clean_standalone.url)
    assert outcome.output.startswith("no server could tell:\n")
    assert "--monitor 1 watches every command" in outcome.output
    assert "key_access" in outcome.output
    outcome = run("hotkeys", clean_standalone.url, "--monitor", "0.1")
    assert "--monitor" not in outcome.output
    assert "it runs for 0.1 s on 1 server\n" in outcome.output


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("foo=bar", "redis-py takes no option 'foo' in a redis:// URL: leave it out"),
        ("db=0&ssl_cert_reqs=none", "'ssl_cert_reqs' is an option of TLS: write rediss:// for a"),
        ("parser_class=x", "redis-py cannot connect with the options of this URL: "),
        ("protocol=4", "protocol must be either 2 or 3"),
        ("socket_timeout=soon", "Invalid value for "),
    ],
)
def test_an_option_that_redis_py_does_not_take_is_named(
    run: Run, words: tuple[str, ...], option: str, told: str
) -> None:
    """A URL copied from an application's settings may have those of another library."""
    url = f"redis://127.0.0.1:1?{option}"
    outcome = run(*words, url)
    assert outcome.code == (2 if words == ("bigkeys",) else 1)
    assert outcome.output.startswith(f"error: {url}: {told}")


@pytest.mark.parametrize(
    "options",
    [
        "decode_responses=True",
        "encoding=utf-16&encoding_errors=x",
        "protocol=2",
        "protocol=3",
    ],
)
def test_options_of_the_application_do_not_change_what_is_read(
    run: Run, clean_cluster: Cluster, clean_standalone: Server, options: str
) -> None:
    """Replies come as bytes whatever form the URL asks for: keys may be no text."""
    for server in (clean_cluster.primaries[0], clean_standalone):
        url = f"redis://{server.host}:{server.port}"
        names = [b"{%d}\xff" % number for number in range(40)]
        control = (redis.RedisCluster if server is not clean_standalone else redis.Redis).from_url(
            url
        )
        with closing(control):
            for name in names:
                control.set(name, "value")
        asked = f"{url}?{options}"
        outcome = run("bigkeys", asked, "-q", "--top", "50")
        assert outcome.code == 0
        assert "{7}\\xff" in outcome.output
        assert run("hotkeys", asked, "-q").code == 0
        outcome = run("top", asked, "--once")
        assert "no process shares its statistics" in outcome.output
        outcome = run("slots", asked)
        told = "127.0.0.1" if server is not clean_standalone else "is no node of a cluster"
        assert told in outcome.output


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
