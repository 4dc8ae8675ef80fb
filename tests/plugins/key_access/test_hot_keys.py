"""Windows, hot keys and events, by a clock that the tests move."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from redis_middleware.commands import key_slot
from redis_middleware.testing import FakeClock, Script
from redis_middleware_plugins.key_access import HotKeyEvent, KeyAccess, KeyAccessSettings


class Load:
    """Commands by the clock, through the plugin, without a server."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock(100.0)
        self.random = Random(3)
        self.plugin = KeyAccess(
            KeyAccessSettings(**settings),
            clock=self.clock,
            wall_clock=self.clock,
            random=self.random.random,
        )
        self.script = Script(self.plugin, clock=self.clock).answers(lambda command: b"value")
        self.events: list[HotKeyEvent] = []
        self.plugin.subscribe(self.events.append)

    def run(self, seconds: float, rate: float, hot_share: float = 0.0, keys: int = 1000) -> None:
        """Read random keys, and ``hot`` with its share; look as the background work does."""
        chance, run, choose = self.random.random, self.script.run, self.random.randrange
        steps = round(seconds * 4)
        for _ in range(steps):
            for _ in range(round(rate / 4)):
                run("GET", "hot" if chance() < hot_share else f"key:{choose(keys)}")
            self.script.run_in_background("watch", sleeps=1)

    @property
    def changes(self) -> list[tuple[str, bytes]]:
        """What the events told."""
        return [(event.change, event.hot_key.key) for event in self.events]


def test_a_key_that_jumps_to_5_percent_is_reported_within_a_second() -> None:
    """From nothing to 5% of 600 accesses a second, at any moment within a step: at most 1 s."""
    for offset in (0.25, 0.5, 0.75, 1.0):
        load = Load()
        load.run(5 + offset, 600)
        assert load.changes == []
        jumped = load.clock()
        load.run(2.0, 600, hot_share=0.05)
        assert load.changes == [("became hot", b"hot")], offset
        (event,) = load.events
        assert event.at - jumped <= 1.0
        assert event.hot_key.kind == "read"
        assert event.hot_key.slot == key_slot(b"hot")
        assert event.hot_key.node == "server.test:6379"


def test_a_hot_key_cools_down_after_the_window() -> None:
    """It stays hot through a pause shorter than the window, and has cooled down after one."""
    load = Load()
    load.run(5, 400, hot_share=0.2)
    load.run(5, 400)
    assert load.changes == [("became hot", b"hot")]
    assert set(load.plugin.hot_keys) == {b"hot"}
    load.run(8, 400)
    assert load.changes == [("became hot", b"hot"), ("cooled down", b"hot")]
    assert not load.plugin.hot_keys


def test_between_the_thresholds_nothing_changes() -> None:
    """A share between leaving and entering neither makes a key hot nor cools it down."""
    load = Load()
    load.run(8, 800, hot_share=0.012)
    assert load.changes == []
    load.run(3, 800, hot_share=0.2)
    load.run(12, 800, hot_share=0.015)
    assert load.changes == [("became hot", b"hot")]


def test_all_hot_keys_cool_down_when_the_traffic_ends() -> None:
    """No commands at all: the background work alone notices that it is over."""
    load = Load()
    load.run(3, 400, hot_share=0.3)
    assert load.changes == [("became hot", b"hot")]
    for _ in range(60):
        load.script.run_in_background("watch", sleeps=1)
    assert load.changes[1:] == [("cooled down", b"hot")]


def test_an_absolute_rate_makes_a_key_hot() -> None:
    """A key of two can be hot by its accesses per second alone."""
    load = Load(hot={"rate": 100})
    load.run(3, 400, hot_share=0.9, keys=1)
    assert ("became hot", b"hot") in load.changes


@pytest.mark.parametrize("keys", [50, 600])
def test_uniform_loads_raise_no_alarm(keys: int) -> None:
    """A minute of random keys, few or many: none is ever called hot."""
    load = Load()
    load.run(60, 200, keys=keys)
    assert load.changes == []


def test_windows_slide() -> None:
    """What was hot a minute ago is in the long window and not in the short one."""
    load = Load()
    load.run(5, 100, hot_share=1.0)
    load.run(30, 100)
    short, long = load.plugin.report().windows
    assert (short.length, long.length) == (10.0, 300.0)
    assert 10 <= short.seconds <= 12
    assert 34 <= long.seconds <= 36
    assert b"hot" not in {key.key for key in short.keys}
    assert long.keys[0].key == b"hot"
    assert long.keys[0].accesses.estimate == 500
    assert long.accesses == 3500


def test_errors_of_subscribers_reach_nobody() -> None:
    """One that raises is counted; the others and the commands go on; unsubscribing works."""
    load = Load()

    def fail(event: HotKeyEvent) -> None:
        raise RuntimeError("broken")

    end = load.plugin.subscribe(fail)
    load.run(3, 400, hot_share=0.3)
    assert load.changes == [("became hot", b"hot")]
    assert load.plugin.report().bugs == 1
    end()
    end()
    load.run(13, 400)
    assert load.plugin.report().bugs == 1


def test_sampling_finds_the_hot_key_and_reports_its_error() -> None:
    """One in ten: rates are near, bounds hold them and tell how far off they may be."""
    load = Load(sampling=10)
    load.run(12, 2000, hot_share=0.1)
    assert load.changes == [("became hot", b"hot")]
    window = load.plugin.report().windows[0]
    assert window.sampling == 10
    assert window.rate == pytest.approx(2000, rel=0.15)
    top = window.keys[0]
    assert top.key == b"hot"
    assert top.rate.lower < 200 < top.rate.upper
    assert top.rate.upper - top.rate.lower > 20


def test_adaptive_sampling_settles() -> None:
    """With more commands than are to be counted, some are passed over, and totals stay right."""
    load = Load(sampling="adaptive", samples_per_second=100)
    load.run(15, 2000, hot_share=0.1)
    window = load.plugin.report().windows[0]
    assert 10 <= window.sampling <= 40
    assert window.rate == pytest.approx(2000, rel=0.25)


def test_hot_keys_of_a_plugin_that_is_taken_out_are_not_hot() -> None:
    """Nobody would tell of their cooling; put back, it finds and tells them anew."""
    load = Load()
    load.run(3, 400, hot_share=0.3)
    load.script.middleware.remove("key_access")
    assert load.changes == [("became hot", b"hot"), ("cooled down", b"hot")]
    assert not load.plugin.hot_keys
    load.script.middleware.add(load.plugin)
    load.run(3, 400, hot_share=0.3)
    assert load.changes[2:] == [("became hot", b"hot")]


def test_nobody_is_told_when_the_client_ends() -> None:
    """Then subscribers may have ended already, and it may be the garbage collector who ends it."""
    load = Load()
    load.run(3, 400, hot_share=0.3)
    load.script.close()
    assert load.changes == [("became hot", b"hot")]


def test_in_a_forked_process_nothing_is_hot_yet() -> None:
    """Subscribers are told so with the next look, and of what becomes hot there."""
    load = Load()
    load.run(3, 400, hot_share=0.3)
    load.plugin.after_fork()
    assert load.changes == [("became hot", b"hot")]
    load.run(3, 400, hot_share=0.3)
    assert load.changes[1:] == [("cooled down", b"hot"), ("became hot", b"hot")]
