"""Reads that end in the middle leave nothing behind that others wait for."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import pytest

from redis_middleware import Once
from redis_middleware.testing import Script, command
from redis_middleware_plugins.local_cache import LocalCache, LocalCacheSettings
from redis_middleware_plugins.local_cache.entries import Entry
from redis_middleware_plugins.local_cache.rules import Rules
from redis_middleware_plugins.local_cache.store import Store


class _Interrupted(BaseException):
    """As a signal's handler, or what ends a thread from outside, may raise anywhere."""


class _Dice:
    """Numbers for the jitter, drawn while a reply is being kept; one draw is interrupted."""

    def __init__(self) -> None:
        self.interrupts = False

    def __call__(self) -> float:
        if self.interrupts:
            self.interrupts = False
            raise _Interrupted
        return 0.5


def _script(random: Callable[[], float] = lambda: 0.5) -> tuple[Script, LocalCache]:
    """Server and plugin, which keeps replies of all keys by TTL alone."""
    settings = LocalCacheSettings.model_validate({"rules": [{"keys": "*"}], "invalidation": "ttl"})
    cache = LocalCache(settings, random=random)
    return Script(cache), cache


@pytest.mark.parametrize("args", [("GET", "k"), ("GET", b"k", "odd"), ("MGET", "k", "other")])
def test_interrupted_while_the_reply_is_kept(args: tuple[Any, ...]) -> None:
    """The next read of the key is sent, instead of waiting for the one that was interrupted."""
    dice = _Dice()
    script, cache = _script(dice)
    reply = [b"1", b"2"] if args[0] == "MGET" else b"1"
    script.replies(reply, reply)
    dice.interrupts = True
    with pytest.raises(_Interrupted):
        script.run(*args)
    (rule,) = cache.rules()
    name = args if args[0] == "GET" else ("GET", "k")
    flight = cache.store.begin(name, b"k", rule)
    assert flight is not None, "somebody else still seems to read it"
    cache.store.end(flight)
    assert script.run(*args) == reply


def test_garbage_is_collected_while_the_store_is_changed() -> None:
    """A client may be found to be garbage by the very thread that is changing its store."""
    settings = LocalCacheSettings.model_validate({"rules": [{"keys": "*"}]})
    (rule,) = Rules(settings.rules)

    def clock() -> float:
        gc.collect()
        return 0.0

    store = Store(10, 10_000, "lru", clock, lambda: 0.0)
    store.open()
    flight = store.begin(("GET", b"k"), b"k", rule)
    assert flight is not None
    store.keep(flight, b"v")

    class Dropped:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            store.turn_off()

    Dropped()
    closing = threading.Thread(target=store.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert len(store) == 0


def test_follower_that_comes_too_late() -> None:
    """Whoever would have shared a reply, and had to ask by itself, drops what is older than that.

    Nil looks like the reply that nobody shared.
    """
    script, cache = _script()
    asked = command("GET", "k", client=script.client)
    leading = cache.redis_command(asked)
    following = cache.redis_command(asked)
    assert isinstance(leading, Generator)
    assert isinstance(following, Generator)
    assert leading.send(None) is asked
    assert isinstance(following.send(None), Once)
    with pytest.raises(StopIteration):
        leading.send(b"older")
    with pytest.raises(StopIteration):
        following.send(None)
    assert len(cache.store) == 0


def test_rules_replaced_while_a_read_begins() -> None:
    """A read that found its rule before the rules were replaced does not keep its reply by it."""
    _, cache = _script()
    (before,) = cache.rules()
    cache.reconfigure(LocalCacheSettings.model_validate({"invalidation": "ttl", "rules": []}))
    name = ("GET", b"k")
    assert cache.store.begin(name, b"k", before) is None
    assert cache.store.join(name, b"k", before, _nobody_waits) == (None, False)


def _nobody_waits(flight: Entry) -> NoReturn:
    pytest.fail(f"somebody is at {flight.name}")
