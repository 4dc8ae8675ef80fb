"""Sizes and durations as people write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from redis_middleware.settings.types import Bytes, Duration

SIZE: TypeAdapter[int] = TypeAdapter(Bytes)
TIME: TypeAdapter[float] = TypeAdapter(Duration)

SIZES = [
    (0, 0),
    (1048576, 1048576),
    (2.0, 2),
    ("1048576", 1048576),
    ("1 MiB", 1048576),
    ("1MiB", 1048576),
    ("1 mib", 1048576),
    (" 1 MIB ", 1048576),
    ("500kB", 500_000),
    ("500 KB", 500_000),
    ("1.5 GiB", 3 * 2**29),
    ("0.1 kB", 100),
    ("2 TB", 2 * 10**12),
    ("7 B", 7),
    (2**63 - 1, 2**63 - 1),
]
NO_SIZES = [
    *["", "MiB", "1 MiB of text", "1.5.5", "-1", "-1 kB", "1 k", "1 M", "8 bit", "1e6", "0.5 B"],
    *[-1, 1.5, True, None, [1], float("nan"), float("inf"), 2**63, "9" * 5000, "10000000 TiB"],
]
TIMES = [
    (0, 0.0),
    (10, 10.0),
    (0.5, 0.5),
    ("10", 10.0),
    ("10 us", 0.00001),
    ("10 µs", 0.00001),
    ("10 μs", 0.00001),
    ("10 ms", 0.01),
    ("10ms", 0.01),
    ("1.5 s", 1.5),
    ("5 min", 300.0),
    ("2 h", 7200.0),
    ("1 d", 86400.0),
    ("PT5M", 300.0),
    ("PT1M30.5S", 90.5),
    ("P1DT12H", 129600.0),
    ("P2W", 1209600.0),
    (timedelta(milliseconds=1), 0.001),
]
NO_TIMES = [
    *[
        "",
        "soon",
        "s",
        "-1",
        "-5 s",
        "5 m",
        "5 minutes",
        "10 MS",
        "1 month",
        "PT",
        "P",
        "P1Y",
        "P1M",
    ],
    *["1 s 5 ms", "nan", "1e3", -1, True, None, [1], float("nan"), float("inf"), -0.1],
    timedelta(seconds=-1),
]


@pytest.mark.parametrize(("written", "expected"), SIZES)
def test_sizes(written: object, expected: int) -> None:
    """Whole numbers, and text with units of 1,000 and of 1,024 in any case."""
    size = SIZE.validate_python(written)
    assert size == expected
    assert type(size) is int


@pytest.mark.parametrize("written", NO_SIZES)
def test_no_sizes(written: object) -> None:
    """Whatever is not exactly a whole number of bytes is refused with what is allowed."""
    with pytest.raises(ValidationError, match=r'not a size; allowed are .*"1 MiB" \(1,048,576\)'):
        SIZE.validate_python(written)


@pytest.mark.parametrize(("written", "expected"), TIMES)
def test_durations(written: object, expected: float) -> None:
    """Seconds, text with a unit, ISO 8601, and timedelta from code."""
    seconds = TIME.validate_python(written)
    assert seconds == expected
    assert type(seconds) is float


@pytest.mark.parametrize("written", NO_TIMES)
def test_no_durations(written: object) -> None:
    """What has no fixed, finite length is refused with what is allowed."""
    with pytest.raises(
        ValidationError, match=r'not a duration; allowed are .*not negative.*"10 ms".*"PT5M"'
    ):
        TIME.validate_python(written)


@given(st.integers(0, 2**20), st.sampled_from([("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)]))
def test_a_size_survives_being_written(number: int, unit: tuple[str, int]) -> None:
    """A number and a unit are read as the product, exactly."""
    name, bits = unit
    assert SIZE.validate_python(f"{number} {name}") == number << bits


@given(st.integers(0, 10**9))
def test_a_decimal_size_is_exact(number: int) -> None:
    """Three decimal places of kB are bytes, without rounding."""
    assert SIZE.validate_python(f"{number // 1000}.{number % 1000:03d} kB") == number


@given(st.timedeltas(timedelta(0), timedelta(days=10_000)))
def test_a_duration_survives_being_written(duration: timedelta) -> None:
    """Microseconds, ISO 8601 as pydantic writes it, and timedelta are read as the same."""
    micros = duration // timedelta(microseconds=1)
    iso = TypeAdapter(timedelta).dump_python(duration, mode="json")
    expected = duration.total_seconds()
    assert TIME.validate_python(f"{micros} us") == pytest.approx(expected)
    assert TIME.validate_python(duration) == expected
    if "Y" not in iso:
        assert TIME.validate_python(iso) == pytest.approx(expected)


class Bounded(BaseModel):
    """Settings with bounds on both types."""

    size: Annotated[Bytes, Field(gt=0)] = 1
    time: Duration = Field(default=1, gt=0, le=60)
    maybe: Duration | None = None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"size": "0 MiB"}, "greater than 0"),
        ({"time": "0 s"}, "greater than 0"),
        ({"time": "2 min"}, "less than or equal to 60"),
    ],
)
def test_fields_can_bound_them(table: dict[str, Any], message: str) -> None:
    """Bounds are on the number that was read, in whichever way the field gives them."""
    with pytest.raises(ValidationError, match=message):
        Bounded.model_validate(table)


def test_the_schema_takes_what_the_types_take() -> None:
    """The JSON schema agrees with the types on every example that JSON can hold."""
    size, time = SIZE.json_schema(), TIME.json_schema()
    for written, _ in SIZES:
        jsonschema.validate(written, size)
    for written, _ in TIMES:
        if not isinstance(written, timedelta):
            jsonschema.validate(written, time)
    for written in ("1 k", "MiB", -1, None):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(written, size)
    for written in ("5 m", "soon", -1, None):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(written, time)


def test_the_schema_has_the_bounds_of_the_field() -> None:
    """Editors warn of numbers that the field refuses."""
    schema = Bounded.model_json_schema()
    for table in ({"size": 0}, {"time": 0}, {"time": 61}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(table, schema)
    jsonschema.validate({"size": "1 MiB", "time": "5 s", "maybe": None}, schema)
