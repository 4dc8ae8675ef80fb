"""The cursor file: how far a scan came, and what it had found, for going on later."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from redis_middleware.errors import MiddlewareError
from redis_middleware_plugins.size_guard.bigkeys.report import Report

__all__ = ["CursorFile", "CursorFileError", "Progress"]

_VERSION = 1


class CursorFileError(MiddlewareError):
    """A cursor file cannot be used: the message says why and what to do."""


class Progress:
    """How far a scan came.

    Args:
        report: what was found so far.
        cursors: the next cursor of each server that was begun, by its name; ``None`` where it is
            scanned to its end.
    """

    def __init__(self, report: Report, cursors: dict[str, str | None] | None = None) -> None:
        self.report = report
        self.cursors: dict[str, str | None] = cursors or {}


class CursorFile:
    """Keeps the progress of the scan of one server or cluster.

    Args:
        path: the file.
        target: what is scanned: a URL without its password.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self._target = target

    def load(self, nodes: Collection[str]) -> Progress | None:
        """Read how far an earlier scan came; ``None`` where there was none.

        Args:
            nodes: the names of what is to be scanned now. Cursors are good for the server only
                that gave them, and what was found on it cannot be told from the rest any more.

        Raises:
            CursorFileError: it cannot be read, or is of another scan or of other servers.
        """
        try:
            content: Any = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CursorFileError(
                f"the cursor file {self.path} cannot be read: {error}; remove it to begin anew"
            ) from error
        if not isinstance(content, dict) or content.get("version") != _VERSION:
            raise CursorFileError(f"{self.path} is no cursor file of this version: remove it")
        if content["target"] != self._target:
            raise CursorFileError(
                f"the cursor file {self.path} is of a scan of {content['target']}, not of "
                f"{self._target}: name another file, or remove it"
            )
        others = sorted(set(content["cursors"]).difference(nodes))
        if others:
            raise CursorFileError(
                f"the cursor file {self.path} is of a scan of {', '.join(others)}, and now "
                f"{', '.join(sorted(nodes))} would be scanned: wait until the same servers are "
                "there, choose the same ones, or remove the file to begin anew"
            )
        return Progress(Report.of_state(content["report"]), content["cursors"])

    def save(self, progress: Progress) -> None:
        """Write how far the scan came, whole or not at all."""
        content = {
            "version": _VERSION,
            "target": self._target,
            "cursors": progress.cursors,
            "report": progress.report.as_state(),
        }
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self.path)

    def remove(self) -> None:
        """Remove the file: the scan has come to its end."""
        self.path.unlink(missing_ok=True)
