"""The flows around what removes keys, and around what gives them another name."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from redis.exceptions import ResponseError

from redis_middleware import Command, Flow, Place
from redis_middleware_plugins.size_guard.asking import size_of_any
from redis_middleware_plugins.size_guard.judging import Judge, encoded
from redis_middleware_plugins.size_guard.known_sizes import KnownSizes
from redis_middleware_plugins.size_guard.notices import Finding
from redis_middleware_plugins.size_guard.numbers import whole_number

__all__ = ["Moves", "Removals"]

_DIRECTIVES: Final = {
    "DEL": "lazyfree-lazy-user-del",
    "EXPIRE": "lazyfree-lazy-expire",
    "PEXPIRE": "lazyfree-lazy-expire",
}


class Removals:
    """Sends what removes a key as UNLINK, which frees a big one in the background.

    Args:
        judge: the settings' ``unlink``, and where findings go.
        sizes: the sizes that are known.
    """

    def __init__(self, judge: Judge, sizes: KnownSizes) -> None:
        self._judge = judge
        self._sizes = sizes
        self._server_does: dict[str, bool] = {}

    def delete(self, command: Command) -> Flow:
        """Around DEL."""
        if not (yield from self._is_wanted(command)):
            return (yield command)
        self._forget(command)
        return (yield command.replace(("UNLINK", *command.wire[1:])))

    def expire(self, command: Command) -> Flow:
        """Around EXPIRE and PEXPIRE: with no time left they remove the key."""
        wire = command.wire
        seconds = whole_number(wire[2]) if len(wire) == 3 else None
        if seconds is None or seconds > 0 or not (yield from self._is_wanted(command)):
            return (yield command)
        self._forget(command)
        return bool((yield command.replace(("UNLINK", wire[1]))))

    def _forget(self, command: Command) -> None:
        self._judge.notices.note(command, Finding("unlink", "sent", command.name))
        if len(self._sizes):
            for use in command.key_uses:
                key = encoded(command, command.wire[use.position])
                if key is not None:
                    self._sizes.forget(key)

    def _is_wanted(self, command: Command) -> Generator[Any, Any, bool]:
        policies = self._judge.policies
        wanted = policies.options("unlink", command.spec)
        if len(wanted) > 1:
            keys = [encoded(command, command.wire[use.position]) for use in command.key_uses]
            wanted = {
                policies.option("unlink", key, command.spec) for key in keys if key is not None
            }
        if "always" in wanted:
            return True
        if "auto" not in wanted:
            return False
        directive = _DIRECTIVES[command.name]
        if directive not in self._server_does:
            if command.place is not Place.SINGLE:
                # It cannot be asked here without a round trip more, and UNLINK is never wrong.
                return True
            self._server_does[directive] = yield from _is_on(command, directive)
        return not self._server_does[directive]


def _is_on(command: Command, directive: str) -> Generator[Any, Any, bool]:
    try:
        configured = yield command.replace(("CONFIG GET", directive))
    except ResponseError:
        # Services that are run for others often have no CONFIG.
        return False
    return isinstance(configured, dict) and configured.get(directive) == "yes"


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
        length, size = yield from size_of_any(command, source)
        if size is not None:
            name = "max_value" if length == "STRLEN" else "max_elements"
            # A key that is too large under its old name too must remain movable.
            limit = self._judge.policies.limit(name, source, command.spec)
            if command.name == "COPY" or size <= limit.reject:
                self._judge.check(name, key, command, size)
        reply = yield command
        if reply and size is not None and command.place is Place.SINGLE:
            if self._sizes.get(source) is not None:
                self._sizes.put(key, size)
            if command.name != "COPY":
                self._sizes.forget(source)
        return reply
