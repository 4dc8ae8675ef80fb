"""Reads sent to the new side too, and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from redis_middleware import Command
from redis_middleware.command import Place
from redis_middleware.commands import spec_of
from redis_middleware.flow import Flow, Sleep
from redis_middleware.testing import command
from redis_middleware_plugins.slot_routing.mirroring import Mirror, MirrorSettings, may_mirror


class Sides:
    """A mirror between two sides that answer as the test says, and what was sent to them.

    Each answer is a function from the number of the question to that side, from 0, to the reply.
    """

    def __init__(
        self,
        old: Callable[[int], Any] = lambda number: b"v",
        new: Callable[[int], Any] = lambda number: b"v",
        **settings: Any,
    ) -> None:
        self.mirror = Mirror(
            MirrorSettings.model_validate({"percent": 100, **settings}), random=lambda: 0.5
        )
        self.sent: list[tuple[str, tuple[Any, ...]]] = []
        self._answers = {"old": old, "new": new}

    def _side(self, name: str) -> Callable[[Command], Flow]:
        def send(sent: Command) -> Flow:
            number = sum(side == name for side, _ in self.sent)
            self.sent.append((name, sent.args))
            reply = self._answers[name](number)
            if isinstance(reply, Exception):
                raise reply
            return reply
            yield

        return send

    def compare(self) -> dict[str, int]:
        """Compare all that waits; the counts that are not 0."""
        flow = self.mirror.work(self._side("new"), self._side("old"))
        assert isinstance(next(flow), Sleep)
        flow.close()
        return {outcome: count for outcome, count in self.mirror.counts.items() if count}


def test_equal_replies_are_counted_as_the_same() -> None:
    """The new side is asked once, the old one not again."""
    sides = Sides()
    sides.mirror.offer(command("GET", "k"), b"v")
    assert sides.mirror.waiting == 1
    assert sides.compare() == {"same": 1}
    assert sides.sent == [("new", ("GET", "k"))]


def test_what_differs_twice_is_different() -> None:
    """The last ones can be looked at: command and keys, not values."""
    sides = Sides(new=lambda number: b"other")
    sides.mirror.offer(command("GET", "k"), b"v")
    assert sides.compare() == {"different": 1}
    (difference,) = sides.mirror.differences
    assert difference.command == "GET"
    assert difference.keys == (b"k",)


def test_what_was_written_in_between_is_not_different() -> None:
    """Both sides are read again, and then agree."""
    sides = Sides(old=lambda number: b"newer", new=lambda number: b"newer")
    sides.mirror.offer(command("GET", "k"), b"older")
    assert sides.compare() == {"changed": 1}
    assert [side for side, _ in sides.sent] == ["new", "old", "new"]


@pytest.mark.parametrize("error", [ConnectionError("lost"), TimeoutError("too late")])
def test_failures_are_counted_and_reach_nobody(error: Exception) -> None:
    """The reads behind it are compared all the same."""
    sides = Sides(new=lambda number: error if number == 0 else b"v")
    for _ in range(3):
        sides.mirror.offer(command("GET", "k"), b"v")
    assert sides.compare() == {"failed": 1, "same": 2}


def test_a_full_queue_drops() -> None:
    """Nobody waits for the new side; what was dropped is counted."""
    sides = Sides(queue=3)
    for _ in range(10):
        sides.mirror.offer(command("GET", "k"), b"v")
    assert sides.mirror.waiting == 3
    assert sides.compare() == {"same": 3, "dropped": 7}


def test_the_percentage_decides_by_chance() -> None:
    """At 25% a draw of 0.2 is mirrored, one of 0.3 is not."""
    draws = [0.2, 0.3, 0.0, 0.99]
    mirror = Mirror(MirrorSettings(percent=25), random=lambda: draws.pop(0))
    for expected in (1, 1, 2, 2):
        mirror.offer(command("GET", "k"), b"v")
        assert mirror.waiting == expected
    none = Mirror(MirrorSettings(), random=lambda: 0.0)
    none.offer(command("GET", "k"), b"v")
    assert none.waiting == 0


def test_the_reply_is_compared_as_it_was() -> None:
    """The application may change the list that it got."""
    sides = Sides(new=lambda number: [b"a", b"b"])
    reply = [b"a", b"b"]
    sides.mirror.offer(command("LRANGE", "k", 0, -1), reply)
    reply.clear()
    assert sides.compare() == {"same": 1}


def test_order_counts_where_it_means_something() -> None:
    """The order of a list does, that of a hash's fields does not."""
    sides = Sides(new=lambda number: [b"b", b"a"])
    sides.mirror.offer(command("HKEYS", "k"), [b"a", b"b"])
    sides.mirror.offer(command("LRANGE", "k", 0, -1), [b"a", b"b"])
    sides._answers["old"] = lambda number: [b"a", b"b"]
    assert sides.compare() == {"same": 1, "different": 1}


@pytest.mark.parametrize(
    ("args", "reply", "place"),
    [
        (("SET", "k", "v"), True, Place.SINGLE),
        (("SRANDMEMBER", "k"), b"v", Place.SINGLE),
        (("TTL", "k"), 5, Place.SINGLE),
        (("XREAD", "BLOCK", 0, "STREAMS", "k", "$"), None, Place.SINGLE),
        (("GET", "k"), b"v", Place.TRANSACTION),
        (("GET", "k"), b"v", Place.PIPELINE),
        (("GET", "k"), b"v" * 70_000, Place.SINGLE),
        (("GET", "k"), ConnectionError("lost"), Place.SINGLE),
        (("PING",), True, Place.SINGLE),
    ],
)
def test_other_commands_are_not_mirrored(args: tuple[Any, ...], reply: Any, place: Place) -> None:
    """Writes, chance, time, what waits, transactions, pipelines, large replies, failures."""
    sides = Sides()
    sides.mirror.offer(command(*args, place=place), reply)
    assert sides.mirror.waiting == 0


def test_plain_reads_can_be_mirrored() -> None:
    """Of every type."""
    for name in ("GET", "MGET", "HGETALL", "ZRANGE", "SMEMBERS", "EXISTS", "XRANGE", "STRLEN"):
        assert may_mirror(spec_of(name)), name


def test_outcomes_are_metrics() -> None:
    """One reading for each, from the start."""
    sides = Sides()
    sides.mirror.offer(command("GET", "k"), b"v")
    sides.compare()
    reads, waiting = sides.mirror.metrics()
    found = {reading.attributes["outcome"]: reading.value for reading in reads.readings}
    assert found == {"same": 1, "different": 0, "changed": 0, "failed": 0, "dropped": 0}
    assert waiting.readings[0].value == 0
