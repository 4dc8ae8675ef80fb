"""A process's part in the fleet: it tells its statistics, one merges them, all read the result."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, Final

from redis_middleware import ClientView, Sleep
from redis_middleware_plugins.key_access.fleet_keys import FleetKeys
from redis_middleware_plugins.key_access.fleet_link import FleetLink
from redis_middleware_plugins.key_access.fleet_merge import FleetMerge
from redis_middleware_plugins.key_access.fleet_payload import Payload, decode, encode, in_form
from redis_middleware_plugins.key_access.hot import HotKey, HotKeyEvent, Thresholds
from redis_middleware_plugins.key_access.report import FleetStatus
from redis_middleware_plugins.key_access.settings import KeyAccessSettings
from redis_middleware_plugins.key_access.summary import Summary
from redis_middleware_plugins.key_access.tracker import Tracker

__all__ = ["Fleet"]

logger = logging.getLogger("redis_middleware.key_access")

_LIMIT: Final = 100
_REGISTERED_EVERY: Final = 30.0
_Steps = Generator[Any, Any, Any]


class Fleet:
    """Tells, merges and reads, all in the background; what goes wrong is counted and dropped.

    Args:
        settings: the table ``[key_access]``.
        tracker: what this process counts.
        clock: seconds from any fixed point.
        wall_clock: seconds since 1970.
        random: gives numbers from 0 up to, but not including, 1.
    """

    def __init__(
        self,
        settings: KeyAccessSettings,
        tracker: Tracker,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._tracker = tracker
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = random
        self._keys = FleetKeys(settings.fleet.prefix)
        self._every = settings.fleet.every
        self._lifetime = round(max(3 * self._every, 3.0) * 1000)
        self._is_over = False
        self.forget()
        self._join()

    def forget(self) -> None:
        """Know of no hot keys until the fleet tells of some."""
        self.hot: dict[bytes, HotKey] = {}

    def leave(self) -> None:
        """End the background work, for good, with its next round."""
        self._is_over = True

    def _join(self) -> None:
        random_part = int(self._random() * 16**8)
        self._member = f"{socket.gethostname()}:{os.getpid()}:{random_part:08x}"
        self._number = self._sent = self._dropped = self._members = 0
        self._told: Summary | None = None
        self._merge: FleetMerge | None = None
        self._last_merged = self._last_registered = -1e9
        self._is_failing = False

    @property
    def status(self) -> FleetStatus:
        """How sharing goes."""
        return FleetStatus(
            member=self._member,
            sent=self._sent,
            dropped=self._dropped,
            leads=self._merge is not None,
            members=self._members,
        )

    def share(self, client: ClientView) -> _Steps:
        """The background work: tell, lead if need be, and read, again and again."""
        # Processes that start together shall not tell together; a forked one has a name of its own.
        self._join()
        self._last_merged = self._clock()
        link = FleetLink(client)
        try:
            yield Sleep(self._random() * self._every)
            while not self._is_over:
                began = self._clock()
                try:
                    yield from self._round(link)
                except Exception as error:
                    # Statistics are not worth a second try: the next ones are a second away.
                    self._drop(error)
                else:
                    self._sent += 1
                    self._is_failing = False
                yield Sleep(max(self._every - (self._clock() - began), 0.0))
        finally:
            link.close()

    def _round(self, link: FleetLink) -> _Steps:
        merged = yield from self._tell(link)
        if merged is None:
            yield from self._elect(link)
        if self._merge is not None:
            merged = yield from self._lead(link, self._merge)
        self._read(merged)

    def _drop(self, error: Exception) -> None:
        self._dropped += 1
        if not self._is_failing:
            self._is_failing = True
            logger.warning(
                "statistics of keys could not be shared, and are dropped until they can be: %s: %s",
                type(error).__name__,
                error,
            )

    def _tell(self, link: FleetLink) -> _Steps:
        fleet, tracker = self._settings.fleet, self._tracker
        tracker.advance()
        commands: list[tuple[Any, ...]] = [("GET", self._keys.merged_for(self._member))]
        step = tracker.last_step
        if step is not None:
            # A step that was told already keeps its number, by which others know it.
            self._number += step is not self._told
            self._told = step
            payload = Payload(
                self._member,
                self._number,
                self._settings.keys,
                in_form(step.top(fleet.keys), tracker.form),
                tracker.parts(),
            )
            key = self._keys.of_member(self._member)
            commands.append(("SET", key, encode(payload), "PX", self._lifetime))
        now = self._clock()
        registers = now - self._last_registered >= _REGISTERED_EVERY
        if registers:
            bucket = self._keys.bucket_of(self._member)
            seconds = round(3 * _REGISTERED_EVERY)
            commands += [("SADD", bucket, self._member), ("EXPIRE", bucket, seconds)]
        replies = yield link.send(commands)
        if registers:
            self._last_registered = now
        return replies[0]

    def _elect(self, link: FleetLink) -> _Steps:
        """Lead, if nobody has merged for as long as what is merged lives."""
        if self._merge is not None or self._clock() - self._last_merged < self._lifetime / 1000:
            return
        lead = ("SET", self._keys.leader, self._member, "NX", "PX", self._lifetime)
        (won,) = yield link.send([lead])
        if won:
            settings = self._settings
            self._merge = FleetMerge(
                min(settings.windows),
                Thresholds(**settings.hot.model_dump()),
                self._tracker.node_of,
                self._wall_clock,
            )

    def _lead(self, link: FleetLink, merge: FleetMerge) -> _Steps:
        keys = self._keys
        leader, *buckets = yield link.send(
            [("GET", keys.leader), *[("SMEMBERS", bucket) for bucket in keys.buckets]],
        )
        if _text(leader) != self._member:
            self._merge = None
            return None
        members = sorted({_text(member) for bucket in buckets for member in bucket})
        replies = yield link.send([("GET", keys.of_member(name)) for name in members])
        payloads = []
        for name, raw in zip(members, replies, strict=True):
            if raw is None:
                continue
            try:
                payloads.append(decode(_bytes(raw)))
            except ValueError as error:
                self._dropped += 1
                logger.debug("the statistics of %s are left out: %s", name, error)
        merge.add(payloads, self._clock())
        status = replace(self.status, members=len(payloads))
        merged = merge.report(_LIMIT, status).to_json()
        yield link.send(
            [
                ("PEXPIRE", keys.leader, self._lifetime),
                *[("SET", copy, merged, "PX", self._lifetime) for copy in keys.merged],
            ],
        )
        return merged

    def _read(self, merged: Any) -> None:
        """Learn which of this process's keys are hot in the whole fleet."""
        if merged is None:
            return
        self._last_merged = self._clock()
        report = json.loads(merged)
        self._members = int(report["fleet"]["members"])
        hot = {str(key["name"]): key for key in report["hot"]}
        names = self._tracker.known_names() if hot or self.hot else {}
        now_hot = {
            key: self._tracker.fleet_hot_key(key, hot[name])
            for key, name in names.items()
            if name in hot
        }
        changes = [("became hot", now_hot[key]) for key in now_hot.keys() - self.hot.keys()]
        changes += [("cooled down", self.hot[key]) for key in self.hot.keys() - now_hot.keys()]
        self.hot = now_hot
        at = self._wall_clock()
        self._tracker.subscribers.tell(
            [HotKeyEvent(change, key, at) for change, key in changes]  # type: ignore[arg-type]
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
