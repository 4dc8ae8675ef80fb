"""Sizes of arguments and replies: what the wire carries, without its framing."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from redis_middleware.sizes import arguments_size, size_of

scalars = (
    st.binary()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False)
)


class Colour(StrEnum):
    """A string of another type."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (b"abc", 3),
        (bytearray(b"abc"), 3),
        (memoryview(b"abcd")[1:], 3),
        (memoryview(bytearray(8)).cast("Q"), 8),
        ("abc", 3),
        ("schön", 6),
        ("\udc80x", 2),
        (Colour.RED, 3),
        (0, 1),
        (-42, 3),
        (1.5, 3),
        (float("inf"), 3),
        (True, 1),
        (None, 0),
        (Decimal("1.5"), 0),
        (redis.ResponseError("WRONG"), 5),
        ([], 0),
        ([b"ab", None, "c"], 3),
        ((b"ab", [b"c", (1, 2)]), 5),
        ({b"ab", b"c"}, 3),
        (frozenset({b"ab"}), 2),
        ({b"key": b"value", "n": 12}, 11),
        (OrderedDict(a=b"bc"), 3),
        ([{b"id": [b"f", {b"x": 1}]}], 5),
    ],
)
def test_each_type_has_its_bytes(value: Any, size: int) -> None:
    """Scalars count what redis-py sends for them, containers what is in them, keys too."""
    assert size_of(value) == size


def test_depth_does_not_matter() -> None:
    """A reply nested deeper than Python's stack is measured like any other."""
    nested: list[Any] = [b"x"]
    for _ in range(100_000):
        nested = [nested, b"x"]
    assert size_of(nested) == 100_001


@given(st.lists(scalars, min_size=1))
def test_arguments_are_measured_as_redis_py_encodes_them(arguments: list[Any]) -> None:
    """For every argument that redis-py takes, the size is the length of what it sends."""
    encode = redis.Redis().get_encoder().encode
    assert arguments_size(arguments) == sum(len(bytes(encode(value))) for value in arguments)
    assert arguments_size(tuple(arguments)) == sum(map(size_of, arguments))


@given(
    st.recursive(
        scalars | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.binary(), inner),
    )
)
def test_a_container_is_as_big_as_what_is_in_it(value: Any) -> None:
    """Nothing is counted twice and nothing forgotten, however values are nested."""
    assert size_of([value, [value]]) == 2 * size_of(value)
    assert size_of({b"12": value}) == 2 + size_of(value)
