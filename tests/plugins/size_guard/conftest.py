"""What the tests of the guard on every kind of client share."""

from __future__ import annotations

from tests.integration.conftest import redis_server, server_binaries, servers

__all__ = ["redis_server", "server_binaries", "servers"]
