"""Renewing entries in the background, shortly before or after their end."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from redis.exceptions import RedisError

from redis_middleware import Call, Command, Flow
from redis_middleware_plugins.local_cache.cache import Cache
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.tracked import NotTrackedError, read_tracked
from redis_middleware_plugins.local_cache.waking import Wakeup

__all__ = ["Renewals"]

_RENEWED_TOGETHER: Final = 64


class Renewals:
    """What is to be renewed, and the background flow that does it.

    Args:
        cache: what the flows share.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.forget()

    def forget(self) -> None:
        """Renew nothing of what was asked for."""
        self._wanted: deque[tuple[Command, Entry]] = deque()
        self._wakeup = Wakeup()

    def ask_for(self, command: Command, entry: Entry) -> None:
        """Have an entry renewed, once, by the command that it answered."""
        if not entry.is_refreshing:
            entry.is_refreshing = True
            self._wanted.append((command.replace(), entry))
            self._wakeup.set()

    @property
    def are_wanted(self) -> bool:
        """Whether a rule asks for them."""
        rules = self._cache.rules
        return any(rule.refresh_ahead or rule.stale_while_revalidate for rule in rules)

    def renew(self) -> Flow:
        """The background flow."""
        while True:
            yield Call(lambda: self._wakeup.wait(), lambda: self._wakeup.wait_async())
            while self._wanted:
                yield from self._renew_some()

    def _renew_some(self) -> Flow:
        cache = self._cache
        store = cache.store
        taken: list[tuple[Command, Entry, Entry]] = []
        while self._wanted and len(taken) < _RENEWED_TOGETHER:
            command, entry = self._wanted.popleft()
            flight, leads = cache.take_off(store, entry.name, entry.key, entry.rule)
            if flight is not None and leads:
                taken.append((command, entry, flight))
            else:
                entry.is_refreshing = False
        if not taken:
            return
        commands = [command for command, _, _ in taken]
        try:
            replies = yield from self._read_again(commands)
        except BaseException as error:
            for _, entry, flight in taken:
                entry.is_refreshing = False
                cache.give_up(store, flight, error)
            raise
        for (_, entry, flight), reply in zip(taken, replies, strict=True):
            entry.is_refreshing = False
            if isinstance(reply, Exception):
                cache.give_up(store, flight, reply)
                continue
            entry.counts.refreshes += 1
            store.keep(flight, reply)
            cache.publish(flight, reply)

    def _read_again(self, commands: list[Command]) -> Flow:
        if not self._cache.is_tracking:
            return (yield commands)
        replies: list[Any] = []
        for command in commands:
            try:
                replies.append((yield from read_tracked(command, self._cache.listener)))
            except (RedisError, NotTrackedError) as error:
                replies.append(error)
        return replies
