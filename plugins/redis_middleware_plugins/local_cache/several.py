"""Reads of several keys: MGET, which shares entries with GET."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import DataError

from redis_middleware import Command, Flow
from redis_middleware_plugins.local_cache.cache import Cache
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.rules import Rule
from redis_middleware_plugins.local_cache.store import Store
from redis_middleware_plugins.local_cache.tracked import NotTrackedError, read_tracked

__all__ = ["SeveralReads"]


class _Part:
    """One key of an MGET.

    Attributes:
        argument: the key as the application gave it.
        key: the key on the wire.
        name: what a reply is kept under, by GET too.
        nil_name: what nil is kept under, by MGET alone.
        rule: the rule for it.
        is_known: whether its value was in memory.
        value: its value.
        flight: the flight of its read.
    """

    __slots__ = ("argument", "flight", "is_known", "key", "name", "nil_name", "rule", "value")

    def __init__(self, argument: Any, key: bytes) -> None:
        self.argument = argument
        self.key = key
        self.name = ("GET", argument)
        # GET tells a key of another type by an error, MGET by nil: that nil is MGET's own.
        self.nil_name = ("nil of MGET", argument)
        self.rule: Rule | None = None
        self.is_known = False
        self.value: Any = None
        self.flight: Entry | None = None


class SeveralReads:
    """The flow of reads of several keys.

    Args:
        cache: what the flows share.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def around(self, command: Command) -> Flow | None:
        """The flow around an MGET; ``None`` where nothing of it may be in memory."""
        cache, options = self._cache, command.options
        if not cache.may_answer(command) or len(options) > ("keys" in options):
            return None
        if any(command.client.has_callback(name) for name in ("GET", "MGET")):
            # Then the values of the one are not those of the other.
            return None
        try:
            keys = command.keys
        except (DataError, UnicodeError):
            # redis-py refuses such a key, and tells the application.
            return None
        rule_of = cache.rules.of
        if all(rule_of(key) is None for key in keys):
            return None
        return self._read(command, keys)

    def _read(self, command: Command, keys: Sequence[bytes]) -> Flow:
        """Answer with what is there, and ask for the rest."""
        cache = self._cache
        args, store = command.args, cache.store
        is_trusted = yield from cache.regain_trust()
        parts = [_Part(argument, key) for argument, key in zip(args[1:], keys, strict=True)]
        for part in parts:
            self._look_up(store, part, is_trusted=is_trusted)
        missing = [part for part in parts if not part.is_known]
        if missing:
            yield from self._ask(command, store, missing, is_all=len(missing) == len(parts))
        return [part.value for part in parts]

    def _look_up(self, store: Store, part: _Part, *, is_trusted: bool) -> None:
        rule = self._cache.rules.of(part.key)
        if rule is None or type(part.argument) not in (str, bytes):
            return
        part.rule = rule
        for name in (part.name, part.nil_name) if is_trusted else ():
            entry = store.entries.get(name)
            if entry is not None and self._cache.clock() < entry.as_is_until:
                rule.counts.hits += 1
                store.used.append(name)
                part.is_known = True
                part.value = entry.answer.reply
                return
        rule.counts.misses += 1

    def _ask(self, command: Command, store: Store, missing: list[_Part], *, is_all: bool) -> Flow:
        cache = self._cache
        asked = command
        if not is_all:
            rest = [part.argument for part in missing]
            asked = command.replace(args=("MGET", *rest), options={**command.options, "keys": rest})
        is_kept = True
        cache.look_around()
        # Others may come to wait for each part: however it ends, they are told.
        try:
            self._take_off(store, missing)
            try:
                if cache.is_tracking:
                    replies = yield from read_tracked(asked, cache.listener)
                else:
                    replies = yield asked
            except NotTrackedError as unkept:
                replies, is_kept = unkept.reply, False
            for part, reply in zip(missing, replies, strict=True):
                part.value = reply
                if part.rule is not None:
                    self._keep(store, part, is_kept=is_kept)
        except BaseException as error:
            for part in missing:
                if part.flight is not None:
                    cache.give_up(store, part.flight, error)
            raise

    def _take_off(self, store: Store, missing: list[_Part]) -> None:
        names = set()
        for part in missing:
            if part.rule is None:
                continue
            if part.name in names:
                # It is kept by the first part of that name.
                part.rule = None
                continue
            names.add(part.name)
            flight, leads = self._cache.take_off(store, part.name, part.key, part.rule)
            part.flight = flight if leads else None

    def _keep(self, store: Store, part: _Part, *, is_kept: bool) -> None:
        flight = part.flight
        if flight is None or not is_kept:
            if flight is not None:
                store.end(flight)
            store.invalidate([part.key])
        else:
            store.keep(flight, part.value, part.nil_name if part.value is None else None)
        if flight is not None:
            if part.value is None:
                self._cache.abandon(flight)
            else:
                self._cache.publish(flight, part.value)
