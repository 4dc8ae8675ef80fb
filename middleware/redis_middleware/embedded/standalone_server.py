"""A single server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from redis_middleware.embedded.binary import find_server
from redis_middleware.embedded.server import Server
from redis_middleware.embedded.tls import Certificates
from redis_middleware.embedded.workspace import Workspace

__all__ = ["standalone"]


@contextmanager
def standalone(
    *,
    port: int | None = None,
    unix_socket: bool = False,
    tls: Certificates | None = None,
    config: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a single server for the duration of the block.

    Args:
        port: its TCP port; without it, a free one.
        unix_socket: whether it also listens on a unix socket.
        tls: the certificates of a further port that speaks TLS; without them there is none.
        config: directives of the server's configuration file, such as ``{"maxmemory": "64mb"}``.

    Raises:
        ServerStartError: there is no server binary, or it does not come up.
    """
    binary = find_server()
    with Workspace() as workspace:
        server = Server(
            workspace,
            binary,
            "server",
            port=port,
            unix_socket=unix_socket,
            config=config or {},
        )
        server.wait_until_ready()
        if tls is not None:
            server.add_tls_port(tls)
        yield server
