"""What the tests of the contract share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.commands.conftest import redis_server, server_binaries
from tests.integration.servers import Servers

__all__ = ["redis_server", "server_binaries"]

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these tests run on servers."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """Return the run's servers, which start when they are asked for."""
    return Servers(request)
