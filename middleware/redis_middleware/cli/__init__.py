"""The command line ``redis-middleware``; it needs the extra ``cli``.

Each command is a module of its own with a function ``register(app)``;
``redis_middleware.cli.application`` lists them. This module imports none of them: what is imported
before ``main`` runs can be interrupted by Ctrl-C, and would show it as an error.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line with the arguments of the program.

    Returns:
        2 if typer or rich is not installed, 130 for Ctrl-C while it is imported or made. Otherwise
        it does not return: it raises ``SystemExit`` with 0, 1 for what the command found wrong, 2
        for a wrong invocation, or 130.
    """
    try:
        from redis_middleware.discovery import require
        from redis_middleware.errors import MissingExtraError

        try:
            for module in ("typer", "rich"):
                require(module, extra="cli")
            from redis_middleware.cli.application import app
        except MissingExtraError as error:
            print(f"redis-middleware: {error}", file=sys.stderr)
            return 2
        app(prog_name="redis-middleware")
    except KeyboardInterrupt:
        return 130
    return 0
