"""The command line as a whole: help, version, what it needs, what it costs others."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from tests.cli.conftest import Run

from redis_middleware import __version__
from redis_middleware.cli import main
from redis_middleware.cli.application import app

COMMANDS = ("check", "plugins", "explain", "schema", "bigkeys", "hotkeys", "slots", "top", "demo")


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )


def test_the_version(run: Run) -> None:
    """It is the package's."""
    assert run("--version").output == f"redis-middleware {__version__}\n"


def test_help_lists_every_command(run: Run) -> None:
    """Without arguments too."""
    outcome = run("--help")
    assert outcome.code == 0
    assert all(name in outcome.output for name in COMMANDS)
    assert {command.name for command in app.registered_commands} == set(COMMANDS)
    assert "Usage:" in run().output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text(run: Run, name: str) -> None:
    """What it does is said, and what each option does."""
    outcome = run(name, "--help")
    assert outcome.code == 0
    usage, _, description = outcome.output.partition(f" {name} ")
    assert "Usage: redis-middleware" in usage.replace("root", "redis-middleware")
    assert len(description.partition("Options")[0].split()) > 8


def test_a_wrong_invocation_ends_with_2(run: Run) -> None:
    """As with any program."""
    assert run("chek").code == 2
    assert run("demo", "--seconds", "never").code == 2


def test_the_script_is_installed() -> None:
    """The distribution brings the command redis-middleware."""
    (script,) = entry_points(group="console_scripts", name="redis-middleware")
    assert script.load() is main


def test_it_runs_as_a_module(run_process: Run) -> None:
    """``python -m redis_middleware`` is the same."""
    outcome = run_process("--version")
    assert (outcome.code, outcome.output) == (0, f"redis-middleware {__version__}\n")


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_its_extra_it_says_how_to_install_it(module: str) -> None:
    """One line with the command, no traceback, exit code 2."""
    program = (
        f"import sys; sys.modules[{module!r}] = None; from redis_middleware.cli import main; "
        "sys.exit(main())"
    )
    finished = run_python(program)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr == (
        f"redis-middleware: the module {module!r} is not installed: "
        'pip install "redis-middleware[cli]"\n'
    )


@pytest.mark.parametrize(
    "function", ["require", "register", "get_command", "_check", "load_settings"]
)
def test_ctrl_c_ends_it_without_a_traceback(function: str) -> None:
    """Whether it comes while modules are imported, while commands are made, or in one of them."""
    program = (
        "import signal, sys\n"
        "import redis_middleware\n"
        "def interrupt(frame, event, argument):\n"
        f"    if event == 'call' and frame.f_code.co_name == {function!r}:\n"
        "        sys.setprofile(None)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "def run():\n"
        "    from redis_middleware.cli import main\n"
        "    sys.setprofile(interrupt)\n"
        "    return main()\n"
        "sys.argv = ['redis-middleware', 'check']\n"
        "sys.exit(run())\n"
    )
    finished = run_python(program)
    assert finished.returncode == 130
    assert "Traceback" not in finished.stderr


def test_its_entry_point_imports_little() -> None:
    """Ctrl-C is handled from there on: what is imported before it is not ours to handle."""
    program = (
        "import sys, redis_middleware; before = {*sys.modules}; import redis_middleware.cli; "
        "print(*{*sys.modules} - before)"
    )
    finished = run_python(program)
    assert finished.returncode == 0
    assert finished.stdout == "redis_middleware.cli\n"


def test_programs_do_not_import_it() -> None:
    """``import redis_middleware`` imports neither the command line nor what it needs."""
    program = (
        "import sys, redis_middleware; "
        "print(*{'typer', 'rich', 'redis_middleware.cli'} & sys.modules.keys())"
    )
    finished = run_python(program)
    assert finished.returncode == 0
    assert finished.stdout == "\n"
