"""Finding other instrumentation of redis-py that would tell the same things a second time."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from redis_middleware import ClientView

__all__ = ["Rivals", "native_groups"]

logger = logging.getLogger("redis_middleware.otel")

_CONTRIB: Final = "opentelemetry.instrumentation.redis"
_NATIVE = "redis.observability"
_FLAG = "_is_instrumented_by_opentelemetry"
_warned: set[str] = set()


class Rivals:
    """The other instrumentation of one client.

    opentelemetry-instrumentation-redis works inside of this plugin, so its spans are suppressed
    for the time of a command. Only where somebody instruments the single client object after it
    was wrapped it works outside, and this plugin leaves the spans to it.

    Args:
        view: facts of the client, which may have come with instrumentation of its own.
    """

    def __init__(self, view: ClientView) -> None:
        self._view = view
        self._flagged_before = bool(getattr(view.client, _FLAG, False))
        self._instrumentor: Any = None

    def traces_inside(self) -> bool:
        """Whether opentelemetry-instrumentation-redis would make spans within this plugin's."""
        if _CONTRIB not in sys.modules:
            return False
        if self._instrumentor is None:
            # There is one in each process, which is slow to ask for.
            module: Any = sys.modules[_CONTRIB]
            self._instrumentor = module.RedisInstrumentor()
        if not (self._flagged_before or self._instrumentor.is_instrumented_by_opentelemetry):
            return False
        _warn_once(
            "opentelemetry-instrumentation-redis is on as well: the spans are those of the plugin "
            "'otel', and its own are suppressed on wrapped clients. Take one of the two out."
        )
        return True

    def traces_outside(self) -> bool:
        """Whether it was put around a client that was wrapped before."""
        if _CONTRIB not in sys.modules or self._flagged_before:
            return False
        if not getattr(self._view.client, _FLAG, False):
            return False
        _warn_once(
            "opentelemetry-instrumentation-redis was put around a wrapped client: the spans are "
            "its own, and the plugin 'otel' makes none for this client. Take one of the two out."
        )
        return True


def native_groups() -> frozenset[str]:
    """The groups of metrics that redis-py makes itself, such as ``COMMAND``."""
    module: Any = sys.modules.get(_NATIVE)
    if module is None:
        return frozenset()
    instance = module.get_observability_instance()
    if not instance.is_enabled():
        return frozenset()
    groups = instance.get_provider_manager().config.metric_groups
    names = frozenset(group.name for group in module.MetricGroup if group in groups)
    if names & {"COMMAND", "CONNECTION_BASIC", "CONNECTION_ADVANCED"}:
        _warn_once(
            "redis-py's own metrics are on as well (groups %s): these are left to redis-py, "
            "and the plugin 'otel' records the others. Take one of the two out.",
            ", ".join(sorted(names)),
        )
    return names


def _warn_once(message: str, *arguments: object) -> None:
    if message not in _warned:
        _warned.add(message)
        logger.warning(message, *arguments)
