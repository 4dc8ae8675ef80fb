"""The address that servers listen on, and free ports of it."""

from __future__ import annotations

import random
import socket

from redis_middleware.embedded.errors import ServerStartError

__all__ = ["HOST", "free_port"]

HOST = "127.0.0.1"

# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections:
# one of those could take the port while its server restarts, or connect to itself meanwhile.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 20


def free_port() -> int:
    """Return a TCP port that nobody listened on a moment ago.

    Raises:
        ServerStartError: none of many that were tried is free.
    """
    # A generator of its own: the shared one may be seeded, alike in every run at the same time.
    for port in random.Random().sample(_PORTS, _ATTEMPTS):
        with socket.socket() as probe:
            # As servers bind: connections of a server that ended may linger.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerStartError(
        f"no free port: tried {_ATTEMPTS} at random in {_PORTS.start}-{_PORTS.stop - 1}"
    )
