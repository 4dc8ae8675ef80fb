"""Running clients of both kinds, whose settings are in a real file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.discovery.distributions import Installer
from tests.reload.running import PLUGINS, PLUGINS_MODULE, AsyncRunning, Running, SettingsFile

from redis_middleware.embedded import Server
from redis_middleware.settings import watching


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file with nearly every command; one test keeps to the real interval."""
    monkeypatch.setattr(watching, "CHECK_INTERVAL", 0.001)


@pytest.fixture(autouse=True)
def _installed_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plugins of these tests, as a package of somebody's."""
    installer = Installer(tmp_path, monkeypatch)
    installer("tagging", PLUGINS, {"tagging_plugins": PLUGINS_MODULE})
    yield
    installer.forget_modules()


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """Return a settings file without any plugins."""
    return SettingsFile(tmp_path / "redis-middleware.toml")


@pytest.fixture(params=[Running, AsyncRunning], ids=["sync", "async"])
def running(request: pytest.FixtureRequest, clean_standalone: Server) -> Iterator[Running]:
    """Return a program with a client that is not wrapped yet."""
    made: Running = request.param(clean_standalone.port)
    yield made
    made.close()
