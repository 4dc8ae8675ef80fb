"""A temporary directory and the processes that work in it, which end together."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Workspace"]


class Workspace:
    """A temporary directory and the processes that work in it.

    All processes are in one process group, away from the terminal's: Ctrl-C reaches the program
    that started them and not the servers. The group is led by a small process, the janitor, that
    makes the directory, and kills the group and removes the directory as soon as this program
    closes the workspace or ends. A process made by ``fork()`` keeps the servers alive as long as
    it lives, and never ends them by leaving the ``with`` block.
    """

    def __init__(self) -> None:
        name = f"redis-middleware-{secrets.token_hex(8)}"
        self.directory = Path(tempfile.gettempdir()) / name
        self._owner = os.getpid()
        self._processes: list[subprocess.Popen[bytes]] = []
        script = Path(__file__).with_name("janitor.py")
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert self._janitor.stdout is not None
        # The janitor makes it: there is no moment at which it is there and nobody removes it.
        if not os.read(self._janitor.stdout.fileno(), 1):
            raise OSError(f"{self.directory} cannot be made: see the message above")

    def start(
        self,
        arguments: Sequence[str | Path],
        *,
        directory: Path,
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process in ``directory`` whose output is appended to ``log``.

        Raises:
            OSError: the program cannot be executed.
        """
        with log.open("ab") as output:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                pass_fds=pass_fds,
                process_group=self._janitor.pid,
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End every process and remove the directory; return when both are gone."""
        if os.getpid() != self._owner:
            return
        assert self._janitor.stdin is not None
        assert self._janitor.stdout is not None
        # Only a janitor that was itself killed does not listen; the servers end all the same.
        with suppress(BrokenPipeError):
            os.write(self._janitor.stdin.fileno(), b".")
        for process in self._processes:
            process.kill()
            process.wait()
        self._janitor.wait()
        self._janitor.stdout.read()
        self._janitor.stdin.close()
        self._janitor.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
