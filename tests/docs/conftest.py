"""A reader of the documentation, with servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs.following import Reader

from redis_middleware.embedded import SERVER_VARIABLE, Cluster, Server


@pytest.fixture
def patience() -> float:
    """Return the seconds that commands have to come to what a page shows."""
    return 20.0


@pytest.fixture
def follow(
    patience: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[Path], list[str]]:
    """Return a function that follows a page; the cluster runs only for pages that name one."""

    def follow_page(page: Path) -> list[str]:
        server: Server = request.getfixturevalue("clean_standalone")
        addresses = {"localhost:6379": f"{server.host}:{server.port}"}
        if "localhost:7000" in page.read_text(encoding="utf-8"):
            servers: Cluster = request.getfixturevalue("clean_cluster")
            host, port = servers.addresses[0]
            addresses["localhost:7000"] = f"{host}:{port}"
        directory = tmp_path / "shop"
        directory.mkdir()
        reader = Reader(directory, addresses, patience=patience)
        monkeypatch.chdir(directory)
        for name in list(os.environ):
            if name.startswith("REDIS_MIDDLEWARE") and name != SERVER_VARIABLE:
                monkeypatch.delenv(name)
        for path in (reader.site, directory):
            monkeypatch.syspath_prepend(str(path))
        return reader.follow(page)

    return follow_page
