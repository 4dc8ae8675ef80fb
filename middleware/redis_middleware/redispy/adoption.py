"""Objects that a wrapped client makes become of a subclass that runs the client's plugins.

Instance attributes, as the client itself gets them, would make each of these objects a reference
cycle: a dropped pipeline or connection would keep its socket until the garbage collector runs.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_middleware.handle import Lease, Middleware

__all__ = ["Adopted", "adopt", "adopt_copy", "subclass"]

Kinds = tuple[tuple[type, type], ...]
"""Pairs of a class of redis-py's and the mixin for it and its subclasses; the first match wins."""


class Adopted:
    """The base of everything adopted."""

    _redis_middleware: Middleware
    _redis_middleware_lease: Lease | None


def subclass(mixin: type, cls: type) -> type:
    """A new subclass that shows itself as ``cls``, with the methods of the mixin before its own."""
    names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
    made = type(cls.__name__, (mixin, cls), names)
    made.__qualname__ = cls.__qualname__
    return made


def adopt(made: Any, kinds: Kinds, middleware: Middleware) -> Any:
    """Let an object that a wrapped client just made run the client's plugins; give it back.

    An object of a class that no kind is for stays as it is.
    """
    if not isinstance(made, Adopted):
        adopted = _adopted_class(made.__class__, kinds)
        if adopted is None:
            return made
        made.__class__ = adopted
    made._redis_middleware = middleware
    made._redis_middleware_lease = middleware.lease()
    return made


def adopt_copy(made: Any, kinds: Kinds, middleware: Middleware) -> Any:
    """The same for an object that nothing refers to yet: gives a copy of the subclass.

    CPython keeps the attributes of an object inline until its ``__class__`` is changed; a plain
    pipeline, which looks up several for each command, queues a fifth slower after that.
    """
    adopted = None if isinstance(made, Adopted) else _adopted_class(made.__class__, kinds)
    if adopted is None:
        return adopt(made, kinds, middleware)
    copy: Any = object.__new__(adopted)
    for name, value in vars(made).items():
        setattr(copy, name, value)
    copy._redis_middleware = middleware
    copy._redis_middleware_lease = middleware.lease()
    return copy


@cache
def _adopted_class(cls: Any, kinds: Kinds) -> type | None:
    for kind, mixin in kinds:
        if issubclass(cls, kind):
            return subclass(mixin, cls)
    return None
