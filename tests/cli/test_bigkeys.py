"""``redis-middleware bigkeys``: its tables, and what it says of a scan that was broken off."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import redis
from tests.cli.conftest import Run

from redis_middleware.embedded import Server, standalone


def test_strings_have_no_elements(clean_standalone: Server, run: Run) -> None:
    """A table of strings has no column for them; one of lists does."""
    with closing(redis.Redis(port=clean_standalone.port)) as client:
        client.set("page", "x" * 100_000)
        client.rpush("feed", *range(1234))
    output = run("bigkeys", clean_standalone.url, "-q").output
    headings = [line for line in output.splitlines() if line.startswith("┃ key")]
    assert [("elements" in heading) for heading in headings] == [False, True, True]
    (page,) = [line for line in output.splitlines() if line.startswith("│ page ")]
    assert " 0 " not in page
    assert "1,234" in output
    html = run("bigkeys", clean_standalone.url, "-q", "-f", "html").output
    assert "1,234" in html
    assert ">0<" not in html


def test_a_scan_of_a_lost_server_can_go_on(tmp_path: Path) -> None:
    """With --resume it says how, as it does for Ctrl-C; unless there is nothing to go on with."""
    kept = tmp_path / "scan"
    with standalone() as server:
        with closing(redis.Redis(port=server.port)) as client:
            client.mset({f"key:{number}": "x" for number in range(50_000)})
        command = [sys.executable, "-m", "redis_middleware", "bigkeys", server.url]
        with subprocess.Popen(
            [*command, "--resume", str(kept), "--max-load", "0.01"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "scripts" in process.stderr.readline()
            server.kill()
            _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert told.rstrip().endswith(f": go on with --resume {kept}")
        assert ".: go on" not in told
        kept.unlink()
        finished = subprocess.run(
            [*command, "--resume", str(kept)], capture_output=True, text=True, timeout=60
        )
    assert finished.returncode == 2
    assert "--resume" not in finished.stderr
