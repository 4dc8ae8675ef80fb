"""The number that a SCAN over a cluster goes on with."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import DataError

from redis_middleware.commands import SLOT_COUNT
from redis_middleware_plugins.slot_routing.cursors import Cursor, ScanCursorError
from redis_middleware_plugins.slot_routing.slot_sets import lowest, runs, slot_set

_slot = st.integers(0, SLOT_COUNT - 1)
_range = st.tuples(_slot, _slot).map(lambda ends: (min(ends), max(ends)))
_slot_sets = st.lists(_range, max_size=20).map(slot_set)


@settings(deadline=None)
@given(_slot_sets)
def test_a_set_is_its_ranges(slots: int) -> None:
    """Ranges come in order, apart from each other, and make up the set again."""
    found = list(runs(slots))
    assert slot_set(found) == slots
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))
    if slots:
        assert lowest(slots) == found[0][0]


def test_every_slot_is_in_the_whole_set() -> None:
    """The set of all slots is one range."""
    assert list(runs((1 << SLOT_COUNT) - 1)) == [(0, SLOT_COUNT - 1)]


@settings(deadline=None)
@given(
    on_node=st.integers(0, 2**64 - 1),
    node=st.integers(0, 2**32 - 1),
    walking=_slot_sets,
    walked=_slot_sets,
    kind=st.sampled_from([int, str, lambda number: str(number).encode(), repr]),
)
def test_a_cursor_says_what_was_put_into_it(
    on_node: int, node: int, walking: int, walked: int, kind: Any
) -> None:
    """As the number it is, or as text, which is never longer than Python converts."""
    cursor = Cursor(on_node, node, walking & ~walked, walked)
    number = cursor.encode()
    assert number != 0
    assert Cursor.decode(kind(number)) == cursor


@pytest.mark.parametrize("zero", [0, "0", b"0", bytearray(b"0"), memoryview(b"0"), 0.0])
def test_zero_is_the_beginning(zero: Any) -> None:
    """Of every type that redis-py sends."""
    assert Cursor.decode(zero) is None


@pytest.mark.parametrize(
    "cursor", [1, 17, "17", 2**64 - 1, 1 << 96, -1, "x", None, 2 << 96, "9" * 5000]
)
def test_other_cursors_are_refused(cursor: Any) -> None:
    """A single node's cursor, or anything else, is an error of the application's, and short."""
    with pytest.raises(ScanCursorError, match="SCAN is refused") as raised:
        Cursor.decode(cursor)
    assert isinstance(raised.value, DataError)
    assert len(str(raised.value)) < 300


def test_usual_cursors_are_short() -> None:
    """Where each of the nodes has one range of slots, the number has at most 64 digits."""
    cursor = Cursor(2**40, 2**32 - 1, slot_set([(5461, 10922)]), slot_set([(0, 5460)]))
    assert len(str(cursor.encode())) <= 64


def test_slots_may_be_too_scattered() -> None:
    """A number that Python would not convert to text is not given: it is told what to do."""
    scattered = slot_set((slot, slot) for slot in range(0, SLOT_COUNT, 2))
    with pytest.raises(ScanCursorError, match="16384 stretches"):
        Cursor(0, 0, scattered, 0).encode()
