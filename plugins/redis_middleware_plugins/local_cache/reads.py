"""Reads of one key that are not answered at once: sent and kept, or looked at more closely."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from redis.exceptions import AuthenticationError, AuthorizationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_middleware import NIL, Command, Flow, Once, Place
from redis_middleware.notes import CACHE, note_answer, note_cache
from redis_middleware_plugins.local_cache.cache import NAME, Cache
from redis_middleware_plugins.local_cache.cacheable import identity
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.renewing import Renewals
from redis_middleware_plugins.local_cache.rules import Rule
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.tracked import NotTrackedError, read_tracked

__all__ = ["Reads"]

_UNREACHABLE: Final = (RedisConnectionError, RedisTimeoutError)
# redis-py counts these among the former, although a server that refuses somebody was reached.
_REFUSING: Final = (AuthenticationError, AuthorizationError)


class Reads:
    """The flows of reads of one key.

    Args:
        cache: what the flows share.
        renewals: who renews entries in the background.
    """

    def __init__(self, cache: Cache, renewals: Renewals) -> None:
        self._cache = cache
        self._renewals = renewals

    def fetch(self, command: Command, key: bytes, rule: Rule, entry: Entry | None) -> Flow:
        """Send an ordinary read and keep its reply, at little more than the cost of sending.

        Args:
            command: a command whose arguments are the name of its reply.
            key: its key.
            rule: the rule of the key.
            entry: what is kept under that name.
        """
        cache = self._cache
        store = cache.store
        now = cache.clock()
        flight = None
        if now < store.trusted_until and (entry is None or now >= entry.ends):
            flight = store.begin(command.args, key, rule)
        if flight is None:
            return (yield from self.read(command, key, rule))
        # Others may come to wait for it: however it ends, they are told.
        try:
            rule.counts.misses += 1
            middleware = cache.middleware
            if middleware is not None and middleware.pipeline is not cache.pipeline:
                cache.look_around()
            if cache.is_watched:
                note_cache(command, "miss")
            reply = yield command
            store.keep(flight, reply)
            if flight.lead is not None:
                cache.publish(flight, reply)
        except BaseException as error:
            cache.give_up(store, flight, error)
            raise
        return reply

    def read(self, command: Command, key: bytes, rule: Rule) -> Flow:
        """Answer any read, or send it, and keep its reply where that is allowed."""
        cache = self._cache
        store = cache.store
        cache.look_around()
        name = identity(command) if cache.may_answer(command) else None
        if name is None:
            if cache.is_watched:
                note_cache(command, "bypass")
            return (yield from _read_past(command, store, key))
        if (yield from cache.regain_trust()):
            entry = store.entries.get(name)
            if entry is not None and self._serves(entry, command):
                return entry.handed_out()
        rule.counts.misses += 1
        flight, leads = cache.take_off(store, name, key, rule)
        try:
            if cache.is_watched:
                note_cache(command, "bypass" if flight is None else "miss")
            if flight is None:
                return (yield from _read_past(command, store, key))
            if not leads and command.place is Place.PIPELINE:
                return (yield from _read_beside(command, store, flight))
            if not leads:
                return (yield from _follow(command, store, flight))
            if cache.is_tracking:
                reply = yield from read_tracked(command, cache.listener)
            else:
                reply = yield command
            store.keep(flight, reply)
            cache.publish(flight, reply)
        except NotTrackedError as unkept:
            assert flight is not None
            store.end(flight)
            store.invalidate([key])
            cache.publish(flight, unkept.reply)
            return NIL if unkept.reply is None else unkept.reply
        except BaseException as error:
            if flight is not None and leads:
                cache.give_up(store, flight, error)
            stale = self._for_error(store, name, error, command)
            if stale is None:
                raise
            return stale.handed_out()
        return NIL if reply is None else reply

    def _serves(self, entry: Entry, command: Command) -> bool:
        """Whether an entry may be handed out now; has it renewed where that is due."""
        cache = self._cache
        now = cache.clock()
        rule = entry.rule
        if now >= entry.as_is_until:
            if entry.is_for_errors or now >= entry.expires + rule.stale_while_revalidate:
                if now >= entry.ends:
                    cache.store.drop(entry)
                return False
            if now >= entry.expires:
                rule.counts.stale_hits += 1
                note_cache(command, "stale")
            self._renewals.ask_for(command, entry)
        rule.counts.hits += 1
        cache.store.used.append(entry.name)
        if cache.is_watched:
            note_answer(command, NAME)
            command.notes.setdefault(CACHE, "hit")
        return True

    def _for_error(
        self, store: Store, name: Hashable, error: BaseException, command: Command
    ) -> Entry | None:
        """The entry that stands in for the server that could not be reached, if there is one."""
        entry = store.entries.get(name)
        if (
            not isinstance(error, _UNREACHABLE)
            or isinstance(error, _REFUSING)
            or entry is None
            or not entry.rule.stale_if_error
            or self._cache.clock() >= entry.expires + entry.rule.stale_if_error
        ):
            return None
        entry.rule.counts.served_on_error += 1
        note_answer(command, NAME)
        note_cache(command, "stale")
        return entry


def _read_past(command: Command, store: Store, key: bytes) -> Flow:
    """Read from the server past the cache; what is in memory may be older than the reply."""
    reply = yield command
    store.invalidate([key])
    return reply


def _read_beside(command: Command, store: Store, flight: Entry) -> Flow:
    """Read what another caller reads too, without waiting for that one.

    In a pipeline it could be given what another connection read after a write of the pipeline's own
    that comes behind it: the reply of GET and DEL would be nil.
    """
    reply = yield command
    if store.entries.get(flight.name) is not flight or flight.answer.reply != reply:
        store.invalidate([flight.key])
    return reply


def _follow(command: Command, store: Store, flight: Entry) -> Flow:
    """Share the reply of another caller's read."""
    lead = flight.lead
    reply = yield Once(flight, command)
    outcome = None if lead is None else lead[1]
    if (
        outcome is None
        or not outcome.done()
        or not outcome.followers
        or outcome.exception() is not None
        or outcome.result() != reply
    ):
        # The other one had ended in the meantime, and this was a read of its own.
        store.invalidate([flight.key])
    return reply
