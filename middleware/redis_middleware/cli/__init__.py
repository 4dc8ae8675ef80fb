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
        2 if typer or rich is not installed. Otherwise it does not return: it raises ``SystemExit``
        with 0, 1 for what the command found wrong, or 2 for a wrong invocation.
    """
    try:
        for module in ("typer", "rich"):
            require(module, extra="cli")
    except MissingExtraError as error:
        print(f"redis-middleware: {error}", file=sys.stderr)
        return 2
    from redis_middleware.cli.application import app

    app(prog_name="redis-middleware")
    return 0
