"""A reader of the documentation, with servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.docs.following import Reader

from redis_middleware.embedded import Cluster, Server


@pytest.fixture
def follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[Path], list[str]]]:
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
        reader = Reader(directory, addresses)
        monkeypatch.chdir(directory)
        for path in (reader.site, directory):
            monkeypatch.syspath_prepend(str(path))
        return reader.follow(page)

    yield follow_page
