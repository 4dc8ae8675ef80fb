"""slow_log: logs the commands that took long, and keeps the latest of them.

::

    plugins = ["slow_log"]

    [slow_log]
    threshold = "10 ms"

    [slow_log.thresholds]
    HGETALL = "50 ms"

It logs to the logger ``redis_middleware.slow_log``, at level WARNING, and code reads the entries
with ``middleware_of(client).plugins["slow_log"].entries()``. Names, keys, sizes, durations, servers
and the types of errors are noted; values, and messages of errors, which may hold values, never are.

Its place in the list of plugins decides what it measures: outermost, what the application waits
for, with all that the other plugins do; innermost, what redis-py and the server take. A pipeline is
measured as a whole, because its commands share one round trip.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import DataError

from redis_middleware import Batch, Command, Flow, Place, hookimpl
from redis_middleware.commands import CommandSpec
from redis_middleware.key_display import key_display
from redis_middleware.sizes import arguments_size, size_of
from redis_middleware_plugins.slow_log.entries import SlowEntries, SlowEntry
from redis_middleware_plugins.slow_log.settings import SlowLogSettings
from redis_middleware_plugins.slow_log.thresholds import Thresholds

__all__ = ["SlowEntry", "SlowLog", "SlowLogSettings"]

logger = logging.getLogger("redis_middleware.slow_log")

_KEYS_SHOWN = 8


class SlowLog:
    """Logs commands slower than a threshold and keeps the latest of them, without any values.

    Args:
        settings: the table ``[slow_log]``.
        clock: seconds from any fixed point, for durations.
        wall_clock: seconds since 1970, for the time of entries.
        random_bytes: gives so many random bytes, for hashes of keys without a secret of their own.
    """

    Settings = SlowLogSettings
    observes = True

    def __init__(
        self,
        settings: SlowLogSettings,
        *,
        clock: Callable[[], float] = time.perf_counter,
        wall_clock: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._random_secret = random_bytes(32)
        self._entries = SlowEntries(settings.keep)
        self.reconfigure(settings)

    def reconfigure(self, settings: SlowLogSettings) -> None:
        """Use other settings from now on; the entries stay, as many as are to be kept."""
        self._thresholds = Thresholds(
            settings.threshold, settings.batch_threshold, settings.thresholds
        )
        secret = settings.hash_secret
        self._show_key = key_display(
            settings.keys,
            self._random_secret if secret is None else secret.get_secret_value().encode(),
        )
        self._keep = settings.keep
        self._entries.resize(settings.keep)

    def after_fork(self) -> None:
        """Begin with no entries in a process that was forked off."""
        self._entries = SlowEntries(self._keep)

    def entries(self) -> tuple[SlowEntry, ...]:
        """The latest slow commands, the oldest first."""
        return self._entries.all()

    @property
    def total(self) -> int:
        """How many slow commands there have been, those that are not kept any more included."""
        return self._entries.total

    def clear(self) -> None:
        """Forget the entries."""
        self._entries.clear()

    def wants(self, spec: CommandSpec) -> bool:
        """All commands but those that wait on purpose and have no threshold of their own."""
        return self._thresholds.may_apply(spec)

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Measure a command that is sent by itself."""
        if command.place is Place.PIPELINE or command.place is Place.TRANSACTION:
            return (yield command)
        start = self._clock()
        try:
            reply = yield command
        except BaseException as error:
            self._end_command(command, start, error)
            raise
        self._end_command(command, start, reply)
        return reply

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Measure a pipeline or transaction as a whole."""
        start = self._clock()
        try:
            replies = yield batch
        except BaseException as error:
            self._end_batch(batch, start, error)
            raise
        self._end_batch(batch, start, replies)
        return replies

    def _end_command(self, command: Command, start: float, outcome: Any) -> None:
        duration = self._clock() - start
        if duration >= self._thresholds.lowest:
            threshold = self._thresholds.of_command(command)
            if duration >= threshold:
                self._note(command.name, (command,), duration, threshold, outcome)

    def _end_batch(self, batch: Batch, start: float, outcome: Any) -> None:
        duration = self._clock() - start
        if duration >= self._thresholds.batch:
            transaction = batch.place is Place.TRANSACTION
            threshold = self._thresholds.of_batch(batch.commands, transaction=transaction)
            if duration >= threshold:
                name = batch.place.name
                self._note(name, batch.commands, duration, threshold, outcome)

    def _note(
        self,
        name: str,
        commands: Sequence[Command],
        duration: float,
        threshold: float,
        outcome: Any,
    ) -> None:
        if isinstance(outcome, DataError | GeneratorExit):
            # redis-py refused the arguments, or another plugin the batch: nothing was sent.
            return
        keys = list(dict.fromkeys(key for command in commands for key in command.keys))
        entry = SlowEntry(
            at=datetime.fromtimestamp(self._wall_clock() - duration, UTC),
            name=name,
            commands=dict(Counter(command.name for command in commands)),
            keys=tuple(map(self._show_key, keys[:_KEYS_SHOWN])) if self._show_key else (),
            key_count=len(keys),
            arguments_size=sum(arguments_size(command.wire) for command in commands),
            reply_size=None if isinstance(outcome, BaseException) else size_of(outcome),
            duration=duration,
            threshold=threshold,
            servers=_servers(commands),
            place=commands[0].place.value,
            errors=_errors(outcome),
        )
        self._entries.add(entry)
        if logger.isEnabledFor(logging.WARNING):
            logger.warning("%s", entry, extra={"slow_log": entry.as_dict()})


def _servers(commands: Sequence[Command]) -> tuple[str, ...]:
    client = commands[0].client
    addresses = map(client.address_of, commands if client.spans_nodes else commands[:1])
    return tuple(map(str, dict.fromkeys(address for address in addresses if address is not None)))


def _errors(outcome: Any) -> dict[str, int]:
    if isinstance(outcome, BaseException):
        return {type(outcome).__name__: 1}
    replies = outcome if isinstance(outcome, list) else []
    return dict(Counter(type(reply).__name__ for reply in replies if isinstance(reply, Exception)))
