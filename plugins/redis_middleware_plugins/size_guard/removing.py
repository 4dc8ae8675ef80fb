"""The flows around what removes keys, and around what gives them another name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from redis_middleware import Command, Flow, Place
from redis_middleware.commands.arguments import word_of
from redis_middleware_plugins.size_guard.asking import ask, size_of_any
from redis_middleware_plugins.size_guard.judging import Judge, encoded
from redis_middleware_plugins.size_guard.known_sizes import KnownSizes
from redis_middleware_plugins.size_guard.notices import Finding
from redis_middleware_plugins.size_guard.numbers import whole_number

__all__ = ["EXPIRIES", "Moves", "Removals"]

_USER: Final = "lazyfree-lazy-user-del"
_EXPIRE: Final = "lazyfree-lazy-expire"

EXPIRIES: Final = {
    "EXPIRE": (1000, False),
    "PEXPIRE": (1, False),
    "EXPIREAT": (1000, True),
    "PEXPIREAT": (1, True),
}
"""Commands that give a key a time to live, and remove it if that is over: the milliseconds of their
unit, and whether the time counts from 1970 instead of from now."""

_SET_OPTIONS: Final = {"EXAT": "EXPIREAT", "PXAT": "PEXPIREAT"}
_EARLIEST: Final = -(2**63)


class Removals:
    """Sends what removes a key as UNLINK, which frees a big one in the background.

    Args:
        judge: the settings' ``unlink``, and where findings go.
        sizes: the sizes that are known.
        wall_clock: seconds since 1970.
    """

    def __init__(self, judge: Judge, sizes: KnownSizes, wall_clock: Callable[[], float]) -> None:
        self._judge = judge
        self._sizes = sizes
        self._wall_clock = wall_clock
        self._server_does: dict[str, bool] = {}

    def delete(self, command: Command) -> Flow | None:
        """Around DEL."""
        return self._removal(command, command.wire[1:], _USER, int)

    def expire(self, command: Command) -> Flow | None:
        """Around EXPIRE and its kin: with no time left they remove the key."""
        wire = command.wire
        if len(wire) != 3 or not self._is_over(command.spec.name, wire[2]):
            return None
        return self._removal(command, wire[1:2], _EXPIRE, bool)

    def set(self, command: Command) -> Flow | None:
        """Around SET: with a time to live that is over it removes the key, whatever it holds."""
        args = command.args
        unit = _SET_OPTIONS.get(word_of(args[3])) if len(args) == 5 else None
        if unit is None or not self._is_over(unit, args[4]) or (whole_number(args[4]) or 0) <= 0:
            return None
        return self._removal(command, args[1:2], _EXPIRE, lambda removed: True)

    def _is_over(self, name: str, argument: Any) -> bool:
        """Whether a time to live is over as it is given; what the server refuses is not."""
        time = whole_number(argument)
        if time is None:
            return False
        unit, is_absolute = EXPIRIES[name]
        now = self._wall_clock() * 1000 if is_absolute else 0
        return _EARLIEST <= time * unit <= now

    def _removal(
        self,
        command: Command,
        keys: Sequence[Any],
        directive: str,
        reply_of: Callable[[int], Any],
    ) -> Flow | None:
        """The flow around a command that removes keys; ``None`` where it is to stay as it is."""
        wish = self._wish(command)
        if wish == "never" or (wish == "auto" and self._server_does.get(directive)) or not keys:
            return None
        return self._unlink(command, keys, directive if wish == "auto" else None, reply_of)

    def _unlink(
        self,
        command: Command,
        keys: Sequence[Any],
        directive: str | None,
        reply_of: Callable[[int], Any],
    ) -> Flow:
        # Under WATCH a cluster's pipeline refuses a question without a key.
        is_unknown = directive not in self._server_does and command.place is not Place.WATCH
        if directive is not None and is_unknown:
            # While one asks, the others send UNLINK, which is never wrong.
            self._server_does[directive] = False
            try:
                (configured,) = yield from ask(command, [("CONFIG GET", directive)])
            except BaseException:
                del self._server_does[directive]
                raise
            # Services that are run for others often have no CONFIG.
            if isinstance(configured, dict) and configured.get(directive) == "yes":
                self._server_does[directive] = True
                return (yield command)
        self._judge.notices.note(command, Finding("unlink", "sent", command.name))
        if len(self._sizes):
            for key in keys:
                name = encoded(command, key)
                if name is not None:
                    self._sizes.forget(name)
        return reply_of((yield command.replace(("UNLINK", *keys))))

    def _wish(self, command: Command) -> str:
        """What the settings say for a command's keys; of several keys, the strongest."""
        policies = self._judge.policies
        wishes = policies.options("unlink", command.spec)
        if len(wishes) > 1:
            keys = [encoded(command, command.wire[use.position]) for use in command.key_uses]
            wishes = {
                policies.option("unlink", key, command.spec) for key in keys if key is not None
            }
        return next((wish for wish in ("always", "auto") if wish in wishes), "never")


class Moves:
    """Judges COPY, RENAME and RENAMENX by the size of their source.

    Args:
        judge: the limits.
        sizes: the sizes that are known.
    """

    def __init__(self, judge: Judge, sizes: KnownSizes) -> None:
        self._judge = judge
        self._sizes = sizes

    def move(self, command: Command) -> Flow:
        """Around COPY, RENAME and RENAMENX."""
        wire = command.wire
        source = encoded(command, wire[1]) if len(wire) > 2 else None
        key = encoded(command, wire[2]) if source is not None else None
        if source is None or key is None:
            return (yield command)
        self._check("max_key", source, len(source), key, len(key), command)
        length, size = yield from size_of_any(command, source)
        if size is not None:
            name = "max_value" if length == "STRLEN" else "max_elements"
            self._check(name, source, size, key, size, command)
        reply = yield command
        if reply and size is not None and command.place is Place.SINGLE:
            if self._sizes.get(source) is not None:
                self._sizes.put(key, size)
            if command.name != "COPY":
                self._sizes.forget(source)
        return reply

    def _check(
        self, name: str, source: bytes, old: int, key: bytes, new: int, command: Command
    ) -> None:
        # A key that is too large under its old name too must remain movable.
        limit = self._judge.policies.limit(name, source, command.spec)
        if command.name == "COPY" or old <= limit.reject:
            self._judge.check(name, key, command, new)
