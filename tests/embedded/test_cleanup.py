"""Nothing is left behind: no process and no file, however the program ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_middleware.embedded import Certificates, sentinel, standalone

pytestmark = pytest.mark.server

_PROGRAM = """
import json, signal, sys, time
from pathlib import Path
from redis_middleware.embedded import Certificates, standalone

# Whoever runs the tests under nohup has it ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
tls = Certificates(*map(Path, sys.argv[1:4]))
with standalone(tls=tls) as server:
    print(json.dumps({"pid": server.pid, "ports": [server.port, server.tls_port]}), flush=True)
    %s
"""


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Ended, but not collected: its parent is gone, and so may be whoever collects orphans.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except ProcessLookupError:
        return True
    except FileNotFoundError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class _Program:
    """A program that runs a server; its temporary files are in a directory of their own."""

    def __init__(self, last_line: str, certificates: Certificates, directory: Path) -> None:
        self._directory = directory
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _PROGRAM % last_line),
                *(certificates.ca_certificate, certificates.certificate, certificates.private_key),
            ],
            env={**os.environ, "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            text=True,
        )
        assert self._process.stdout is not None
        self.started: dict[str, Any] = json.loads(self._process.stdout.readline())

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the program's process group, as a terminal does."""
        os.killpg(self._process.pid, number)

    def assert_nothing_left(self, status: int) -> str:
        """Wait for the program's end; check what is left; return what it wrote to stderr."""
        _, errors = self._process.communicate(timeout=30)
        assert self._process.returncode == status
        # What was killed may take a moment to end.
        _wait_until(lambda: _has_ended(self.started["pid"]))
        _wait_until(lambda: all(_refuses(port) for port in self.started["ports"]))
        assert list(self._directory.iterdir()) == []
        return errors


def test_end_of_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block neither processes nor files are there, also of paused and killed servers."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with sentinel() as servers:
        servers.primary.pause()
        servers.replicas[0].kill()
    assert not any(
        server.running for server in (servers.primary, servers.sentinel, *servers.replicas)
    )
    assert list(tmp_path.iterdir()) == []


def test_exception_passes_through_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in the block arrives unchanged, and the server ends."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = LookupError("mine")
    with pytest.raises(LookupError) as caught, standalone() as server:
        raise error
    assert caught.value is error
    assert not server.running
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("last_line", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("globals()['kept'] = standalone(); kept.__enter__()", 0),
        ("import os; os._exit(4)", 4),
    ],
    ids=["end", "exit", "block never left", "immediate exit"],
)
def test_end_of_the_program(
    last_line: str, status: int, certificates: Certificates, tmp_path: Path
) -> None:
    """A program that ends by itself leaves nothing, whether it leaves its blocks or not."""
    program = _Program(last_line, certificates, tmp_path)
    assert program.assert_nothing_left(status) == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_program_ended_by_a_signal(
    number: signal.Signals, certificates: Certificates, tmp_path: Path
) -> None:
    """A program that gets no chance to clean up leaves nothing."""
    program = _Program("time.sleep(60)", certificates, tmp_path)
    program.signal_group(number)
    program.assert_nothing_left(-number)


def test_interrupt_from_the_keyboard(certificates: Certificates, tmp_path: Path) -> None:
    """Ctrl-C goes to the program, which may still use the server; then nothing is left."""
    program = _Program(
        "import os, signal\n"
        "    try: os.killpg(0, signal.SIGINT); time.sleep(60)\n"
        "    finally: print(server.command('PING'), file=sys.stderr)",
        certificates,
        tmp_path,
    )
    errors = program.assert_nothing_left(-signal.SIGINT)
    assert errors.splitlines()[0] in ("True", "PONG")
    assert "KeyboardInterrupt" in errors


def test_interrupt_while_starting(tmp_path: Path) -> None:
    """Ctrl-C while a cluster forms leaves nothing either."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "from redis_middleware.embedded import cluster; cluster().__enter__()",
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    _wait_until(lambda: any(tmp_path.glob("*/node-5/server.log")))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    _wait_until(lambda: list(tmp_path.iterdir()) == [])


def test_forked_process_leaves_the_server_to_its_parent(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A forked process leaves the block, exit handlers included, and the server goes on."""
    program = _Program(
        "import os\n"
        "    if (child := os.fork()) == 0: sys.exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    print(server.command('PING'), file=sys.stderr)",
        certificates,
        tmp_path,
    )
    assert program.assert_nothing_left(0).strip() in ("True", "PONG")


def test_block_ends_while_a_forked_process_lives(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A forked process that goes on does not hold up the end of the block."""
    program = _Program(
        "import os\n"
        "    if (child := os.fork()) == 0: time.sleep(60)\n"
        "import signal\n"
        "os.kill(child, signal.SIGKILL)",
        certificates,
        tmp_path,
    )
    program.assert_nothing_left(0)
