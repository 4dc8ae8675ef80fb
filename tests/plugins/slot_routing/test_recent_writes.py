"""Which keys were written a moment ago."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from redis_middleware_plugins.slot_routing.recent_writes import RecentWrites

TIMES = st.floats(min_value=0, max_value=100)


@given(st.lists(st.tuples(st.binary(), st.floats(0, 0.999)), min_size=1), TIMES)
def test_a_written_key_is_never_forgotten_within_the_time(
    writes: list[tuple[bytes, float]], start: float
) -> None:
    """However many others are written."""
    recent = RecentWrites(1.0)
    for key, offset in sorted(writes, key=lambda write: write[1]):
        recent.add([key], start + offset)
    for key, offset in writes:
        assert recent.has(key, start + offset + 0.0001)


def test_a_write_is_forgotten_after_the_time() -> None:
    """Then replicas may be asked again."""
    recent = RecentWrites(1.0)
    recent.add([b"k"], 10.0)
    assert recent.has(b"k", 10.9)
    assert not recent.has(b"k", 11.1)
    assert not recent.has(b"other", 10.5)


def test_everything_may_have_been_written() -> None:
    """FLUSHALL names no keys."""
    recent = RecentWrites(1.0)
    recent.add_all(10.0)
    assert recent.has(b"k", 10.5)
    assert not recent.has(b"k", 11.5)


def test_the_memory_does_not_grow() -> None:
    """A hundred thousand keys take what none takes, and few others count as written."""
    recent = RecentWrites(1.0)
    before = sys.getsizeof(recent._written)
    recent.add([b"key:%d" % number for number in range(100_000)], 10.0)
    assert sys.getsizeof(recent._written) == before < 600_000
    recent.add([b"new:%d" % number for number in range(1000)], 20.0)
    taken = sum(recent.has(b"other:%d" % number, 20.5) for number in range(10_000))
    assert 50 < taken < 300
