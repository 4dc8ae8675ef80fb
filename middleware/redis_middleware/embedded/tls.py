"""A TLS port in front of a server."""

from __future__ import annotations

import socket
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from redis_middleware.embedded.errors import ServerStartError
from redis_middleware.embedded.ports import HOST
from redis_middleware.embedded.workspace import Workspace

__all__ = ["Certificates", "open_tls_port"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files that a TLS port needs, all PEM.

    Attributes:
        ca_certificate: the authority that clients have to trust.
        certificate: the server's certificate, and the chain above it; for the host 127.0.0.1.
        private_key: the server's private key, without a passphrase.
    """

    ca_certificate: Path
    certificate: Path
    private_key: Path


def open_tls_port(workspace: Workspace, certificates: Certificates, server_port: int) -> int:
    """Start a process that forwards TLS connections to a server; return the port they come to.

    It goes on when the server restarts.

    Raises:
        ServerStartError: a certificate or the key cannot be used.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.certificate, certificates.private_key)
        context.load_verify_locations(certificates.ca_certificate)
    except OSError as error:
        raise ServerStartError(f"no TLS port with {certificates}: {error}") from error
    script = Path(__file__).with_name("tls_terminator.py")
    # Listening starts here, so clients may connect before the other process has come up.
    with socket.create_server((HOST, 0)) as listener:
        workspace.start(
            [
                sys.executable,
                "-I",
                "-S",
                script,
                str(listener.fileno()),
                str(server_port),
                certificates.certificate.absolute(),
                certificates.private_key.absolute(),
            ],
            directory=workspace.directory,
            log=workspace.directory / "tls.log",
            pass_fds=(listener.fileno(),),
        )
        port: int = listener.getsockname()[1]
    return port
