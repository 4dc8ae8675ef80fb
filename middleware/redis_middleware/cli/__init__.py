"""The command line ``redis-middleware``; it needs the extra ``cli``.

Each command is a module of its own with a function ``register(app)``;
``redis_middleware.cli.application`` lists them.
"""

from __future__ import annotations

import sys

from redis_middleware.discovery import require
from redis_middleware.errors import MissingExtraError

__all__ = ["main"]


def main() -> int:
    """Run the command line with the arguments of the program.

    Returns:
        2 if typer or rich is not installed, 130 for Ctrl-C while they are imported. Otherwise it
        does not return: it raises ``SystemExit`` with 0, 1 for what the command found wrong, 2 for
        a wrong invocation, or 130.
    """
    try:
        for module in ("typer", "rich"):
            require(module, extra="cli")
        from redis_middleware.cli.application import app
    except MissingExtraError as error:
        print(f"redis-middleware: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    app(prog_name="redis-middleware")
    return 0
