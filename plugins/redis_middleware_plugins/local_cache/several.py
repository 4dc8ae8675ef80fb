"""Reads of several keys: MGET, which shares entries with GET."""

from __future__ import annotations

from redis.exceptions import DataError

from redis_middleware import Command, Flow
from redis_middleware_plugins.local_cache.parts import Part
from redis_middleware_plugins.local_cache.reads import Reads
from redis_middleware_plugins.local_cache.rules import Rule
from redis_middleware_plugins.local_cache.store import Store

__all__ = ["SeveralReads"]


class SeveralReads(Reads):
    """Reads, and those of several keys at once."""

    def _read_several(self, command: Command) -> Flow:
        """Answer an MGET with what is there, and ask for the rest."""
        args, options = command.args, command.options
        if not self._may_answer(command) or len(options) > ("keys" in options):
            return (yield command)
        try:
            keys = command.keys
        except DataError:
            return (yield command)
        store = self._store
        if self._clock() >= store.trusted_until and not (yield from self._regain_trust()):
            store.invalidate(keys)
        parts = [Part(argument, key) for argument, key in zip(args[1:], keys, strict=True)]
        for part in parts:
            self._look_up(part)
        missing = [part for part in parts if not part.is_known]
        if not missing:
            return [part.value for part in parts]
        for part in missing:
            self._take_off_part(store, part)
        asked = command
        if len(missing) < len(parts):
            rest = [part.argument for part in missing]
            asked = command.replace(args=("MGET", *rest), options={**options, "keys": rest})
        try:
            replies = yield asked
        except BaseException as error:
            for part in missing:
                if part.flight is not None:
                    self._give_up(store, part.flight, error)
            raise
        for part, reply in zip(missing, replies, strict=True):
            part.value = reply
            if part.rule is not None:
                self._keep_part(store, part, part.rule)
        return [part.value for part in parts]

    def _keep_part(self, store: Store, part: Part, rule: Rule) -> None:
        flight = part.flight
        if flight is None:
            store.invalidate([part.key])
            return
        # GET tells a key of another type by an error, MGET by nil: that nil is MGET's own.
        store.keep(flight, part.value, rule, part.name if part.value is None else None)
        if flight.lead is not None and self._middleware is not None:
            if part.value is None:
                self._middleware.once.abandon(*flight.lead)
            else:
                self._publish(flight, part.value)

    def _look_up(self, part: Part) -> None:
        part.rule = rule = self._rules.of(part.key)
        if rule is None or type(part.argument) not in (str, bytes):
            return
        entries = self._store.entries
        for name in (("GET", part.argument), part.name):
            entry = entries.get(name)
            if entry is not None and self._clock() < entry.as_is_until:
                rule.counts.hits += 1
                self._used.append(name)
                part.is_known, part.value = True, entry.value
                return

    def _take_off_part(self, store: Store, part: Part) -> None:
        rule = part.rule
        if rule is None or type(part.argument) not in (str, bytes):
            return
        rule.counts.misses += 1
        if self._is_tracking:
            # The server remembers the reads of a connection; MGET is sent as it is.
            return
        flight, leads = self._take_off(store, ("GET", part.argument), part.key, rule)
        part.flight = flight if leads else None
