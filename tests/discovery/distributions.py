"""Real distributions, written into a directory that is on the import path."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

__all__ = ["Installer"]


class Installer:
    """Leaves modules and metadata as an installer would.

    Args:
        root: a directory of the test's own.
        monkeypatch: undoes the changes to the import path.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch

    def __call__(
        self,
        distribution: str,
        plugins: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        *,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        site: str = "site",
    ) -> Path:
        """Install a distribution and return the directory of its metadata.

        Args:
            distribution: its name.
            plugins: its entry points, ``{"name": "module:attribute"}``.
            modules: its modules, ``{"name": "source"}``.
            version: its version.
            requires: its ``Requires-Dist`` lines.
            site: which directory of the import path to put it in; the first used comes first.
        """
        directory = self.root / site
        if not directory.is_dir():
            directory.mkdir()
            self._monkeypatch.setattr(sys, "path", [*sys.path, str(directory)])
        for module, source in (modules or {}).items():
            (directory / f"{module}.py").write_text(source)
        information = directory / f"{distribution.replace('-', '_')}-{version}.dist-info"
        information.mkdir()
        header = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        requirements = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (information / "METADATA").write_text(header + requirements)
        lines = "".join(f"{name} = {value}\n" for name, value in plugins.items())
        (information / "entry_points.txt").write_text(f"[redis_middleware]\n{lines}")
        return information

    def forget_modules(self) -> None:
        """Remove what was imported from these distributions."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(self.root)):
                del sys.modules[name]
