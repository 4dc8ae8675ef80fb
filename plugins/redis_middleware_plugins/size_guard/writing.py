"""The flows around writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, Final

from redis.exceptions import ResponseError

from redis_middleware import NIL, Command, Flow
from redis_middleware.commands import CommandSpec
from redis_middleware_plugins.size_guard.asking import ask
from redis_middleware_plugins.size_guard.caps import Caps
from redis_middleware_plugins.size_guard.growth import GROWTH, STORES, Growth
from redis_middleware_plugins.size_guard.judging import Judge, encoded
from redis_middleware_plugins.size_guard.known_sizes import KnownSizes
from redis_middleware_plugins.size_guard.notices import Finding
from redis_middleware_plugins.size_guard.policies import Limit
from redis_middleware_plugins.size_guard.strict import (
    can_be_strict,
    refused_size,
    strict_command,
    strict_reply,
)
from redis_middleware_plugins.size_guard.writes import MEASURES

__all__ = ["Writes"]

_MOST_LOOKED_FOR: Final = 128
"""Of more new elements than this it is not asked, before a refusal, which of them are there."""

_SPARSE_BELOW: Final = 0.5
_DENSE_FROM: Final = 0.9


class Writes:
    """Judges writes before they are sent, and sizes after the reply came.

    Args:
        judge: the limits.
        caps: what is sent along.
        sizes: the sizes that are known.
        sampling: how often a size is asked that is far from its limit, from 0 to 1.
        random: gives a number from 0 to below 1.
    """

    def __init__(
        self,
        judge: Judge,
        caps: Caps,
        sizes: KnownSizes,
        sampling: float,
        random: Callable[[], float],
    ) -> None:
        self._judge = judge
        self._policies = judge.policies
        self._caps = caps
        self._sizes = sizes
        self._sampling = sampling
        self._random = random
        self._plans: dict[str, tuple[Growth, bool, bool]] = {}

    def has_caps(self, spec: CommandSpec) -> bool:
        """Whether there may be something to send in the place of a write, or along with it."""
        options = self._policies.options
        return bool(options("ttl", spec) or options("max_length", spec))

    def replace(self, command: Command) -> Flow:
        """Around a write that replaces what was there, or whose arguments tell everything.

        Where there are no caps, judging its arguments is all that is to be done.
        """
        self._judge.arguments(command)
        return self.capped(command)

    def capped(self, command: Command) -> Flow:
        """Around such a write that was judged: with a time to live, or trimmed."""
        keys = list(command.keys)
        sent = self._caps.write(command, keys[0]) if keys else command
        return _returned((yield from self._send(sent, self._caps.expiries(command, keys))))

    def store(self, command: Command) -> Flow | None:
        """Around a write that stores a result and replies with its size, if it does store it."""
        index = next((use.position for use in command.key_uses if use.writes), 0)
        key = encoded(command, command.wire[index]) if index else None
        return None if key is None else self._store(command, key)

    def _store(self, command: Command, key: bytes) -> Flow:
        self._judge.check("max_key", key, command, len(key))
        reply = yield from self._send(command, self._caps.expiries(command, [key]))
        if isinstance(reply, int):
            limit = self._policies.limit(STORES[command.spec.name], key, command.spec)
            if reply > limit.lowest:
                self._sizes.put(key, reply)
                self._judge.report(limit, key, command, reply)
        return _returned(reply)

    def grow(self, command: Command) -> Flow:
        """Around a write that adds to what is there."""
        wire = command.args
        growth, is_judged, is_plain = self._plan(command.spec)
        if is_judged:
            self._judge.arguments(command)
        key = encoded(command, wire[growth.key]) if len(wire) > growth.key else None
        if key is None:
            return (yield command)
        if not is_judged:
            self._judge.check("max_key", key, command, len(key))
        limit = self._policies.limit(growth.limit, key, command.spec)
        added = growth.most_added(wire)
        if command.position is None:
            if not is_plain:
                return (yield from self._grow(command, growth, key, limit, added, 0))
            known = self._sizes.get(key)
            most = None if known is None else known + added
            if (most is not None and most > limit.reject) or (
                growth.told != "size" and self._is_due(most, limit)
            ):
                return (yield from self._grow(command, growth, key, limit, added, 0, asks=True))
            reply = yield command
            self._learn(command, growth, key, limit, added, reply, None)
            return _returned(reply)
        # The commands of a pipeline are judged before any of them is sent: each counts for those
        # behind it.
        pending = self._sizes.reserve(key, added)
        try:
            return (yield from self._grow(command, growth, key, limit, added, pending))
        finally:
            self._sizes.release(key, added)

    def _grow(
        self,
        command: Command,
        growth: Growth,
        key: bytes,
        limit: Limit,
        added: int,
        pending: int,
        *,
        asks: bool | None = None,
    ) -> Flow:
        """Send a growing write with all that its key's size, caps and strict mode ask for.

        Args:
            command: the write.
            growth: how it makes its key grow.
            key: its key.
            limit: the limit of the key's size.
            added: by how much it grows at most.
            pending: by how much it grows before, by other commands that are under way.
            asks: whether to ask for the size as well; ``None``: as sampling has it.
        """
        known = self._sizes.get(key)
        most = None if known is None else known + pending + added
        strict = (
            limit.reject < math.inf
            and self._policies.option("strict", key, command.spec)
            and can_be_strict(command)
        )
        if added and (
            (most is None and strict and command.position is not None)
            or (most is not None and most > limit.reject)
        ):
            most = yield from self._confirm(command, growth, key, limit, added, pending)
        sent = self._caps.write(command, key)
        along = self._caps.trims(command, key, most) + self._caps.expiries(command, [key])
        if strict:
            sent = strict_command(sent, growth, int(limit.reject), added)
        if asks is None:
            asks = self._is_due(most, limit)
        asks = asks and growth.told != "size"
        if asks:
            along = [*along, command.replace((growth.length, key))]
        try:
            replies = yield from self._send_all(sent, along)
        except ResponseError as error:
            size = refused_size(error) if strict else None
            if size is None:
                raise
            self._judge.refuse(limit, key, command, size, was_sent=command.position is not None)
            raise
        reply = strict_reply(command, replies[0]) if strict else replies[0]
        size = replies[-1] if asks else None
        self._learn(command, growth, key, limit, added, reply, size)
        return _returned(reply)

    def _plan(self, spec: CommandSpec) -> tuple[Growth, bool, bool]:
        """How a command makes its key grow, whether its arguments are judged, and whether neither
        caps nor strict mode can have to do with it."""
        plan = self._plans.get(spec.name)
        if plan is None:
            is_plain = not self.has_caps(spec) and self._policies.options("strict", spec) == {False}
            plan = (GROWTH[spec.name], spec.name in MEASURES, is_plain)
            self._plans[spec.name] = plan
        return plan

    def _is_due(self, most: int | None, limit: Limit) -> bool:
        """Whether the size is to be asked with this write: the nearer the limit, the likelier."""
        rate = self._sampling
        lowest = limit.lowest
        if most is not None and most > lowest * _SPARSE_BELOW:
            share = most / lowest if lowest else 1.0
            rate = max(rate, (share - _SPARSE_BELOW) / (_DENSE_FROM - _SPARSE_BELOW))
        return lowest < math.inf and (rate >= 1 or self._random() < rate)

    def _confirm(
        self,
        command: Command,
        growth: Growth,
        key: bytes,
        limit: Limit,
        added: int,
        pending: int,
    ) -> Generator[Any, Any, int | None]:
        """Ask what would be refused for what is only remembered; give the size it may come to.

        Raises:
            ValueTooLarge: the server says that it is too much.
        """
        asks_each = growth.exists and 0 < added <= _MOST_LOOKED_FOR
        fields = [command.args[at] for at in growth.elements(command.args)] if asks_each else []
        questions: list[tuple[Any, ...]] = [(growth.length, key)]
        questions += [(growth.exists, key, field) for field in fields]
        size, *found = yield from ask(command, questions)
        if not isinstance(size, int):
            return None
        self._sizes.put(key, size)
        if found:
            added = sum(1 for each in found if each is None or each is False or each == 0)
        size += pending + added
        if added and size > limit.reject:
            self._judge.refuse(limit, key, command, size)
        return size

    def _send(self, command: Command, along: list[Command]) -> Generator[Any, Any, Any]:
        return (yield from self._send_all(command, along))[0]

    def _send_all(self, command: Command, along: list[Command]) -> Generator[Any, Any, list[Any]]:
        """Send a write and what goes along in one round trip; give all replies.

        Raises:
            Exception: the write's own failure.
        """
        if not along:
            return [(yield command)]
        replies: list[Any] = yield [command, *along]
        if isinstance(replies[0], Exception):
            raise replies[0]
        for sent, reply in zip(along, replies[1:], strict=True):
            if sent.spec.is_read:
                continue
            failed = isinstance(reply, Exception)
            finding = Finding(sent.name.lower(), "failed" if failed else "sent", command.name)
            self._judge.notices.note(command, finding)
            if failed:
                key = command.keys[0] if command.keys else b""
                text = f"{sent.name}, sent along, failed: {reply}"
                self._judge.notices.warn(key, finding, text)
        return replies

    def _learn(
        self,
        command: Command,
        growth: Growth,
        key: bytes,
        limit: Limit,
        added: int,
        reply: Any,
        asked: Any,
    ) -> None:
        """Note what a reply tells about the size of its key."""
        exact = asked if isinstance(asked, int) else None
        if growth.told == "size":
            exact = reply if isinstance(reply, int) and reply >= 0 else None
            # Far from the limit it is not worth a place in memory: the next reply tells it again.
            if exact is not None and exact <= limit.lowest * _SPARSE_BELOW:
                if self._sizes.get(key) is not None:
                    self._sizes.forget(key)
                return
        if exact is not None:
            self._sizes.put(key, exact)
            self._judge.report(limit, key, command, exact)
        elif isinstance(asked, Exception) or growth.told == "size":
            return
        elif growth.told == "added" and isinstance(reply, int):
            if reply:
                self._sizes.add(key, reply)
        else:
            self._sizes.add(key, added)


def _returned(reply: Any) -> Any:
    """The reply of a write as a flow returns it: among several replies nil came as ``None``."""
    return NIL if reply is None else reply
