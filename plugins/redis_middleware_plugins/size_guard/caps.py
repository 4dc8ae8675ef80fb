"""Growth that nobody trims: a time to live and a greatest length, given with the write itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from redis_middleware import Command
from redis_middleware.commands.arguments import word_of
from redis_middleware_plugins.size_guard.policies import Policies
from redis_middleware_plugins.size_guard.writes import stream_id_index

__all__ = ["Caps"]

_EXPIRING: Final = frozenset({"EX", "PX", "EXAT", "PXAT"})
_WITH_TTL: Final = frozenset({"SETEX", "PSETEX"})
_TO_THE_LEFT: Final = frozenset({"LPUSH", "LPUSHX"})
_LISTS: Final = frozenset({"LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LINSERT"})
_SORTED_SETS: Final = frozenset({"ZADD", "ZINCRBY", "GEOADD"})


class Caps:
    """What is sent in the place of a write, and along with it, so that its keys end or stay short.

    Args:
        policies: the settings' ``ttl`` and ``max_length``.
        jitter: by how much times to live vary, as a share.
        random: gives a number from 0 to below 1.
    """

    def __init__(self, policies: Policies, jitter: float, random: Callable[[], float]) -> None:
        self._policies = policies
        self._jitter = jitter
        self._random = random

    def write(self, command: Command, key: bytes) -> Command:
        """The write with a time to live, or a greatest length, among its own arguments."""
        name = command.spec.name
        if name == "SET":
            ttl = None if _keeps_ttl(command.wire) else self._ttl(command, key)
            if ttl is not None and _EXPIRING.isdisjoint(map(word_of, command.wire[3:])):
                return command.replace((*command.args, "PX", ttl), command.options)
        elif name == "XADD":
            length = self._policies.option("max_length", key, command.spec)
            wire = command.wire
            if length is not None and not _is_trimmed(wire):
                return command.replace(
                    (*wire[:2], "MAXLEN", "~", length, *wire[2:]), command.options
                )
        return command

    def expiries(self, command: Command, keys: Sequence[bytes]) -> list[Command]:
        """What gives keys a time to live that have none, to be sent right after the write."""
        name = command.spec.name
        if name in _WITH_TTL or (name == "SET" and not _keeps_ttl(command.wire)):
            return []
        expiries = []
        for key in keys:
            ttl = self._ttl(command, key)
            if ttl is not None:
                expiries.append(command.replace(("PEXPIRE", key, ttl, "NX")))
        return expiries

    def trims(self, command: Command, key: bytes, most: int | None) -> list[Command]:
        """What trims a key to its greatest length, to be sent right after the write.

        Args:
            command: the write.
            key: its key.
            most: the length that the key can have after it; ``None`` where it is not known.
        """
        name = command.spec.name
        if name not in _LISTS and name not in _SORTED_SETS:
            return []
        length = self._policies.option("max_length", key, command.spec)
        if length is None or (most is not None and most <= length):
            return []
        trim: tuple[Any, ...]
        if name in _SORTED_SETS:
            trim = ("ZREMRANGEBYRANK", key, 0, -(length + 1))
        elif name in _TO_THE_LEFT:
            trim = ("LTRIM", key, 0, length - 1)
        else:
            trim = ("LTRIM", key, -length, -1)
        return [command.replace(trim)]

    def _ttl(self, command: Command, key: bytes) -> int | None:
        """A time to live in milliseconds; ``None`` where the settings give none."""
        ttl: float | None = self._policies.option("ttl", key, command.spec)
        if ttl is None:
            return None
        return max(1, round(ttl * 1000 * (1 + self._jitter * (2 * self._random() - 1))))


def _keeps_ttl(wire: Sequence[Any]) -> bool:
    """Whether a SET leaves its key with the time to live that it has, or with none."""
    return "KEEPTTL" in map(word_of, wire[3:])


def _is_trimmed(wire: Sequence[Any]) -> bool:
    options = map(word_of, wire[2 : stream_id_index(wire)])
    return not {"MAXLEN", "MINID"}.isdisjoint(options)
