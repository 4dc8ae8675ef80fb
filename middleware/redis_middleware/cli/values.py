"""Settings as a settings file would write them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from fractions import Fraction
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from redis_middleware.settings.types import Bytes, Duration

__all__ = ["field_type", "key_text", "written"]

_DURATION: Final = get_args(Duration)[1]
_BYTES: Final = get_args(Bytes)[1]

_DURATION_UNITS: Final = {
    "d": Fraction(86400),
    "h": Fraction(3600),
    "min": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
    "us": Fraction(1, 10**6),
}
_BYTE_UNITS: Final = {
    "TiB": Fraction(2**40),
    "GiB": Fraction(2**30),
    "MiB": Fraction(2**20),
    "KiB": Fraction(2**10),
    "TB": Fraction(10**12),
    "GB": Fraction(10**9),
    "MB": Fraction(10**6),
    "kB": Fraction(10**3),
}
_MOST_OF_A_UNIT: Final = 1000
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def written(value: Any, type_: Any = Any) -> str:
    """Return a value as TOML, durations and sizes with a unit.

    Args:
        value: the value as a settings model holds it; secrets come out masked.
        type_: its type as the model declares it: tells seconds and bytes from other numbers.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return _number(value, type_)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return _table(
            {
                name: written(inner, field_type(fields[name]) if name in fields else Any)
                for name, inner in value
                if inner is not None
            }
        )
    if isinstance(value, Mapping):
        inner_type = _argument(type_, Mapping, 1)
        return _table({str(key): written(inner, inner_type) for key, inner in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        inner_type = _argument(type_, Collection, 0)
        return f"[{', '.join(written(inner, inner_type) for inner in value)}]"
    return json.dumps(str(value), ensure_ascii=False)


def key_text(key: str) -> str:
    """Return a key as TOML, quoted where it must be."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def field_type(field: FieldInfo) -> Any:
    """Return the type that a model's field was declared with, its annotations included."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _table(items: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{key_text(key)} = {value}" for key, value in items.items())
    return f"{{ {pairs} }}" if pairs else "{}"


def _number(value: float, type_: Any) -> str:
    marks = [mark for _, marks in _members(type_) for mark in marks]
    is_duration = any(mark is _DURATION for mark in marks)
    is_size = any(mark is _BYTES for mark in marks)
    units = _DURATION_UNITS if is_duration else _BYTE_UNITS if is_size else {}
    for unit, factor in units.items():
        count = round(value / factor)
        if 0 < count < _MOST_OF_A_UNIT and float(count * factor) == value:
            return f'"{count} {unit}"'
    return f'"{value:.15g} s"' if is_duration else repr(value)


def _argument(type_: Any, container: type, index: int) -> Any:
    """Return what a type holds, given as ``dict[str, X]`` or ``list[X]``; ``Any`` if unknown."""
    for member, _ in _members(type_):
        origin = get_origin(member)
        arguments = get_args(member)
        if isinstance(origin, type) and issubclass(origin, container) and arguments[index:]:
            return arguments[index]
    return Any


def _members(type_: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield a type, or each member of a union, with what it is annotated with."""
    origin = get_origin(type_)
    if origin is Annotated:
        inner, *own = get_args(type_)
        yield from _members(inner, (*marks, *own))
    elif origin in (Union, UnionType):
        for member in get_args(type_):
            yield from _members(member, marks)
    else:
        yield type_, marks
