"""Objects that a wrapped client makes become of a subclass that runs the client's plugins.

Instance attributes, as the client itself gets them, would make each of these objects a reference
cycle: a dropped pipeline or connection would keep its socket until the garbage collector runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["Adopted", "adopt", "subclass"]

Kinds = Sequence[tuple[type, type]]
"""Pairs of a class of redis-py's and the mixin for it and its subclasses; the first match wins."""


class Adopted:
    """The base of everything adopted."""

    _redis_middleware: Middleware


def subclass(mixin: type, cls: type) -> type:
    """A new subclass that shows itself as ``cls``, with the methods of the mixin before its own."""
    names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
    made = type(cls.__name__, (mixin, cls), names)
    made.__qualname__ = cls.__qualname__
    return made


_subclass_once = cache(subclass)


def adopt(made: Any, kinds: Kinds, middleware: Middleware) -> Any:
    """Let an object that a wrapped client just made run the client's plugins; give it back.

    An object of a class that no kind is for stays as it is.
    """
    if not isinstance(made, Adopted):
        cls = type(made)
        mixin = next((mixin for kind, mixin in kinds if issubclass(cls, kind)), None)
        if mixin is None:
            return made
        made.__class__ = _subclass_once(mixin, cls)
    made._redis_middleware = middleware
    return made
