"""The sketches and their summaries, against exact counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_middleware_plugins.key_access.bounds import bounds_of
from redis_middleware_plugins.key_access.misra_gries import MisraGries
from redis_middleware_plugins.key_access.sampling import Sampling
from redis_middleware_plugins.key_access.sketches import READ, WRITE, AccessSketch, sketch_maker
from redis_middleware_plugins.key_access.summary import Summary, merge

Access = tuple[bytes, int, int]

accesses = st.lists(
    st.tuples(
        st.integers(0, 200).map(lambda number: b"key:%d" % min(number, number * number % 97)),
        st.sampled_from([READ, WRITE]),
        st.integers(0, 10_000),
    ),
    max_size=600,
)


def _sketched(stream: list[Access], make: Callable[[], AccessSketch]) -> Summary:
    sketch = make()
    for key, kind, size in stream:
        sketch.add(key, kind, size)
    return sketch.summary(0.0, 1.0)


def _assert_bounds_hold(summary: Summary, streams: list[Access]) -> None:
    exact = {name: Counter[bytes]() for name in ("reads", "writes", "size")}
    for key, kind, size in streams:
        exact["writes" if kind == WRITE else "reads"][key] += 1
        exact["size"][key] += size
    assert summary.reads == exact["reads"].total()
    assert summary.writes == exact["writes"].total()
    assert summary.size == exact["size"].total()
    keys = {key for key, _, _ in streams}
    assert summary.distinct <= len(keys)
    for key in {*keys, b"never seen"}:
        counts = summary.find(key)
        reads, writes, size = (exact[name][key] for name in ("reads", "writes", "size"))
        assert counts.accesses <= reads + writes <= counts.accesses + counts.missed
        assert counts.reads <= reads <= counts.reads + counts.missed
        assert counts.writes <= writes <= counts.writes + counts.missed
        assert counts.size <= size <= counts.size + counts.missed_size


@pytest.mark.parametrize("name", ["misra_gries", "datasketches"])
def test_bounds_hold_for_every_key(name: str) -> None:
    """Whatever the stream: lower and upper bounds of accesses, reads, writes and bytes hold."""
    if name == "datasketches":
        pytest.importorskip("datasketches")
    make = sketch_maker(name, 16)  # type: ignore[arg-type]

    @settings(max_examples=150, deadline=None)
    @given(accesses)
    def check(stream: list[Access]) -> None:
        summary = _sketched(stream, make)
        # DataSketches may count a key that it dropped and met again as another distinct one.
        _assert_bounds_hold(summary, stream)

    check()


@settings(max_examples=100, deadline=None)
@given(st.lists(accesses, min_size=1, max_size=5), st.integers(2, 40))
def test_bounds_hold_after_cutting_and_merging(streams: list[list[Access]], kept: int) -> None:
    """Merging summaries that were cut to their top keys keeps every bound true."""
    parts = [_sketched(stream, lambda: MisraGries(16)).top(kept) for stream in streams]
    whole = merge(parts, 0.0, float(len(parts)))
    _assert_bounds_hold(whole, [access for stream in streams for access in stream])
    _assert_bounds_hold(whole.top(kept), [access for stream in streams for access in stream])


def test_memory_is_bounded() -> None:
    """However many keys come, no more than the counters are kept, and the error is as stated."""
    sketch = MisraGries(128)
    for number in range(20_000):
        sketch.add(b"%d" % number, READ, 10)
    summary = sketch.summary(0.0, 1.0)
    assert len(summary) <= 128
    assert summary.accesses == 20_000
    assert summary.absent <= 2 * 20_000 / 128


def test_a_key_with_most_bytes_stays() -> None:
    """A key that is seldom accessed but moves most bytes is not lost among busier ones."""
    sketch = MisraGries(64)
    random = Random(1)
    for number in range(20_000):
        sketch.add(b"small:%d" % random.randrange(5000), READ, 10)
        if number % 500 == 0:
            sketch.add(b"big", READ, 1_000_000)
    counts = sketch.summary(0.0, 1.0).find(b"big")
    assert counts.size >= 39_000_000


def test_too_few_counters_are_refused() -> None:
    """A sketch that could tell nothing is not made."""
    with pytest.raises(ValueError, match="at least 16"):
        MisraGries(4)


def test_sampled_counts_are_near_and_say_how_near() -> None:
    """One in ten, by gaps: the estimate is near the truth and the 99.9% bounds hold it."""
    random = Random(7)
    outside = 0
    for _ in range(200):
        sampling = Sampling(10, 0.0, random.random)
        gap, drawn = sampling.gap(), 0
        for _ in range(2000):
            if gap:
                gap -= 1
            else:
                drawn += 1
                gap = sampling.gap()
        bounds = bounds_of(drawn * 10, 0, 10)
        outside += not bounds.lower <= 2000 <= bounds.upper
        assert 1200 < bounds.estimate < 2800
    assert outside <= 2


def test_adaptive_sampling_follows_the_rate() -> None:
    """It counts everything while there is little, and as many as wanted when there is much."""
    sampling = Sampling(None, 1000.0, Random(1).random)
    assert sampling.weight == 1
    assert sampling.gap() == 0
    sampling.adapt(50_000.0)
    assert sampling.weight == 50
    sampling.adapt(10.0)
    assert sampling.weight == 1
