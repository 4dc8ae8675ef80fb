"""Whether every write to what is cached can be heard of."""

from __future__ import annotations

from typing import Final

from redis_middleware import ClientView
from redis_middleware.redispy.dedicated import connects_to_any_replica

__all__ = ["BY_TTL_ALONE", "RefusedError", "check_that_all_is_heard"]

BY_TTL_ALONE: Final = 'to cache by TTL alone set invalidation = "ttl" or fall_back_to_ttl = true'
"""What helps where the servers' reports are not to be had."""


class RefusedError(Exception):
    """The servers do not do what is needed for invalidations."""


def check_that_all_is_heard(view: ClientView, mode: str) -> None:
    """Look whether commands go to servers that are not listened to.

    Args:
        view: the client.
        mode: ``"broadcast"`` or ``"tracking"``.

    Raises:
        RefusedError: they do.
    """
    if connects_to_any_replica(view):
        raise RefusedError(
            "each connection goes to another replica that Sentinel names, and one that lags behind "
            f"the one that is heard would be read: wrap the client of the primary; {BY_TTL_ALONE}"
        )
    routing = view.routing
    if routing is None:
        return
    if routing.leaves_deployment:
        raise RefusedError(
            "some keys are routed to other deployments, which are not heard: give those clients of "
            f"their own; {BY_TTL_ALONE}"
        )
    if mode == "tracking" and not view.is_cluster and routing.is_cluster:
        raise RefusedError(
            'invalidation = "tracking" is not possible where slot_routing sends the commands of a '
            f'plain client to a cluster\'s nodes: set invalidation = "broadcast"; {BY_TTL_ALONE}'
        )
