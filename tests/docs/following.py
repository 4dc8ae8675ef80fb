"""Following a page of the documentation as a reader would: each of its code blocks, in order.

Sybil finds the blocks and the directives that skip some; this says what doing them means:

=========== =====================================================================================
``python``  is run; the blocks of a page share their names, as one session would
``toml``    is a settings file: it is checked by the code that reads settings and, where it has a
            list of plugins, written to ``redis-middleware.toml`` in the reader's directory
``console`` each line after ``$`` is run by a shell there, and must end with 0 or with what a
            comment ``# exit status N`` says; what the page shows below it must be what it prints
``yaml``    is parsed
``text``    is no code
=========== =====================================================================================

A block with ``title="name"`` is also a file of that name. What cannot be run is marked by a comment
before it that gives the reason, ``<!-- skip: next "reason" -->``.

``localhost:6379`` is the run's single server, ``localhost:7000`` its cluster, and ``/srv/shop`` the
reader's directory. In what commands print every number counts as equal to every other, frames and
line breaks count for nothing, and ``...`` stands for anything.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from unittest import SkipTest

import yaml
from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from redis_middleware.discovery import installed_plugins, settings_model
from redis_middleware.settings import load_settings

__all__ = ["ROOT", "Reader", "pages"]

ROOT: Final = Path(__file__).parents[2]
DIRECTORY: Final = "/srv/shop"
_INFO: Final = re.compile(r'(?P<language>[\w-]*)(?: title="(?P<title>[^"]+)")?[ \t]*\n')
_COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
_EXIT_STATUS: Final = re.compile(r"# exit status (\d+)$")
_NUMBER: Final = re.compile(r"\d[\d,.]*")
_FRAMES: Final = re.compile("[─-╿]+")
_SHIMS: Final = {
    "python": '{python} "$@"',
    "pytest": '{python} -m pytest -p no:cacheprovider "$@"',
    "redis-middleware": '{python} -m redis_middleware "$@"',
    # Into the reader's own environment, with what is installed here, and from no index.
    "pip": '{tests_python} -m pip -q --disable-pip-version-check --python {python} "$@" '
    "--no-deps --no-index --no-build-isolation",
}


def pages() -> list[Path]:
    """The pages of the documentation, the README first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Reader:
    """Somebody with a directory, a shell, a Python session and servers of their own.

    Args:
        directory: the reader's directory, which is the working directory too.
        addresses: for each address on the pages the one that is meant.
        patience: seconds for which a command is run again until it does what the page shows,
            once the page has started something in the background: that takes its time.
    """

    def __init__(self, directory: Path, addresses: Mapping[str, str], *, patience: float) -> None:
        self.directory = directory
        self._patience = patience
        self._addresses = addresses
        self._shells: list[subprocess.Popen[bytes]] = []
        self._works_in_background = False
        environment = directory.parent / f"{directory.name}-environment"
        self._bin = environment / "shims"
        self.site = _make_environment(environment)
        self._bin.mkdir()
        python = environment / "bin" / "python"
        for name, line in _SHIMS.items():
            shim = self._bin / name
            line = line.format(python=python, tests_python=sys.executable)
            shim.write_text(f"#!/bin/sh\nexec {line}\n")
            shim.chmod(0o755)

    def follow(self, page: Path) -> list[str]:
        """Do what a page says.

        Returns:
            For each block that was left out: the page, the line and the reason.

        Raises:
            Exception: what a block of Python raises.
            AssertionError: something did not come out as the page has it; or the page has a block
                that nobody can run and that does not say so.
        """
        text = page.read_text(encoding="utf-8")
        for there, here in self._addresses.items():
            text = text.replace(there, here)
        document = Document(text, str(page))
        document.namespace["__name__"] = "__main__"
        for directive in SkipParser()(document):
            assert directive.parsed[1], f"{page}: a block is skipped and nothing says why"
            document.add(directive)
        for block in self._blocks(document):
            document.add(block)
        left_out = []
        try:
            for example in document.examples():
                try:
                    example.evaluate()
                except SkipTest as skipped:
                    left_out.append(f"{page.name}:{example.line}: {skipped}")
        finally:
            document.namespace.clear()
            self._forget_modules()
            self._end_shells()
        return left_out

    def _blocks(self, document: Document) -> Iterable[Region]:
        for block in RawFencedCodeBlockLexer(_INFO)(document):
            yield Region(block.start, block.end, block.lexemes, self._evaluate)

    def _evaluate(self, example: Example) -> None:
        language, title = example.parsed["language"], example.parsed["title"]
        source = example.parsed["source"]
        evaluate = getattr(self, f"_evaluate_{language or 'nothing'}", None)
        where = f"{example.path}:{example.line}"
        assert evaluate, f"{where}: nothing runs a block of {language!r}: say why it is skipped"
        if title is not None:
            (self.directory / title).write_text(source, encoding="utf-8")
        try:
            evaluate(example, source, title)
        except SkipTest:
            raise
        except Exception as error:
            error.add_note(f"in the block at {where}")
            raise

    def _evaluate_python(self, example: Example, source: Any, title: str | None) -> None:
        if title is None:
            example.parsed = source
            PythonEvaluator()(example)
        else:
            runpy.run_path(str(self.directory / title), run_name=Path(title).stem)

    def _evaluate_toml(self, example: Example, source: str, title: str | None) -> None:
        data = tomllib.loads(source)
        if "project" in data and "redis-middleware" not in data.get("tool", {}):
            assert "redis_middleware" in data["project"]["entry-points"]
            return
        name = "redis-middleware.toml" if "plugins" in data else "fragment.toml"
        path = self.directory / (title or name)
        path.write_text(source, encoding="utf-8")
        _check_settings(path, data.get("profiles", {}))

    def _evaluate_console(self, example: Example, source: str, title: str | None) -> None:
        commands = _COMMAND.findall(source)
        assert commands, "a block of console has commands, each after $"
        for command, shown in commands:
            waits = self._patience if self._works_in_background else 0.0
            until = time.monotonic() + waits
            while (problem := self._problem_of(command, shown)) and time.monotonic() < until:
                time.sleep(0.2)
            assert not problem, problem
            self._works_in_background |= command.endswith("&")

    def _problem_of(self, command: str, shown: str) -> str:
        """Run a command; return what is wrong with what it did, or nothing."""
        code, output = self._run(command)
        status = _EXIT_STATUS.search(command)
        if code != (int(status[1]) if status else 0):
            return f"$ {command}\nended with {code}:\n{output}"
        wanted, got = _shape(shown), _shape(output)
        pattern = ".*".join(re.escape(part.strip()) for part in wanted.split("..."))
        if not wanted or re.fullmatch(pattern, got, re.DOTALL):
            return ""
        return (
            f"$ {command}\nthe page shows:\n{shown}\nit prints:\n{output}\n"
            f"compared as:\n{wanted}\nwith:\n{got}"
        )

    def _evaluate_yaml(self, example: Example, source: str, title: str | None) -> None:
        assert yaml.safe_load(source)

    def _evaluate_text(self, example: Example, source: str, title: str | None) -> None:
        pass

    def _run(self, command: str) -> tuple[int, str]:
        environ = {
            **os.environ,
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        # A file of its own, not a pipe: what a command leaves in the background holds on to it.
        log = self.directory.parent / f"{self.directory.name}-{len(self._shells)}.log"
        with log.open("wb") as output:
            shell = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._shells.append(shell)
            code = shell.wait(timeout=60)
        return code, log.read_text(encoding="utf-8").replace(str(self.directory), DIRECTORY)

    def _forget_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(f"{self.directory}{os.sep}"):
                del sys.modules[name]

    def _end_shells(self) -> None:
        for shell in self._shells:
            try:
                os.killpg(shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            shell.wait()
        self._shells.clear()


def _make_environment(directory: Path) -> Path:
    """Make a virtual environment that has what the tests have; give its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (site,) = directory.glob("lib/python*/site-packages")
    installed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    roots = [str(ROOT / "middleware"), str(ROOT / "plugins")]
    (site / "of_the_tests.pth").write_text("\n".join((*roots, *installed)))
    return site


def _check_settings(path: Path, profiles: Iterable[str]) -> None:
    """Check a settings file with what reads it, in every profile, and with each plugin's model."""
    installed = installed_plugins()
    for profile in (None, *profiles):
        settings = load_settings(path, profile=profile, environ={})
        for name in dict.fromkeys((*settings.plugins, *settings.blocked, *settings.tables)):
            assert name in installed, f"{name} is no installed plugin"
            model = settings_model(installed[name].load())
            if model is not None:
                settings.for_plugin(name, model)
            else:
                assert name not in settings.tables


def _shape(output: str) -> str:
    """What is compared of a command's output: its words, not its numbers, frames and breaks."""
    return " ".join(_FRAMES.sub(" ", _NUMBER.sub("0", output)).split())
