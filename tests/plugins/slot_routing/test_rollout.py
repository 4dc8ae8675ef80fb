"""Which keys are on which side of a rollout."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from redis_middleware.commands import SLOT_COUNT, key_slot
from redis_middleware_plugins.slot_routing.rollout import (
    Rollout,
    RolloutSettings,
    place_of_slot,
)

PERCENTAGES = st.floats(min_value=0, max_value=100, allow_nan=False)


def _rollout(percent: float, keys: str = "*") -> Rollout:
    return Rollout(RolloutSettings.model_validate({"to": "new", "percent": percent, "keys": keys}))


def _is_new(rollout: Rollout, key: bytes) -> bool:
    return rollout.takes_part(key) and rollout.is_new(key_slot(key))


@given(key=st.binary(), low=PERCENTAGES, high=PERCENTAGES)
def test_a_growing_percentage_moves_keys_one_way_only(key: bytes, low: float, high: float) -> None:
    """A key on the new side stays there at every larger percentage."""
    low, high = sorted((low, high))
    assert _is_new(_rollout(low), key) <= _is_new(_rollout(high), key)


@given(tag=st.binary(min_size=1).filter(lambda tag: b"}" not in tag), percent=PERCENTAGES)
def test_keys_with_one_hash_tag_are_on_one_side(tag: bytes, percent: float) -> None:
    """What belongs together by a hash tag is never torn apart."""
    rollout = _rollout(percent)
    sides = {_is_new(rollout, b"{" + tag + b"}:" + end) for end in (b"a", b"b", b"c")}
    assert len(sides) == 1


@given(key=st.binary())
def test_0_percent_moves_nothing_and_100_everything(key: bytes) -> None:
    """The ends are exact."""
    assert not _is_new(_rollout(0), key)
    assert _is_new(_rollout(100), key)


@pytest.mark.parametrize("percent", [0.01, 1, 5, 25, 50, 95])
def test_the_percentage_is_that_of_the_slots_and_nearly_that_of_keys(percent: float) -> None:
    """Slots to within one; of 50,000 keys of a usual form, within what chance makes of them."""
    rollout = _rollout(percent)
    new = sum(rollout.is_new(slot) for slot in range(SLOT_COUNT))
    assert 0 <= new - percent * SLOT_COUNT / 100 < 1
    keys = [b"user:%d" % number for number in range(50_000)]
    share = sum(_is_new(rollout, key) for key in keys) / len(keys)
    assert share == pytest.approx(percent / 100, rel=0.15, abs=0.001)


def test_every_node_gives_its_share() -> None:
    """The slots that move first are not those of one node: each of 16 ranges gives 5%."""
    rollout = _rollout(5)
    for start in range(0, SLOT_COUNT, 1024):
        new = sum(rollout.is_new(slot) for slot in range(start, start + 1024))
        assert 49 <= new <= 54


def test_slots_move_in_an_order_of_their_own() -> None:
    """Every slot has a place of its own in it."""
    assert {place_of_slot(slot) for slot in range(SLOT_COUNT)} == set(range(SLOT_COUNT))


def test_the_side_of_a_key_is_the_same_in_every_process() -> None:
    """It does not depend on Python's hash, which every process salts anew."""
    program = (
        "from redis_middleware.commands import key_slot\n"
        "from redis_middleware_plugins.slot_routing.rollout import *\n"
        "r = Rollout(RolloutSettings(to='new', percent=30))\n"
        "print([r.is_new(key_slot(k)) for k in [b'k%d' % n for n in range(500)]])"
    )
    rollout = _rollout(30)
    here = [_is_new(rollout, b"k%d" % number) for number in range(500)]
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert there.stdout.strip() == str(here)


def test_keys_of_another_pattern_never_move() -> None:
    """Only the keys that the pattern names take part."""
    rollout = _rollout(100, keys="cart:*")
    assert _is_new(rollout, b"cart:1")
    assert rollout.takes_part(b"cart:1")
    assert not _is_new(rollout, b"user:1")
    assert not rollout.takes_part(b"user:1")


@pytest.mark.parametrize("percent", [-1, 100.5, "most"])
def test_other_percentages_are_refused(percent: object) -> None:
    """From 0 to 100."""
    with pytest.raises(ValidationError, match="percent"):
        RolloutSettings.model_validate({"to": "new", "percent": percent})
