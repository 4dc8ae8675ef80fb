"""Settings written as a settings file would have them."""

from __future__ import annotations

import tomllib
from enum import Enum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, TypeAdapter

from redis_middleware.cli.values import field_type, key_text, written
from redis_middleware.settings.types import Bytes, Duration, KeyPattern


class Level(Enum):
    """A choice."""

    HIGH = "high"


class Inner(BaseModel):
    """A nested table."""

    keys: KeyPattern = KeyPattern("a:*")
    ttl: Duration | None = 90
    other: Duration | None = None


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (0.01, Duration, '"10 ms"'),
        (0.0, Duration, '"0 s"'),
        (1.5, Duration, '"1.5 s"'),
        (90.0, Duration, '"90 s"'),
        (5400.0, Duration | None, '"90 min"'),
        (172800.0, Annotated[Duration, Field(gt=0)], '"2 d"'),
        (1048576, Bytes, '"1 MiB"'),
        (500_000, Bytes | None, '"500 kB"'),
        (1234, Bytes, "1234"),
        (1048576, int, "1048576"),
        (True, Any, "true"),
        ('say "ä"', str, '"say \\"ä\\""'),
        (Level.HIGH, Level, '"high"'),
        (SecretStr("hush"), SecretStr, '"**********"'),
        (KeyPattern("a:*"), KeyPattern, '"a:*"'),
        ([0.01, 2.0], list[Duration], '["10 ms", "2 s"]'),
        (("a", 1), Any, '["a", 1]'),
        ({"a b": 0.01, "c": 1.0}, dict[str, Duration], '{ "a b" = "10 ms", c = "1 s" }'),
        ({}, dict[str, int], "{}"),
        ([Inner()], list[Inner], '[{ keys = "a:*", ttl = "90 s" }]'),
    ],
)
def test_values_are_written_as_people_write_them(value: Any, type_: Any, text: str) -> None:
    """Units where the type has them, TOML always, nothing secret."""
    assert written(value, type_) == text
    assert tomllib.loads(f"key = {text}")


@given(st.floats(0, 1e9, allow_subnormal=False))
def test_a_duration_reads_back_as_it_was(seconds: float) -> None:
    """What is written means the same duration, to one part in 10**14."""
    text = tomllib.loads(f"key = {written(seconds, Duration)}")["key"]
    if "e" not in text:
        assert TypeAdapter(Duration).validate_python(text) == pytest.approx(seconds, rel=1e-14)


@given(st.integers(0, 2**62))
def test_a_size_reads_back_as_it_was(size: int) -> None:
    """Exactly."""
    text = tomllib.loads(f"key = {written(size, Bytes)}")["key"]
    assert TypeAdapter(Bytes).validate_python(text) == size


def test_a_field_has_the_type_it_was_declared_with() -> None:
    """Pydantic keeps annotations beside the type; both count."""

    class Settings(BaseModel):
        ttl: Duration = Field(default=60, gt=0)
        plain: int = 60

    fields = Settings.model_fields
    assert written(60.0, field_type(fields["ttl"])) == '"1 min"'
    assert written(60, field_type(fields["plain"])) == "60"


def test_keys_are_quoted_where_toml_wants_it() -> None:
    """Bare keys stay bare."""
    assert [key_text(key) for key in ("a-b_1", "a b", "ä")] == ["a-b_1", '"a b"', '"ä"']
