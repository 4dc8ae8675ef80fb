"""Which keys this client's own commands may change."""

from __future__ import annotations

from typing import Final

from redis.exceptions import DataError

from redis_middleware import Command
from redis_middleware.commands import CommandSpec

__all__ = ["CHANGES_CONNECTION", "changes_all", "changes_keys", "written_keys"]

_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA", "FCALL"})
_ALL_KEYS: Final = frozenset({"FLUSHALL", "FLUSHDB", "SWAPDB", "REPLICAOF", "SLAVEOF"})

CHANGES_CONNECTION: Final = frozenset(
    {"SELECT", "AUTH", "HELLO", "RESET", "CLIENT TRACKING", "CLIENT CACHING"}
)
"""Commands after which one of the pool's connections is another than the cache takes it for."""


def changes_all(spec: CommandSpec) -> bool:
    """Whether a command may change keys that its arguments do not name."""
    return spec.name in _ALL_KEYS or spec.name == "DEBUG" or spec.name.startswith("DEBUG ")


def changes_keys(spec: CommandSpec) -> bool:
    """Whether a command may change the keys that its arguments name."""
    return spec.is_write or spec.name in _SCRIPTS or not spec.known


def written_keys(command: Command) -> tuple[bytes, ...]:
    """The keys, as on the wire, that a command may change.

    Those of a script are the ones it declares. Of a command that no table knows, each argument may
    be one.
    """
    encode, spec = command.client.encode, command.spec
    try:
        if (
            spec.known
            and spec.fixed_uses is not None
            and " " not in spec.name
            and len(command.args) > 1
        ):
            # Most writes have one key, and always at the same place.
            arguments = command.args
            written = [arguments[use.position] for use in spec.fixed_uses if use.writes]
        elif not spec.known:
            written = list(command.wire[1:])
        else:
            wire = command.wire
            written = [wire[use.position] for use in command.key_uses if use.writes]
        # redis-py leaves a memoryview or bytearray as it is.
        return tuple([bytes(encode(argument)) for argument in written])
    except (DataError, UnicodeError):
        # redis-py refuses such an argument, so nothing is sent.
        return ()
