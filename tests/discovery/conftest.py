"""Distributions that are installed for the length of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.discovery.distributions import Installer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Return a function that installs a distribution."""
    installer = Installer(tmp_path, monkeypatch)
    yield installer
    installer.forget_modules()
