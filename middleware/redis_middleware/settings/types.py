"""Types for the settings models of plugins: sizes, durations and key patterns.

Each is written as people write it, checked with a message that says what is allowed, and described
in the JSON schema::

    class Settings(BaseModel):
        max_value: Annotated[Bytes, Field(gt=0)] = 1024 * 1024
        ttl: Duration = 30
        keys: KeyPattern = KeyPattern("*")
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from redis_middleware.settings.key_pattern import KeyPattern

__all__ = ["Bytes", "Duration", "KeyPattern"]

_LARGEST_SIZE = 2**63 - 1
_BYTE_UNITS = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SECONDS = {
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_JSON_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
}
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_SIZE = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]*)\s*")
_TIME = re.compile(rf"\s*({_NUMBER})\s*([A-Za-zµμ]*)\s*")
_ISO_8601 = re.compile(
    rf"P(?=[0-9T])(?:(?P<w>{_NUMBER})W)?(?:(?P<d>{_NUMBER})D)?"
    rf"(?:T(?=[0-9])(?:(?P<h>{_NUMBER})H)?(?:(?P<min>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?"
)

_SIZES_ALLOWED = (
    "allowed are a whole number of bytes, not negative, such as 1048576, or text such as "
    '"500 kB" (500,000) or "1 MiB" (1,048,576): B, kB, MB, GB, TB count in thousands, KiB, MiB, '
    "GiB, TiB in 1,024s"
)
_TIMES_ALLOWED = (
    'allowed are a number of seconds, not negative, such as 10 or 0.5, text such as "10 ms", '
    '"1.5 s" or "5 min" (us, ms, s, min, h, d), or ISO 8601 such as "PT5M"'
)


def _size(value: object) -> int:
    if isinstance(value, Mapping):
        # An error of the type alone: a union's other types know what is wrong with this table.
        raise PydanticCustomError("size_type", "not a size; {allowed}", {"allowed": _SIZES_ALLOWED})
    if isinstance(value, str) and (parts := _SIZE.fullmatch(value)):
        unit = _BYTE_UNITS.get(parts[2].casefold() or "b")
        size = None if unit is None else Fraction(parts[1]) * unit
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        size = Fraction(value)
    else:
        size = None
    if size is None or size.denominator != 1 or not 0 <= size <= _LARGEST_SIZE:
        raise ValueError(f"not a size; {_SIZES_ALLOWED}")
    return int(size)


def _seconds(value: object) -> float:
    if isinstance(value, Mapping):
        raise PydanticCustomError(
            "duration_type", "not a duration; {allowed}", {"allowed": _TIMES_ALLOWED}
        )
    seconds: Fraction | float | None = None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and (parts := _TIME.fullmatch(value)):
        unit = _SECONDS.get(parts[2].replace("μ", "µ") or "s")
        seconds = None if unit is None else Fraction(parts[1]) * unit
    elif isinstance(value, str) and (parts := _ISO_8601.fullmatch(value.strip())):
        weeks = 7 * Fraction(parts["w"] or 0) * _SECONDS["d"]
        units = ("d", "h", "min", "s")
        seconds = weeks + sum(Fraction(parts[unit] or 0) * _SECONDS[unit] for unit in units)
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError(f"not a duration; {_TIMES_ALLOWED}")
    return float(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """Makes pydantic read a number that may be written as text with a unit."""

    parse: Callable[[object], float]
    text_pattern: str
    examples: tuple[object, ...]
    description: str

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Bounds that a field adds arrive under the names of annotated-types.
        number = {_JSON_BOUNDS.get(key, key): value for key, value in handler(schema).items()}
        if "exclusiveMinimum" not in number:
            number.setdefault("minimum", 0)
        return {
            "anyOf": [number, {"type": "string", "pattern": self.text_pattern}],
            "description": self.description,
            "examples": list(self.examples),
        }


Bytes: TypeAlias = Annotated[
    int,
    _Written(
        _size,
        rf"^\s*{_NUMBER}\s*([kKmMgGtT]?[iI]?[bB])?\s*$",
        (1048576, "1 MiB", "500 kB"),
        "A size in bytes: a whole number, or text with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB.",
    ),
]
"""A size, read into a whole number of bytes.

``1048576``, ``"500kB"`` (500,000), ``"1 MiB"`` (1,048,576), ``"1.5 GiB"``. Units are those of SI
(kB, MB, GB, TB, by 1,000) and IEC (KiB, MiB, GiB, TiB, by 1,024), with or without a space; their
case does not matter, and a B is always a byte. ``"1k"``, which a server's configuration file takes
for 1,000 and whose ``1kb`` is 1,024 there, is refused.
"""

Duration: TypeAlias = Annotated[
    float,
    _Written(
        _seconds,
        rf"^(\s*{_NUMBER}\s*(us|µs|μs|ms|s|min|h|d)?\s*|\s*P[0-9.WDTHMS]+\s*)$",
        (10, "10 ms", "5 min", "PT5M"),
        "A duration: a number of seconds, or text with us, ms, s, min, h or d, or ISO 8601.",
    ),
]
"""A length of time, read into seconds.

``10``, ``0.5``, ``"10 ms"``, ``"1.5 s"``, ``"5 min"``, ``"2 h"``, ``"1 d"``, ISO 8601 of weeks,
days, hours, minutes and seconds (``"PT1M30S"``), or a ``datetime.timedelta`` from code. Units are
in lower case; never negative, never infinite. Years and months, having no fixed length, are
refused.
"""
