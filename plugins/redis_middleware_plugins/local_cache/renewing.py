"""Renewing entries in the background, shortly before or after their end."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import RedisError

from redis_middleware import Call, Command, Flow
from redis_middleware_plugins.local_cache.several import SeveralReads
from redis_middleware_plugins.local_cache.store import Entry, Flight
from redis_middleware_plugins.local_cache.tracked import NotTrackedError

__all__ = ["Renewals"]

_RENEWED_TOGETHER: Final = 64


class Renewals(SeveralReads):
    """Reads whose entries are renewed beside them."""

    def _ensure_renewals(self) -> None:
        wanted = any(rule.refresh_ahead or rule.stale_while_revalidate for rule in self._rules)
        if wanted and not self._renews and self._middleware is not None:
            self._renews = True
            self._middleware.run_in_background(self.renew)

    def renew(self) -> Flow:
        """The background flow that renews entries which are about to end, or just have."""
        while True:
            yield Call(lambda: self._wakeup.wait(), lambda: self._wakeup.wait_async())
            while self._renewals:
                yield from self._renew_some()

    def _renew_some(self) -> Flow:
        store = self._store
        taken: list[tuple[Command, Entry, Flight]] = []
        while self._renewals and len(taken) < _RENEWED_TOGETHER:
            command, entry = self._renewals.popleft()
            flight, leads = self._take_off(store, entry.name, entry.key, entry.rule)
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
                self._give_up(store, flight, error)
            raise
        for (_, entry, flight), reply in zip(taken, replies, strict=True):
            entry.is_refreshing = False
            if isinstance(reply, Exception):
                self._give_up(store, flight, reply)
                continue
            entry.rule.counts.refreshes += 1
            store.keep(flight, reply, entry.rule)
            if flight.lead is not None:
                self._publish(flight, reply)

    def _read_again(self, commands: list[Command]) -> Flow:
        if not self._is_tracking:
            return (yield commands)
        replies: list[Any] = []
        for command in commands:
            try:
                replies.append((yield from self._read_tracked(command)))
            except (RedisError, NotTrackedError) as error:
                replies.append(error)
        return replies
