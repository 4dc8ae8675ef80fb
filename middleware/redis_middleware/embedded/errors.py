"""What is raised when a server cannot be started."""

from __future__ import annotations

from redis_middleware.errors import MiddlewareError

__all__ = ["ServerStartError"]


class ServerStartError(MiddlewareError):
    """No server could be started: there is no binary, or it ended, or it did not get ready.

    The message says which binary and port, how far it got, and quotes the end of its log.
    """
