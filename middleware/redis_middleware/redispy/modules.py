"""The command groups of Redis modules (``client.json()`` and others) that make pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis_middleware.redispy.adoption import Adopted, adopt
from redis_middleware.redispy.pipelines import adopt_pipeline

if TYPE_CHECKING:
    from redis_middleware.handle import Middleware

__all__ = ["MODULES_WITH_PIPELINES", "adopt_module"]

MODULES_WITH_PIPELINES = ("json", "ft", "ts")
"""The methods of a client whose result has a ``pipeline()`` of its own."""


class _Module(Adopted):
    def pipeline(self, *args: Any, **kwargs: Any) -> Any:
        pipe = super().pipeline(*args, **kwargs)  # type: ignore[misc]
        return adopt_pipeline(pipe, self._redis_middleware)


_KINDS = ((object, _Module),)


def adopt_module(module: Any, middleware: Middleware) -> Any:
    """Let the pipelines of a module's command group run the client's plugins; give it back."""
    return adopt(module, _KINDS, middleware)
