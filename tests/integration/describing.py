"""Replies and failures as plain values that can be compared and shown."""

from __future__ import annotations

from typing import Any

__all__ = ["described"]


def described(value: Any) -> Any:
    """A value with the types of all its parts, equal only to a value of the same types."""
    if isinstance(value, BaseException):
        cause = value.__cause__
        return {
            "failure": f"{type(value).__module__}.{type(value).__qualname__}",
            "message": str(value),
            "args": described(value.args),
            "cause": None if cause is None else type(cause).__qualname__,
        }
    if isinstance(value, list | tuple):
        return [type(value).__qualname__, *map(described, value)]
    if isinstance(value, dict):
        pairs = [[repr(key), described(element)] for key, element in value.items()]
        return {type(value).__qualname__: pairs}
    if isinstance(value, set | frozenset):
        return {type(value).__qualname__: sorted(map(repr, value))}
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
